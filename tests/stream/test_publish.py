"""Appending: acknowledged, deduplicated, conditional, and refused with the reason."""

import asyncio
from pathlib import Path

import pytest

from broker.errors import StreamUnavailable, Superseded, TooLarge
from broker.stream.connection import Connection
from broker.stream.publish import IN_FLIGHT, Message, publish, publish_all, submit
from broker.stream.topology import MAX_EVENT
from tests.faults import link
from tests.stream.serving import PATIENCE, key_of, nats

SUBJECT = key_of("r1").subject
PAYLOAD = b'{"type":"run.started"}'


async def test_an_id_is_stored_once(tmp_path: Path) -> None:
    """The second time the server names the first."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        first = await publish(server.connection, Message(SUBJECT, PAYLOAD, "id-1"))
        again = await publish(server.connection, Message(SUBJECT, PAYLOAD, "id-1"))
        other = await publish(server.connection, Message(SUBJECT, PAYLOAD, "id-2"))
        assert [(1, False), (1, True), (2, False)] == [
            (stored.seq, stored.duplicate) for stored in (first, again, other)
        ]
        assert 2 == len(await server.records("r1"))


async def test_without_an_id_nothing_is_known_of_a_repetition(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        stored = await publish_all(server.connection, [Message(SUBJECT, PAYLOAD)] * 2)
        assert [1, 2] == [each.seq for each in stored]


async def test_an_expectation_that_is_not_met_refuses(tmp_path: Path) -> None:
    """Of two that saw the same last event, one stores."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        message = Message(SUBJECT, PAYLOAD)
        first = await publish(server.connection, message, expected_last=0)
        with pytest.raises(Superseded, match=SUBJECT):
            await publish(server.connection, message, expected_last=0)
        await publish(server.connection, message, expected_last=first.seq)
        assert 2 == len(await server.records("r1"))


async def test_many_keep_their_order(tmp_path: Path) -> None:
    """More than are in flight at a time."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        payloads = [b"%d" % number for number in range(2 * IN_FLIGHT + 5)]
        stored = await publish_all(server.connection, [Message(SUBJECT, p) for p in payloads])
        assert list(range(1, len(payloads) + 1)) == [each.seq for each in stored]
        assert payloads == [record.payload for record in await server.records("r1")]


async def test_too_large_is_said_so(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        with pytest.raises(TooLarge, match=f"limit of {MAX_EVENT} bytes"):
            await publish(server.connection, Message(SUBJECT, b"x" * (MAX_EVENT + 5000)))
        await publish(server.connection, Message(SUBJECT, b"x" * MAX_EVENT))


async def test_a_subject_without_a_stream_is_unavailable_at_once(tmp_path: Path) -> None:
    async with asyncio.timeout(4), nats(tmp_path) as server:
        with pytest.raises(StreamUnavailable, match="no stream there"):
            await publish(server.connection, Message("elsewhere.r1", PAYLOAD))


async def test_the_future_of_a_submission_is_its_acknowledgement(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        futures = [await submit(server.connection, Message(SUBJECT, PAYLOAD)) for _ in range(3)]
        assert [1, 2, 3] == [stored.seq for stored in await asyncio.gather(*futures)]


async def test_an_answer_that_got_lost_may_be_asked_for_again(tmp_path: Path) -> None:
    """The event is stored, its acknowledgement lost; with an id the second try is harmless."""
    async with (
        asyncio.timeout(20),
        nats(tmp_path) as server,
        link(server.url) as way,
        Connection.connect(way.url, name="lossy") as connection,
    ):
        way.loses = lambda message: b'"stream":"PROGRESS"' in message
        with pytest.raises(StreamUnavailable, match="not acknowledged in 5 s"):
            await publish(connection, Message(SUBJECT, PAYLOAD, "id-1"))
        assert way.lost.is_set()
        way.loses = lambda message: False
        again = await publish(connection, Message(SUBJECT, PAYLOAD, "id-1"))
        assert (1, True) == (again.seq, again.duplicate)


async def test_what_cannot_be_sent_as_a_whole_is_not_waited_for(tmp_path: Path) -> None:
    """While the connection is lost only so much is kept for it; nothing is left of the rest."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, link(server.url) as way:
        lost = asyncio.Event()

        def changed(connected: bool) -> None:
            if not connected:
                lost.set()

        async with Connection.connect(way.url, name="test", on_change=changed) as connection:
            await way.close()
            await lost.wait()
            messages = [Message(key_of("r1").subject, bytes(200_000)) for _ in range(20)]
            with pytest.raises(StreamUnavailable):
                await publish_all(connection, messages)
            await asyncio.sleep(0)  # what is cancelled hears of it
            assert {} == connection._waiting
