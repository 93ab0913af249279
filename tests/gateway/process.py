"""`progress-broker serve` as a process of its own."""

import asyncio
import os
import random
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.faults import until
from tests.gateway.serving import UNLIMITED

_LISTENS = re.compile(r"progress-broker \S+ at (http://\S+),")


class Process:
    """A running `serve`. Made by `serving`."""

    def __init__(self, process: asyncio.subprocess.Process, output: Path) -> None:
        self.pid = process.pid
        self._process = process
        self._output = output

    @property
    def urls(self) -> list[str]:
        """Where gateways said that they listen."""
        return _LISTENS.findall(self._output.read_text())

    @property
    def log(self) -> str:
        return self._output.read_text()

    async def listens(self, times: int = 1) -> str:
        """Wait until so many gateways have said where they listen; gives the last."""

        async def told() -> bool:
            assert self._process.returncode is None, self.log
            return len(self.urls) >= times

        await until(told, 30)
        return self.urls[-1]

    def cpu_seconds(self) -> float:
        """The processor time that it has used, without its children."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descendants(self) -> dict[int, str]:
        """The processes under this one, and under these, with their command lines."""
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        found: dict[int, str] = {}
        family = {self.pid}
        while grown := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= grown
        for pid in family - {self.pid}:
            with suppress(OSError):
                found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def ended(self, seconds: float = 15) -> int:
        """Wait for its end; gives its exit code."""
        async with asyncio.timeout(seconds):
            return await self._process.wait()


@asynccontextmanager
async def serving(folder: Path, nats_url: str, **settings: Any) -> AsyncIterator[Process]:
    """Run `serve` with settings as its variables; it is killed if it is left running."""
    chosen = {"listen": "127.0.0.1:0", "nats_url": nats_url, **UNLIMITED, **settings}
    variables = {f"BROKER_{name.upper()}": str(value) for name, value in chosen.items()}
    output = folder / "serve.log"
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "broker.cli",
            "serve",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=os.environ | variables,
        )
    try:
        yield Process(process, output)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def free_ports(count: int) -> list[int]:
    """Ports on loopback, one after another, that nobody has just now.

    They are below those that the system gives to clients: one that knocks before anybody listens
    could else be connected to itself.
    """
    while True:
        first = random.randrange(20_000, 32_000)
        ports = list(range(first, first + count))
        with suppress(OSError):
            for port in ports:
                socket.create_server(("127.0.0.1", port)).close()
            return ports
