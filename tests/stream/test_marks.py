"""What the shared consumer tells: records as a read gives them, and which stretch is whole."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from broker.errors import StreamUnavailable
from broker.metrics import Metrics
from broker.model.record import Mark
from broker.model.subjects import RunKey
from broker.stream.connection import Connection
from broker.stream.live import LiveRuns
from broker.stream.marks import ACK_WAIT, CONSUMER, UNWATCHED, Marks
from broker.stream.publish import Message, publish_all
from broker.stream.topology import DEADLETTER, PROGRESS, api, created_at
from tests.faults import Link, link, until
from tests.stream.serving import PATIENCE, following, key_of, nats

VALID = b'{"type":"run.heartbeat"}'


@asynccontextmanager
async def taking(url: str, runs: LiveRuns) -> AsyncIterator[Marks]:
    """What one gateway is told, over a connection of its own."""
    async with Connection.connect(url, name="taking") as connection:
        marks = Marks(connection, runs, Metrics())
        await marks.open()
        yield marks


async def take(marks: Marks, count: int) -> list[Mark]:
    """Take so many, acknowledged as they come."""
    told: list[Mark] = []
    while len(told) < count:
        found = await marks.take(count - len(told))
        await marks.acknowledge([mark.token for mark in found])
        told += found
    return told


async def test_a_record_is_told_as_it_is_read(tmp_path: Path) -> None:
    """To the last digit: else the checkpoints of two gateways would differ."""
    payloads = [b"", b"no JSON", b"\xff", VALID, b'{"type":"lab.sampled"}']
    payloads += [b'{"type":"step.started","step":"s%d"}' % number for number in range(300)]
    async with (
        asyncio.timeout(PATIENCE),
        nats(tmp_path) as server,
        following(server.url) as runs,
        taking(server.url, runs) as marks,
    ):
        for payload in payloads:  # one by one, so that each has a time of its own
            await server.publish("r1", payload)
        told = await take(marks, len(payloads))
        assert payloads == [mark.record.payload for mark in told]
        assert await server.records("r1") == [mark.record for mark in told]


async def test_a_publishers_status_line_ends_no_read(tmp_path: Path) -> None:
    """A stored message may begin as the server's word that there is nothing more."""
    head = b"NATS/1.0 404 Not Found\r\n\r\n"
    size = len(head)
    lines = b"HPUB %b %d %d\r\n%b\r\n" % (key_of("r1").subject.encode(), size, size, head)
    async with (
        asyncio.timeout(PATIENCE),
        nats(tmp_path) as server,
        following(server.url) as runs,
        taking(server.url, runs) as marks,
    ):
        await server.publish("r1", VALID)
        await server.connection.send(lines)
        await server.connection.flush()
        await server.publish("r1", VALID)
        told = await take(marks, 3)
        assert [VALID, b"", VALID] == [mark.record.payload for mark in told]
        assert await server.records("r1") == [mark.record for mark in told]


async def test_two_tenants_runs_of_one_name_are_two(tmp_path: Path) -> None:
    keys = [RunKey("default", "r1"), RunKey("acme", "r1")]
    async with (
        asyncio.timeout(PATIENCE),
        nats(tmp_path) as server,
        following(server.url) as runs,
        taking(server.url, runs) as marks,
    ):
        await publish_all(server.connection, [Message(key.subject, VALID) for key in keys])
        assert keys == [mark.key for mark in await take(marks, 2)]


async def test_a_consumer_made_anew_while_nothing_was_asked_proves_nothing(tmp_path: Path) -> None:
    """Its numbers begin again: by chance the next one is that which would have come next."""
    async with (
        asyncio.timeout(PATIENCE),
        nats(tmp_path) as server,
        following(server.url) as runs,
        taking(server.url, runs) as one,
    ):
        await server.publish("r1", *[VALID] * 3)
        assert [1, 1, 1] == [mark.since for mark in await take(one, 3)]
        await api(server.connection, f"CONSUMER.DELETE.{PROGRESS}.{CONSUMER}")
        await api(server.connection, f"STREAM.PURGE.{PROGRESS}")
        await server.publish("r1", *[VALID] * 3)
        async with taking(server.url, runs) as other:
            assert [4, 5, 6] == [mark.record.seq for mark in await take(other, 3)]
        await server.publish("r1", VALID)
        await asyncio.sleep(UNWATCHED)  # no gateway makes a consumer anew sooner
        [mark] = await take(one, 1)
        assert (7, 7) == (mark.record.seq, mark.since)


