"""What silence and gaps among acknowledgements mean, and what is done about them."""

import asyncio

import pytest

from broker.errors import StreamUnavailable
from broker.producer.flight import HOLD, Flight
from broker.producer.outbox import Entry, Lane
from broker.stream.connection import REQUEST_TIMEOUT
from broker.stream.publish import Stored

EVENTS = Lane("PROGRESS", "progress.default.r1")
LOGS = Lane("LOGS", "logs.default.r1")


class Sky:
    """A flight, a clock that is set by hand, and the acknowledgements of what flies."""

    def __init__(self) -> None:
        self.now = 0.0
        self.flight = Flight(lambda: self.now, lambda: None)
        self.first: dict[str, asyncio.Future[Stored]] = {}
        self.again: list[tuple[str, asyncio.Future[Stored]]] = []

    def send(self, name: str, lane: Lane = EVENTS) -> None:
        self.first[name] = asyncio.get_running_loop().create_future()
        self.flight.add(Entry(name, lane, "lifecycle", b""), self.first[name])

    async def repeat(self) -> "asyncio.Future[Stored]":
        """Send the oldest again; gives the acknowledgement of that."""

        async def submit(entry: Entry) -> "asyncio.Future[Stored]":
            acknowledged: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
            self.again.append((entry.id, acknowledged))
            return acknowledged

        await self.flight.repeat(submit)
        return self.again[-1][1]

    async def landed(self) -> list[str]:
        await asyncio.sleep(0)  # callbacks of acknowledgements have their turn
        return [entry.id for entry, _ in self.flight.landed()]


async def test_nothing_follows_an_event_that_is_not_acknowledged() -> None:
    """The leader may be gone with it, and the next leader must not store what comes later first."""
    sky = Sky()
    sky.send("a")
    sky.first["a"].set_result(Stored(1))
    assert ["a"] == await sky.landed()
    sky.send("b")
    assert sky.flight.open
    sky.now += HOLD * 1.1
    assert not sky.flight.open
    assert sky.flight.due is not None
    assert sky.flight.due < sky.now


async def test_the_oldest_is_sent_again_until_somebody_answers() -> None:
    """No leader, or one that is just storing it, refuses; that says nothing of the event."""
    sky = Sky()
    sky.send("a")
    sky.now += HOLD
    refused = await sky.repeat()
    refused.set_exception(StreamUnavailable("store an event", "no stream there"))
    assert [] == await sky.landed()
    (await sky.repeat()).set_result(Stored(1))
    await asyncio.sleep(0)  # the acknowledgement is passed on
    assert ["a"] == await sky.landed()
    assert ["a", "a"] == [name for name, _ in sky.again]


async def test_what_was_sent_after_a_lost_event_is_lost_too() -> None:
    sky = Sky()
    sky.send("a")
    sky.send("b")
    sky.now += HOLD
    (await sky.repeat()).set_result(Stored(1))
    await asyncio.sleep(0)  # the acknowledgement is passed on
    with pytest.raises(StreamUnavailable, match="lost on its way"):
        await sky.landed()
    assert ["b"] == [entry.id for entry, _ in sky.flight.flying]


async def test_an_event_that_others_have_overtaken_is_lost() -> None:
    sky = Sky()
    sky.send("a")
    sky.send("b")
    sky.first["b"].set_result(Stored(2))
    with pytest.raises(StreamUnavailable, match="earlier one"):
        await sky.landed()


async def test_what_is_known_already_and_other_streams_overtake() -> None:
    """Those say nothing of what is under way."""
    sky = Sky()
    sky.send("a")
    sky.send("b")
    sky.first["b"].set_result(Stored(2, duplicate=True))
    sky.send("line", LOGS)
    sky.first["line"].set_result(Stored(1))
    assert [] == await sky.landed()
    sky.first["a"].set_result(Stored(3))
    assert ["a", "b", "line"] == await sky.landed()


async def test_a_refusal_is_not_waited_for() -> None:
    """It is told although an event before it has no answer."""
    sky = Sky()
    sky.send("a")
    sky.send("b")
    sky.first["b"].set_exception(StreamUnavailable("store an event", "no stream there"))
    with pytest.raises(StreamUnavailable, match="no stream there"):
        await sky.landed()


async def test_silence_ends_in_a_fault() -> None:
    sky = Sky()
    sky.send("a")
    sky.now += REQUEST_TIMEOUT
    with pytest.raises(StreamUnavailable, match="not acknowledged"):
        _ = await sky.repeat()
