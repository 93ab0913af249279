"""A real NATS server for each test, what it has stored, and a link to it that can be broken."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

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
    """A way to the server that can lose what the server says, and be cut."""

    def __init__(self, target: str) -> None:
        host, port = target.removeprefix("nats://").rsplit(":", 1)
        self._target = (host, int(port))
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.refusing = False
        self.deaf = False
        """While set, the answers of the server are lost."""

        self.passed = asyncio.Condition()
        self.sent = 0
        """Messages of the client that were passed on."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        try:
            host, port = server.sockets[0].getsockname()
            yield f"nats://{host}:{port}"
        finally:
            self.refusing = True
            self.cut()
            server.close()
            await asyncio.gather(*self._tasks)

    def cut(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def passed_on(self, count: int) -> None:
        """Wait until so many messages of the client have been passed on."""
        async with self.passed:
            await self.passed.wait_for(lambda: self.sent >= count)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        with suppress(OSError):
            if not self.refusing:
                far_reader, far_writer = await asyncio.open_connection(*self._target)
                self._writers.add(far_writer)
                await asyncio.gather(
                    self._copy(reader, far_writer, heard=self._count),
                    self._copy(far_reader, writer, heard=None),
                )
        for each in (writer,):
            each.close()
            with suppress(OSError):
                await each.wait_closed()

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        heard: Callable[[bytes], int] | None,
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if heard is None and self.deaf:
                    continue
                writer.write(data)
                await writer.drain()
                if heard is not None:
                    async with self.passed:
                        self.sent += heard(data)
                        self.passed.notify_all()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    @staticmethod
    def _count(data: bytes) -> int:
        return data.count(b"HPUB ")


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The warnings that producers have logged so far."""
    caplog.set_level(logging.INFO, "broker.producer")

    def found() -> list[str]:
        return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]

    return found
