"""Lines are followed from where the run's log now ends; what came before is read."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from broker.metrics import Metrics
from broker.model.cursor import epoch_of
from broker.model.loglines import lines_of
from broker.model.record import Record
from broker.stream.connection import Connection
from broker.stream.lines import LiveLines
from broker.stream.live import LiveRuns
from broker.stream.topology import LOGS, created_at
from tests.faults import link
from tests.gateway.lines import batch, store
from tests.gateway.runs import completed
from tests.stream.serving import PATIENCE, Log, key_of, nats


@asynccontextmanager
async def following(live_url: str, url: str) -> AsyncIterator[LiveLines]:
    """Follow lines over two connections, as a gateway does."""
    async with (
        Connection.connect(live_url, name="live") as live,
        Connection.connect(url, name="reads") as reads,
    ):

        async def verify() -> str:
            return epoch_of(await created_at(reads, LOGS))

        async with LiveRuns.running(
            live, reads, epoch=await verify(), verify=verify, metrics=Metrics(), stream=LOGS
        ) as runs:
            yield LiveLines(runs)


class Texts(Log):
    """The lines of what was delivered, too."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def deliver(self, records: Sequence[Record]) -> None:
        self.texts += [line.text for record in records for line in lines_of(record)]
        super().deliver(records)


async def test_what_was_before_is_not_delivered_but_read(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        seqs = await store(server, "r1", *[batch(f"{n}") for n in range(50)])
        async with following(server.url, server.url) as lines:
            state = await lines.checkpoint(key_of("r1"))
            assert seqs[-1] == state.seq == await lines.last(key_of("r1"))
            log = Texts()
            feed = await lines.follow(key_of("r1"), log.deliver, state.seq)
            assert [] == log.seqs
            more = await store(server, "r1", batch("a", "b"), batch("c"))
            assert more == await log.upto(more[-1])
            assert ["a", "b", "c"] == log.texts
            await feed.close()
            read = [record async for page in lines.read(key_of("r1"), 0) for record in page]
            assert seqs + more == [record.seq for record in read]


async def test_what_is_no_batch_comes_as_an_empty_one(tmp_path: Path) -> None:
    """So that no fold of it ends the run, and no sequence is missing."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        foreign = await store(server, "r1", completed(), b"\xff", batch("a"))
        async with following(server.url, server.url) as lines:
            log = Texts()
            await lines.follow(key_of("r1"), log.deliver)
            foreign += await store(server, "r1", completed(), batch("b"))
            assert foreign == await log.upto(foreign[-1])
            assert ["a", "b"] == log.texts
            read = [record async for page in lines.read(key_of("r1"), 0) for record in page]
            empty = b'{"type":"log.appended","lines":[]}'
            assert [empty, empty, empty] == [read[n].payload for n in (0, 1, 3)]


async def test_a_lost_live_batch_is_read_from_the_stream(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(PATIENCE),
        nats(tmp_path) as server,
        link(server.url) as way,
        following(way.url, server.url) as lines,
    ):
        log = Texts()
        [first] = await store(server, "r1", batch("first"))
        await lines.follow(key_of("r1"), log.deliver)
        assert [first] == log.seqs
        way.loses = lambda message: b"lost" in message
        [lost] = await store(server, "r1", batch("lost"))
        await way.lost.wait()
        [last] = await store(server, "r1", batch("last"))
        assert [first, lost, last] == await log.upto(last)
        assert ["first", "lost", "last"] == log.texts


async def test_the_epoch_is_that_of_the_stream_of_lines(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(PATIENCE),
        nats(tmp_path) as server,
        following(server.url, server.url) as lines,
    ):
        assert epoch_of(await created_at(server.connection, LOGS)) == lines.epoch
        [seq] = await store(server, "r1", batch("a"))
        assert await lines.batch(key_of("r1"), seq) is not None
        assert await lines.batch(key_of("r1"), seq + 1) is None
        assert await lines.batch(key_of("r2"), seq) is None
