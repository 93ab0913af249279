"""The index is fed from a real bucket, whole and in order, whatever happens to the consumer."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from broker.metrics import Metrics
from broker.model.cursor import epoch_of
from broker.model.subjects import RunKey
from broker.model.summary import Summary, encode_summary
from broker.runs.index import Index
from broker.runs.query import parse
from broker.stream.connection import Connection, Subscription
from broker.stream.publish import Message, publish_all
from broker.stream.summaries import SLICE, Summaries
from broker.stream.topology import CHECKPOINTS, StreamSettings, api, created_at, ensure
from tests.faults import link, until
from tests.stream.serving import PATIENCE, Nats, nats
from tests.unit.index.rows import an_index, summary


def message(row: Summary) -> Message:
    """A checkpoint without a state."""
    key = RunKey(row.tenant, row.run)
    headers = {"Broker-Summary": encode_summary(row).decode()}
    return Message(key.checkpoint_subject, b"", None, headers)


async def put(server: Nats, *rows: Summary) -> list[int]:
    """Store checkpoints; gives their sequences."""
    return [stored.seq for stored in await publish_all(server.connection, list(map(message, rows)))]


@asynccontextmanager
async def indexed(url: str, index: Index, **how: Any) -> AsyncIterator[Summaries]:
    """Feed an index over a connection of its own."""
    async with (
        Connection.connect(url, name="index") as connection,
        Summaries.running(connection, index, metrics=Metrics(), **how) as summaries,
    ):
        yield summaries


async def has(index: Index, *runs: str) -> None:
    """Wait until the index is built and has these runs, the newest first, and no others."""

    async def so() -> bool:
        return index.built and list(runs) == index.matching(parse([]), 10_000)

    await until(so)


async def test_stored_rows_come_first_then_those_to_come(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await put(server, summary("a", 1), summary("b ü.*", 2), summary("a", 3))
        index = an_index()
        async with indexed(server.url, index):
            await has(index, "a", "b ü.*")
            [seq] = await put(server, summary("b ü.*", 4, name="again"))
            await has(index, "b ü.*", "a")
        [first, _] = index.page(parse([])).rows
        assert (seq, "again") == (first.version, first.summary.name)


async def test_a_few_stored_rows_are_there_at_once(tmp_path: Path) -> None:
    """Not with the first heartbeat: what arrives while the consumer is made counts as well."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        for attempt in range(20):
            await put(server, summary(f"r{attempt}", attempt))
            index = an_index()
            async with indexed(server.url, index, heartbeat=60.0):
                await has(index, *(f"r{n}" for n in reversed(range(attempt + 1))))


