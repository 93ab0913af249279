"""A program that is killed, stopped, continued and started again at one address."""

import asyncio
import os
import random
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from broker.stream.child import child
from tests.faults import gone, until
from tests.sse import ask

_EPHEMERAL = 32_768
"""Where the ports begin that the system gives to clients: one of theirs may be taken again."""


class Program:
    """One program under a guardian: it ends with this process, however that ends."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        ready: Callable[[], Awaitable[object]],
    ) -> None:
        self.name = name
        self.pid = 0
        self.alive = False
        self._command = command
        self._environment = {**os.environ, **environment}
        self._log = log
        self._ready = ready
        self._life = AsyncExitStack()

    async def start(self) -> None:
        """Start it, and wait until it is a process."""
        output = self._life.enter_context(self._log.open("ab"))
        guardian = await self._life.enter_async_context(
            child(self._command, output=output, environment=self._environment)
        )

        async def begun() -> bool:
            self.pid = _child_of(guardian.pid)
            return self.pid > 0

        await until(begun)
        self.alive = True

    async def ready(self, seconds: float = 30) -> None:
        """Wait until it says that it is ready."""
        async with asyncio.timeout(seconds):
            while not await self._ready():
                if not _lives(self.pid):
                    raise ProcessLookupError(f"{self.name} has ended: {self.log[-2000:]}")
                await asyncio.sleep(0.05)  # it has no other sign

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if not _lives(self.pid):
            raise ProcessLookupError(f"{self.name} has ended by itself: {self.log[-2000:]}")
        os.kill(self.pid, number)

    async def kill(self) -> None:
        """End it without a word."""
        with suppress(ProcessLookupError):
            self.tell(signal.SIGKILL)
        await self.ended()

    async def ended(self) -> None:
        """Wait until it has ended."""
        await gone(self.pid)
        self.alive = False
        await self._life.aclose()

    async def close(self) -> None:
        """End it, also where it is stopped."""
        if self.alive:
            await self.kill()

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text(errors="replace")


def _child_of(guardian: int) -> int:
    """The process that a guardian has started; 0 while it has not."""
    pids = Path(f"/proc/{guardian}/task/{guardian}/children").read_text().split()
    return int(pids[0]) if pids else 0


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def steady_ports(count: int) -> list[int]:
    """Free ports on loopback that no client is given while a program that had one is away."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, _EPHEMERAL)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        if port not in found:
            found.append(port)
    return found


def answers_well(url: str, target: str) -> Callable[[], Awaitable[bool]]:
    """Asks whether it is well there."""

    async def well() -> bool:
        try:
            return (await ask(url, target)).status == 200
        except (OSError, EOFError, TimeoutError):
            return False

    return well
