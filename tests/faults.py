"""Faults of the world: a link to NATS that is cut or loses messages, a server that is killed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from broker.stream.embedded import embedded_server


def nothing(message: bytes) -> bool:
    """Lose no message."""
    return False


class Link:
    """A way to a server. Made by `link`."""

    def __init__(self, target: str) -> None:
        self._scheme, _, where = target.partition("://")
        host, port = where.rsplit(":", 1)
        self.url = ""
        self.loses: Callable[[bytes], bool] = nothing
        """Whether a message of a NATS server, its protocol line first, gets lost on the way."""
        self.lost = asyncio.Event()
        """Set when a message was lost."""
        self._server: asyncio.Server | None = None
        self._target = (host, int(port))
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Let clients through, where it was open before."""
        host, port = (self.url.partition("://")[2] or "127.0.0.1:0").split(":")
        self._server = await asyncio.start_server(self._accept, host, int(port))
        host, port = self._server.sockets[0].getsockname()
        self.url = f"{self._scheme}://{host}:{port}"

    async def close(self) -> None:
        """Break every connection, and refuse new ones."""
        if self._server is not None:
            self._server.close()
        self.cut()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def cut(self) -> None:
        """Break every connection; the clients may come back at once."""
        for end in self._ends:
            end.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join a client with the server until either goes."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        ends = [writer]
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            ends.append(far_writer)
            self._ends.update(ends)
            await self._until_either_ends(
                self._upward(reader, far_writer), self._downward(far_reader, writer)
            )
        for end in ends:
            end.transport.abort()
            with suppress(OSError):
                await end.wait_closed()
        self._ends.difference_update(ends)
        self._tasks.discard(task)

    async def _until_either_ends(self, *ways: Coroutine[None, None, None]) -> None:
        tasks = [asyncio.ensure_future(way) for way in ways]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _upward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    async def _downward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._scheme != "nats":
            await self._upward(reader, writer)
        while line := await reader.readline():
            if line.startswith((b"MSG ", b"HMSG ")):
                line += await reader.readexactly(int(line.split()[-1]) + 2)
                if self.loses(line):
                    self.lost.set()
                    continue
            writer.write(line)
            await writer.drain()


@asynccontextmanager
async def link(target: str) -> AsyncIterator[Link]:
    """Open a way to a server: nats:// by its messages, another byte by byte."""
    way = Link(target)
    await way.open()
    try:
        yield way
    finally:
        await way.close()


def live(containing: bytes = b"") -> Callable[[bytes], bool]:
    """Messages that the server republishes as they are stored, and that hold some bytes."""
    return lambda message: message.startswith(b"HMSG live.progress.") and containing in message


class Server:
    """A NATS server that can be killed and started again. Made by `killable`."""

    def __init__(self, folder: Path, life: AsyncExitStack) -> None:
        self.url = ""
        self._folder = folder
        self._life = life

    async def start(self) -> None:
        """Start it, where it was before."""
        port = int(self.url.rsplit(":", 1)[1]) if self.url else 0
        self.url = await self._life.enter_async_context(embedded_server(self._folder, port))

    async def kill(self) -> None:
        """End it without a word."""
        pid = pid_in(self._folder)
        os.kill(pid, signal.SIGKILL)
        await gone(pid)
        await self._life.aclose()


@asynccontextmanager
async def killable(folder: Path) -> AsyncIterator[Server]:
    """Run a NATS server in a folder."""
    async with AsyncExitStack() as life:
        server = Server(folder, life)
        await server.start()
        yield server


def pid_in(folder: Path) -> int:
    """The process of the NATS server that keeps its data in a folder."""
    ports = next(folder.glob("nats-server_*.ports"))
    return int(ports.stem.removeprefix("nats-server_"))


async def gone(pid: int) -> None:
    """Wait until a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def until(condition: Callable[[], Awaitable[object]], seconds: float = 25) -> None:
    """Wait for what no signal tells."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)