async def test_what_could_not_be_looked_at_is_looked_at_again(tmp_path: Path) -> None:
    """Where the copy of a bad one found no stream: once there is one again, and soon."""
    async with (
        asyncio.timeout(PATIENCE),
        nats(tmp_path) as server,
        following(server.url) as runs,
        taking(server.url, runs) as marks,
    ):
        await api(server.connection, f"STREAM.DELETE.{DEADLETTER}")
        await server.publish("r1", VALID, b"no JSON", VALID)
        with pytest.raises(StreamUnavailable):
            await take(marks, 3)

        async def is_made_anew() -> bool:
            with suppress(StreamUnavailable):
                await created_at(server.connection, DEADLETTER)
                return True
            return False

        await until(is_made_anew)
        await marks.open()
        async with asyncio.timeout(ACK_WAIT / 2):
            assert [1, 2, 3] == [mark.record.seq for mark in await take(marks, 3)]
        assert 1 == sum((await server.subjects(DEADLETTER)).values())


async def unsteady(
    connection: Connection, runs: LiveRuns, chance: random.Random, told: list[Mark]
) -> None:
    """Take for ever: acknowledge most, give some back, and begin again now and then."""
    marks = Marks(connection, runs, Metrics())
    opened = False
    while True:
        try:
            if not opened:
                await marks.open()
            found = await marks.take(chance.randrange(1, 30))
            told += found
            back = {mark.token for mark in found if chance.random() < 0.1}
            await marks.acknowledge([mark.token for mark in found if mark.token not in back])
            await connection.send(b"".join([b"PUB %b 4\r\n-NAK\r\n" % token for token in back]))
            opened = chance.random() < 0.95
        except StreamUnavailable:
            opened = False
        await asyncio.sleep(chance.choice([0, 0, 0.001, 0.02]))  # it has other things to do


def beyond_proof(told: list[Mark], stored: dict[int, RunKey]) -> list[tuple[int, int]]:
    """Each mark of a stretch of which something was not told before it."""
    known: set[int] = set()
    wrong: list[tuple[int, int]] = []
    for mark in told:
        seq = mark.record.seq
        known.add(seq)
        if any(at in stored and at not in known for at in range(mark.since, seq)):
            wrong.append((mark.since, seq))
    return wrong


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_told_to_be_whole_is_whole(tmp_path: Path, seed: int) -> None:
    """Gateways share, give back and lose their connection; what is no event lies between."""
    chance = random.Random(seed)
    stored: dict[int, RunKey] = {}
    told: list[list[Mark]] = [[], [], []]
    async with asyncio.timeout(PATIENCE), AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats(tmp_path))
        runs = await stack.enter_async_context(following(server.url))
        way: Link = await stack.enter_async_context(link(server.url))
        for number, url in enumerate([way.url, server.url, server.url]):
            connecting = Connection.connect(url, name=f"gateway {number}")
            connection = await stack.enter_async_context(connecting)
            runs.spawn(unsteady(connection, runs, random.Random(seed), told[number]))
        for turn in range(60):
            keys = [key_of(f"r{chance.randrange(4)}") for _ in range(chance.randrange(1, 60))]
            messages = [Message(k.subject, chance.choice([VALID, b"no JSON"])) for k in keys]
            found = await publish_all(server.connection, messages)
            stored |= {at.seq: key for at, key in zip(found, keys, strict=True)}
            await publish_all(server.connection, [Message("progress.*.stray", VALID)])
            if turn % 20 == 10:
                way.cut()

        async def everything_is_told() -> bool:
            info = await api(server.connection, f"CONSUMER.INFO.{PROGRESS}.{CONSUMER}")
            return (0, 0) == (info["num_pending"], info["num_ack_pending"])

        await until(everything_is_told)
        assert stored == {mark.record.seq: mark.key for marks in told for mark in marks}
        assert [[], [], []] == [beyond_proof(marks, stored) for marks in told]
        whole = [mark for marks in told for mark in marks if mark.since < mark.record.seq]
        assert len(whole) > len(stored) / 10, "else nothing was proven"
