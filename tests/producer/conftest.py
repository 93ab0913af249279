"""A real NATS server for each test, what it has stored, and a link to it that can be broken."""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from broker.model.decode import decode, tag_of
from broker.model.events import Event, LogAppended, LogLine, Unknown
from broker.model.subjects import RunKey
from broker.stream.connection import Connection
from broker.stream.embedded import embedded_server
from broker.stream.replay import read
from broker.stream.topology import LOGS, StreamSettings, ensure


class Nats:
    """A running server with its streams."""

    def __init__(self, url: str, connection: Connection) -> None:
        self.url = url
        self.connection = connection

    async def events(self, run: str, tenant: str = "default") -> list[Event | Unknown]:
        """What is stored of a run, in order."""
        key = RunKey(tenant, run)
        pages = [page async for page in read(self.connection, key.subject, 0)]
        return [decode(record.payload) for page in pages for record in page]

    async def tags(self, run: str) -> list[str]:
        """The types of the stored events; of a step's with its name."""
        return [label(event) for event in await self.events(run)]

    async def batches(self, run: str) -> list[bytes]:
        """The stored log events of a run."""
        subject = RunKey("default", run).log_subject
        pages = [page async for page in read(self.connection, subject, 0, stream=LOGS)]
        return [record.payload for page in pages for record in page]

    async def lines(self, run: str) -> list[LogLine]:
        """The stored log lines of a run."""
        events = [decode(payload) for payload in await self.batches(run)]
        return [line for event in events if isinstance(event, LogAppended) for line in event.lines]


def label(event: Event | Unknown) -> str:
    """An event in short: its type, and the step it is about."""
    step = getattr(event, "step", None)
    return f"{tag_of(event)} {step}" if step else tag_of(event)


async def eventually(condition: Callable[[], Any]) -> None:
    """Wait until a condition, or what it has to wait for, is true: it has no other signal."""
    async with asyncio.timeout(30):
        while True:
            met = condition()
            if await met if inspect.isawaitable(met) else met:
                return
            await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(folder: Path, port: int = 0) -> AsyncIterator[Nats]:
    """Run a server in a folder, with its streams."""
    async with (
        embedded_server(folder, port) as url,
        Connection.connect(url, name="test") as connection,
    ):
        await ensure(connection, StreamSettings())
        yield Nats(url, connection)


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[Nats]:
    async with serving(tmp_path / "nats") as server:
        yield server


class Link:
    """A way to the server that can lose what the server says, be cut, and be shut."""

    def __init__(self, target: str) -> None:
        self._target = target.removeprefix("nats://").rsplit(":", 1)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._port = 0
        self.deaf = False
        """While set, the answers of the server are lost."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[str]:
        """Listen; gives the URL that leads to the server."""
        await self.open()
        try:
            yield f"nats://127.0.0.1:{self._port}"
        finally:
            self.shut()
            await asyncio.gather(*self._tasks)

    async def open(self) -> None:
        """Take connections, on the same port as before."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """Break every connection and take no new one."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def cut(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            self._writers.add(far_writer)
            await asyncio.gather(
                self._copy(reader, far_writer), self._copy(far_reader, writer, answers=True)
            )
        await _close(writer)

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool = False
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if not (answers and self.deaf):
                    writer.write(data)
                    await writer.drain()
        await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The warnings that producers have logged so far."""
    caplog.set_level(logging.INFO, "broker.producer")

    def found() -> list[str]:
        return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]

    return found
