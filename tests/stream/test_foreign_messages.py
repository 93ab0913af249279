"""Messages of dialects are taken by one gateway at a time, in the order of the stream."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from broker.errors import StreamUnavailable
from broker.model.subjects import dialect_subject
from broker.stream.connection import Connection
from broker.stream.foreign import CONSUMER, PINNED, Foreign, ForeignMessages
from broker.stream.publish import Message, publish_all
from broker.stream.topology import DIALECTS, api
from tests.faults import link, until
from tests.stream.serving import PATIENCE, Nats, key_of, nats

TAKEOVER = 25.0
"""Seconds for a test in which the server must find out by itself that a gateway is gone."""


@asynccontextmanager
async def taking(server: Nats, url: str | None = None) -> AsyncIterator[ForeignMessages]:
    """What one gateway takes, over a connection of its own."""
    async with Connection.connect(url or server.url, name="taking") as connection:
        messages = ForeignMessages(connection)
        await messages.open()
        yield messages


async def send(server: Nats, numbers: Sequence[int]) -> None:
    subject = dialect_subject("tiny", key_of("r1"))
    await publish_all(server.connection, [Message(subject, b"%d" % number) for number in numbers])


async def some(messages: ForeignMessages) -> list[Foreign]:
    """The next messages, however long they let wait for them."""
    while not (taken := await messages.take()):
        pass
    return taken


async def take(messages: ForeignMessages, count: int) -> list[int]:
    """Take so many, acknowledged as they come."""
    numbers: list[int] = []
    while len(numbers) < count:
        taken = await messages.take()
        numbers += [int(message.payload) for message in taken]
        await messages.acknowledge(taken)
    return numbers


async def left(server: Nats) -> int:
    return sum((await server.subjects(DIALECTS)).values())


async def nobody_asks(server: Nats) -> bool:
    """Whether no request is open: the server knows that who asked is gone."""
    found = await api(server.connection, f"CONSUMER.INFO.{DIALECTS}.{CONSUMER}")
    return bool(found["num_waiting"] == 0)


async def test_all_come_in_order_to_one_of_two(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(PATIENCE),
        nats(tmp_path) as server,
        taking(server) as one,
        taking(server) as two,
    ):
        first = asyncio.create_task(take(one, 3000))
        second = asyncio.create_task(take(two, 3000))
        for begin in range(0, 3000, 500):
            await send(server, range(begin, begin + 500))
        done, waiting = await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        assert [*range(3000)] == done.pop().result()
        waiting.pop().cancel()

        async def nothing_is_left() -> bool:
            return await left(server) == 0

        await until(nothing_is_left)


async def test_what_a_dead_gateway_had_taken_comes_first(tmp_path: Path) -> None:
    """The server hands it out again only behind what came later: who takes over sorts it."""
    async with asyncio.timeout(TAKEOVER), nats(tmp_path) as server:
        async with link(server.url) as way, taking(server, way.url) as one:
            await send(server, range(10))
            assert [*range(10)] == [int(message.payload) for message in await some(one)]
            await way.close()
            await until(lambda: nobody_asks(server))  # or it would be sent the others, too
        await send(server, range(10, 20))
        async with taking(server) as two:
            taken = await some(two)
            assert [*range(20)] == [int(message.payload) for message in taken]
            assert [True] * 10 + [False] * 10 == [message.again for message in taken]


async def test_an_orderly_stop_hands_over_at_once(tmp_path: Path) -> None:
    """Although what is given back is sent to the open request of who stops, at first."""
    async with (
        asyncio.timeout(PATIENCE),
        nats(tmp_path) as server,
        taking(server) as one,
        taking(server) as two,
    ):
        await send(server, range(5))
        taken = await some(one)
        other = asyncio.create_task(some(two))
        began = asyncio.get_running_loop().time()
        await one.give_back(taken)
        await asyncio.sleep(0)  # it is written
        time.sleep(0.1)  # noqa: ASYNC251 - it comes again before anybody here can look
        await one.close()
        assert [*range(5)] == [int(message.payload) for message in await other]
        assert asyncio.get_running_loop().time() - began < PINNED / 2


async def test_a_gateway_that_is_slow_is_waited_for(tmp_path: Path) -> None:
    """It has lost its turn, but what it has in hand it may still finish."""
    async with (
        asyncio.timeout(TAKEOVER),
        nats(tmp_path) as server,
        taking(server) as one,
        taking(server) as two,
    ):
        await send(server, range(5))
        in_hand = await some(one)
        pinned = asyncio.create_task(some(two))
        await send(server, range(5, 10))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(PINNED - 1):
                await asyncio.shield(pinned)
        await one.acknowledge(in_hand)
        assert [*range(5, 10)] == [int(message.payload) for message in await pinned]
        assert [] == await one.take()


async def test_a_lost_connection_is_told_and_nothing_is_lost_with_it(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(TAKEOVER),
        nats(tmp_path) as server,
        link(server.url) as way,
        taking(server, way.url) as messages,
    ):
        await send(server, range(5))
        await some(messages)
        way.cut()
        with pytest.raises(StreamUnavailable, match="connection was lost"):
            await some(messages)
        await send(server, range(5, 10))
        await messages.open()
        assert [*range(10)] == await take(messages, 10)


async def test_a_full_stream_refuses(tmp_path: Path) -> None:
    """A producer hears of it; what it was promised to be kept is kept."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        info = await api(server.connection, f"STREAM.INFO.{DIALECTS}")
        small = info["config"] | {"max_bytes": 4096}
        await api(server.connection, f"STREAM.UPDATE.{DIALECTS}", small)
        with pytest.raises(StreamUnavailable, match="maximum bytes exceeded"):
            await send(server, range(200))
        kept = await left(server)
        async with taking(server) as messages:
            assert [*range(kept)] == await take(messages, kept)
