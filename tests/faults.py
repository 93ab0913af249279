"""Faults of the world: a link to NATS that is cut or loses messages, a server that is killed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path


def nothing(message: bytes) -> bool:
    """Lose no message."""
    return False


class Link:
    """A way to a NATS server. Made by `link`."""

    def __init__(self, target: str) -> None:
        host, port = target.removeprefix("nats://").rsplit(":", 1)
        self.url = ""
        self.loses: Callable[[bytes], bool] = nothing
        """Whether a message of the server, its protocol line first, gets lost on the way."""
        self.lost = asyncio.Event()
        """Set when a message was lost."""
        self.refusing = False
        """While set, nobody gets through."""
        self._target = (host, int(port))
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Break every connection."""
        for end in self._ends:
            end.transport.abort()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join a client with the server until either goes."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        ends = [writer]
        with suppress(OSError):
            if not self.refusing:
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

    async def ended(self) -> None:
        """Wait until every connection is gone."""
        while self._tasks:
            await asyncio.wait(self._tasks)

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
    """Open a way to a NATS server."""
    way = Link(target)
    server = await asyncio.start_server(way.accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    way.url = f"nats://{host}:{port}"
    try:
        yield way
    finally:
        way.refusing = True
        server.close()
        way.cut()
        await way.ended()


def live(containing: bytes = b"") -> Callable[[bytes], bool]:
    """Messages that the server republishes as they are stored, and that hold some bytes."""
    return lambda message: message.startswith(b"HMSG live.progress.") and containing in message


def pid_in(folder: Path) -> int:
    """The process of the NATS server that keeps its data in a folder."""
    ports = next(folder.glob("nats-server_*.ports"))
    return int(ports.stem.removeprefix("nats-server_"))


def kill(pid: int) -> None:
    """End a process without a word."""
    os.kill(pid, signal.SIGKILL)


async def gone(pid: int) -> None:
    """Wait until a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, ended.set)
        await ended.wait()
        loop.remove_reader(descriptor)
    finally:
        os.close(descriptor)
