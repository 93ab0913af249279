"""Several gateways on one port: started, and started again when they die."""

import asyncio
import logging
import os
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import msgspec

from broker.cli import exits
from broker.errors import SettingsError
from broker.logs import about
from broker.settings import Settings, environment_of
from broker.stream.child import child
from broker.stream.embedded import embedded_server

log = logging.getLogger(__name__)

WORKER_FLAG: Final = "--shares-port"
"""Says to a gateway that others listen on its port too (SO_REUSEPORT)."""

ADMIN: Final = "127.0.0.1:9180"
"""The first worker's admin address where none is set."""

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_SETTLED: Final = 30.0
"""Seconds after which a worker that dies counts as one that had started well."""


async def supervise(settings: Settings) -> None:
    """Keep `settings.workers` gateways running until cancelled; then drain all of them at once.

    Raises WorkersGaveUp where one ends at its first start with a code that only a person mends.
    """
    async with AsyncExitStack() as stack:
        if settings.listen.endswith(":0"):
            raise SettingsError("--workers needs a port that can be shared: give one in --listen")
        nats_url = settings.nats_url or await stack.enter_async_context(
            embedded_server(Path(settings.data_dir), settings.nats_port)
        )
        async with asyncio.TaskGroup() as workers:
            for number in range(settings.workers):
                own = msgspec.structs.replace(
                    settings,
                    workers=1,
                    nats_url=nats_url,
                    admin_listen=_numbered(settings.admin_listen or ADMIN, number),
                )
                workers.create_task(_keep_running(own, number), name=f"worker {number}")


async def _keep_running(settings: Settings, number: int) -> None:
    """Run one worker, again after each end, the sooner the longer it lived."""
    environment = os.environ | environment_of(settings)
    command = [sys.executable, "-m", "broker.cli", "serve", WORKER_FLAG]
    pause = _FIRST_PAUSE
    first = True
    while True:
        began = time.monotonic()
        async with child(
            command, environment=environment, grace=settings.drain_seconds + 5
        ) as process:
            code = await process.wait()
        if time.monotonic() - began > _SETTLED:
            pause = _FIRST_PAUSE
        elif first and code in exits.NEEDS_A_PERSON:
            raise exits.WorkersGaveUp(code)
        first = False
        more = about("worker_ended", worker=number, code=code)
        log.warning(
            "worker %d ended (%d); starting it again in %.1f s", number, code, pause, extra=more
        )
        await asyncio.sleep(pause)
        pause = min(_LONGEST_PAUSE, 2 * pause)


def _numbered(address: str, number: int) -> str:
    host, _, port = address.rpartition(":")
    return f"{host}:{int(port) + number}" if port.isdigit() else address
