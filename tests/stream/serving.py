"""A real NATS server for one test, and what lies in it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from broker.metrics import Metrics
from broker.model.cursor import epoch_of
from broker.model.record import Record
from broker.model.subjects import RunKey
from broker.stream.connection import Connection
from broker.stream.embedded import embedded_server
from broker.stream.live import LiveRuns
from broker.stream.publish import Message, publish_all
from broker.stream.replay import read
from broker.stream.topology import PROGRESS, StreamSettings, api, ensure

PATIENCE = 30.0
"""Seconds that a whole test may wait for one thing."""

Payload = bytes | dict[str, Any]


def key_of(run: str) -> RunKey:
    """A run of the default tenant."""
    return RunKey("default", run)


def payload_of(event: Payload) -> bytes:
    """An event as it is stored."""
    return event if isinstance(event, bytes) else msgspec.json.encode(event)


class Nats:
    """A running server with its streams, and a connection to it."""

    def __init__(self, url: str, connection: Connection) -> None:
        self.url = url
        self.connection = connection

    async def publish(self, run: str, *events: Payload) -> list[int]:
        """Store events of a run; gives their sequences."""
        subject = key_of(run).subject
        messages = [Message(subject, payload_of(event)) for event in events]
        return [stored.seq for stored in await publish_all(self.connection, messages)]

    async def records(self, run: str, after: int = 0, **how: Any) -> list[Record]:
        """What is stored of a run."""
        pages = read(self.connection, key_of(run).subject, after, **how)
        return [record async for page in pages for record in page]

    async def subjects(self, stream: str = PROGRESS) -> dict[str, int]:
        """How many messages a stream holds under each subject."""
        answer = await api(self.connection, f"STREAM.INFO.{stream}", {"subjects_filter": ">"})
        found: dict[str, int] = answer["state"].get("subjects") or {}
        return found


@asynccontextmanager
async def nats(folder: Path, port: int = 0) -> AsyncIterator[Nats]:
    """Run a server in a folder, with its streams."""
    async with (
        embedded_server(folder, port) as url,
        Connection.connect(url, name="test") as connection,
    ):
        await ensure(connection, StreamSettings())
        yield Nats(url, connection)


@asynccontextmanager
async def following(live_url: str, reads_url: str | None = None) -> AsyncIterator[LiveRuns]:
    """Follow runs over two connections, as a gateway does."""
    metrics = Metrics()
    async with (
        Connection.connect(live_url, name="live") as live,
        Connection.connect(reads_url or live_url, name="reads") as reads,
    ):

        async def verify() -> str:
            return epoch_of(await ensure(reads, StreamSettings()))

        async with LiveRuns.running(
            live, reads, epoch=await verify(), verify=verify, metrics=metrics
        ) as runs:
            yield runs


class Log:
    """The sequences that a follower delivered, to be waited for."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self._more = asyncio.Event()

    def deliver(self, records: Sequence[Record]) -> None:
        """Take records."""
        self.seqs += [record.seq for record in records]
        self._more.set()

    async def upto(self, seq: int) -> list[int]:
        """Wait until a record was delivered; gives all that were."""
        while seq not in self.seqs:
            self._more.clear()
            await self._more.wait()
        return self.seqs