async def test_an_empty_bucket_is_built_at_once(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        index = an_index()
        async with indexed(server.url, index):
            await has(index)


async def test_it_is_built_only_when_everything_stored_has_come(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        rows = [summary(f"r{n:04}", n) for n in range(SLICE * 25)]
        await put(server, *rows)
        index = an_index(most=10_000)
        sizes: list[tuple[bool, int]] = []
        index.subscribe(lambda changed: sizes.append((index.built, len(index))))
        async with indexed(server.url, index):
            await has(index, *(row.run for row in reversed(rows)))
        assert [(True, len(rows))] == [told for told in sizes if told[0]]
        assert len(sizes) > 25


async def test_a_key_that_is_deleted_leaves(tmp_path: Path) -> None:
    """As `nats kv del` and `nats kv purge` do it; other messages without a summary do nothing."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await put(server, summary("a", 1), summary("b", 2), summary("c", 3))
        index = an_index()
        async with indexed(server.url, index):
            await has(index, "c", "b", "a")
            for run, operation in (("a", "DEL"), ("b", "PURGE")):
                subject = RunKey("default", run).checkpoint_subject
                gone = Message(subject, b"", None, {"KV-Operation": operation})
                await publish_all(server.connection, [gone])
            await publish_all(server.connection, [Message("$KV.RUNS.x.y.z", b"odd")])
            await has(index, "c")


class Faulty(Index):
    """Cannot take one of its rows."""

    def apply(self, batch: Iterable[tuple[int, bytes]]) -> None:
        batch = list(batch)
        if any(b'"run":"b"' in encoded for _, encoded in batch):
            raise ValueError("our fault")
        super().apply(batch)


async def test_a_fault_with_one_row_costs_its_slice_alone(tmp_path: Path) -> None:
    """It is built all the same, and hears of what comes later."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await put(server, summary("a", 1), summary("b", 2))
        index = Faulty(most=10, now=time.time, metrics=Metrics())
        async with indexed(server.url, index):
            await has(index)
            await put(server, summary("c", 3))
            await has(index, "c")


async def test_it_is_built_although_what_was_stored_last_goes_meanwhile(tmp_path: Path) -> None:
    """The server never says then that it was the last one: its rhythm does."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await put(server, summary("a", 1), summary("b", 2))
        index = an_index()
        async with Connection.connect(server.url, name="index") as connection:
            summaries = Summaries(connection, index, Metrics(), heartbeat=0.2)
            create = summaries._open

            async def open_late() -> Subscription:
                subscription = await create()
                summaries._head = 3  # what a third row that is gone by now left behind
                return subscription

            summaries._open = open_late  # type: ignore[method-assign]
            async with asyncio.TaskGroup() as group:
                feeding = group.create_task(summaries._feed_forever())
                await has(index, "b", "a")
                feeding.cancel()


@pytest.mark.parametrize("loses", ["a row", "the last row", "everything for a while"])
async def test_what_gets_lost_on_the_way_is_read_again(tmp_path: Path, loses: str) -> None:
    """A gap shows with the next row, a last one with the server's heartbeat."""
    async with asyncio.timeout(30), nats(tmp_path) as server, link(server.url) as way:
        await put(server, summary("a", 1))
        index = an_index()
        async with indexed(way.url, index, heartbeat=0.3):
            await has(index, "a")
            way.loses = lambda line: line.startswith(b"HMSG $KV.RUNS.default.b")
            if loses == "everything for a while":
                way.loses = lambda line: True
            await put(server, summary("b", 2))
            await way.lost.wait()
            way.loses = lambda line: False
            if loses == "a row":
                await put(server, summary("c", 3))
                await has(index, "c", "b", "a")
            else:
                await has(index, "b", "a")


async def test_a_connection_that_comes_back_goes_on_where_it_was(tmp_path: Path) -> None:
    """Rows that were indexed do not come again."""
    async with asyncio.timeout(30), nats(tmp_path) as server, link(server.url) as way:
        await put(server, summary("a", 1), summary("b", 2))
        index = an_index()
        heard: list[str] = []
        index.subscribe(lambda changed: heard.extend(row.run for row in changed))
        async with indexed(way.url, index):
            await has(index, "b", "a")
            await way.close()
            await put(server, summary("c", 3))
            await way.open()
            await has(index, "c", "b", "a")
        assert ["a", "b", "c"] == heard


async def test_a_bucket_that_was_made_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    async with asyncio.timeout(30), nats(tmp_path) as server:
        await put(server, *(summary(f"old-{n}", n) for n in range(5)))
        index = an_index()
        async with indexed(server.url, index, heartbeat=0.3):
            await has(index, *(f"old-{n}" for n in reversed(range(5))))
            await api(server.connection, f"STREAM.DELETE.{CHECKPOINTS}")
            await ensure(server.connection, StreamSettings())
            await put(server, summary("new", 9))
            await has(index, "new")


async def test_after_a_new_epoch_only_rows_of_it_count(tmp_path: Path) -> None:
    """Those among them that were stored before the index heard of it are read again."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        epoch = epoch_of(await created_at(server.connection, "PROGRESS"))
        index = an_index(epoch="old")
        await put(server, summary("a", 1, cursor="old-1"), summary("b", 2, cursor=f"{epoch}-1"))
        async with indexed(server.url, index) as summaries:
            await has(index, "a")
            index.epoch = epoch
            summaries.renew()
            await has(index, "b")


async def test_many_rows_at_once_do_not_overrun_it(tmp_path: Path) -> None:
    """More bytes than the server sends before it waits for an answer."""
    async with asyncio.timeout(30), nats(tmp_path) as server:
        labels = {f"key-{n}": "x" * 60 for n in range(60)}
        rows = [summary(f"r{n:04}", n, labels=labels) for n in range(3_000)]
        for begin in range(0, len(rows), 500):
            await put(server, *rows[begin : begin + 500])
        index = an_index(most=100_000)
        async with indexed(server.url, index):
            await has(index, *(row.run for row in reversed(rows)))
