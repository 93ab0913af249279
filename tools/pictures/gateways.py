"""Gateways as processes of their own, for the pictures."""

import asyncio
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from broker.stream.child import child

_STARTING: Final = 30.0


@asynccontextmanager
async def gateway(address: str, log: Path, settings: Mapping[str, str]) -> AsyncIterator[None]:
    """`progress-broker serve` at an address, ready when the block begins; stopped in good order.

    `settings` are by the names of their flags, without dashes before.
    """
    flags = [text for name, value in settings.items() for text in (f"--{name}", value)]
    command = [sys.executable, "-m", "broker.cli", "serve", "--listen", address, *flags]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BROKER_")}
    with log.open("ab") as output:
        async with child(command, output=output, environment=environment, grace=40.0):
            await asyncio.to_thread(_wait, f"http://{address}/readyz", log)
            yield


def _wait(url: str, log: Path) -> None:
    """Wait until a gateway is ready. Raises TimeoutError with what it logs."""
    patience = time.monotonic() + _STARTING
    while not _answers(url):
        if time.monotonic() > patience:
            raise TimeoutError(f"the gateway does not start: {log.read_text()}")
        time.sleep(0.1)  # a process says nothing to its parent


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody has just now."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]
