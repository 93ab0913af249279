"""What is stored is read page by page: all of it, in order, as the server says it is."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.errors import StreamUnavailable
from broker.stream.publish import Message, publish, publish_all
from broker.stream.replay import MOST_SUBJECTS, first_sequence, last_sequences, read
from broker.stream.topology import MAX_EVENT, PROGRESS, api
from tests.stream.serving import PATIENCE, key_of, nats

EVENT = {"type": "run.heartbeat"}


async def test_pages_hold_everything_once(tmp_path: Path) -> None:
    """A run among others, with fewer events than a page, just as many, and more."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        mine: list[int] = []
        for _ in range(10):
            mine += await server.publish("mine", EVENT)
            await server.publish("other", EVENT, EVENT)
        subject = key_of("mine").subject
        for size in (1, 3, 5, 9, 10, 11, 100):
            pages = [page async for page in read(server.connection, subject, 0, page_size=size)]
            assert mine == [record.seq for page in pages for record in page]
            assert size >= max(map(len, pages))
        assert mine[4:] == [record.seq for record in await server.records("mine", mine[3])]
        assert mine[4:] == [record.seq for record in await server.records("mine", mine[4] - 1)]


async def test_pages_end_at_the_limit_of_bytes(tmp_path: Path) -> None:
    """Events of the largest size: a page is cut by bytes long before it is full."""
    async with asyncio.timeout(30), nats(tmp_path) as server:
        large = b'{"type":"x.y","x":"' + b"x" * (MAX_EVENT - 100) + b'"}'
        seqs = [seq for _ in range(100) for seq in await server.publish("r1", large)]
        pages = [page async for page in read(server.connection, key_of("r1").subject, 0)]
        assert len(pages) > 2
        assert seqs == [record.seq for page in pages for record in page]
        assert {large} == {record.payload for page in pages for record in page}


async def test_nothing_is_no_page(tmp_path: Path) -> None:
    """Of an unknown run, of one without anything new, and of an empty stream."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        assert [] == await server.records("r1")
        [seq] = await server.publish("r1", EVENT)
        assert [] == await server.records("nobody")
        assert [] == await server.records("r1", seq)
        assert [] == await server.records("r1", seq + 1000)


async def test_an_empty_payload_is_a_record(tmp_path: Path) -> None:
    """The server's words about the end come without payload too."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        seqs = await server.publish("r1", b"", EVENT, b"")
        records = await server.records("r1")
        assert seqs == [record.seq for record in records]
        assert [b"", b""] == [records[0].payload, records[2].payload]


async def test_a_publisher_cannot_lie_about_its_place(tmp_path: Path) -> None:
    """The server's own headers stand behind the publisher's, and count."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        lies = {
            "Nats-Sequence": "999",
            "Nats-Last-Sequence": "998",
            "Nats-Time-Stamp": "1999-01-01T00:00:00Z",
            "Nats-Subject": "progress.default.other",
            "Nats-Stream": "OTHER",
            "Nats-Num-Pending": "0",
            "Status": "404",
        }
        before = datetime.now(UTC) - timedelta(seconds=1)
        for payload in (b'{"type":"run.started"}', b""):
            message = Message(key_of("r1").subject, payload, headers=lies)
            stored = await publish(server.connection, message)
            assert [stored.seq] == [r.seq for r in await server.records("r1", stored.seq - 1)]
        assert all(record.stored_at > before for record in await server.records("r1"))
        last = await last_sequences(server.connection, [key_of("r1").subject])
        assert {key_of("r1").subject: 2} == last


async def test_the_time_is_the_servers_to_the_millisecond(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await server.publish("r1", *[EVENT] * 200)
        now = datetime.now(UTC)
        times = [record.stored_at for record in await server.records("r1")]
        assert times == sorted(times)
        assert now - timedelta(seconds=5) < times[0] <= times[-1] <= now + timedelta(seconds=1)
        assert {0} == {time.microsecond % 1000 for time in times}


async def test_last_sequences_of_more_runs_than_one_request_may_name(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        subjects = [key_of(f"r{number}").subject for number in range(MOST_SUBJECTS + 500)]
        messages = [Message(subject, b"{}") for subject in subjects]
        stored = await publish_all(server.connection, messages)
        unknown = key_of("nobody").subject
        assert {s: ack.seq for s, ack in zip(subjects, stored, strict=True)} == (
            await last_sequences(server.connection, [*subjects, unknown])
        )
        assert {} == await last_sequences(server.connection, [unknown])
        assert {} == await last_sequences(server.connection, [])


async def test_the_first_sequence_moves_when_the_oldest_go(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await server.publish("r1", *[EVENT] * 10)
        assert 1 == await first_sequence(server.connection)
        await api(server.connection, f"STREAM.PURGE.{PROGRESS}", {"seq": 6})
        assert 6 == await first_sequence(server.connection)
        assert [6, 7, 8, 9, 10] == [record.seq for record in await server.records("r1")]


async def test_a_stream_that_is_not_there_is_unavailable_not_empty(tmp_path: Path) -> None:
    """An outage must not look like a run without events."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await api(server.connection, f"STREAM.DELETE.{PROGRESS}")
        with pytest.raises(StreamUnavailable):
            await server.records("r1")
