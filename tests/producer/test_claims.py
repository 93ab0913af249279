"""Of all workers that hold a start request one begins its attempt, whatever comes in between."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from broker.model.subjects import RunKey
from broker.producer import Run, Worker
from broker.producer.claim import begun, past_of
from broker.producer.client import Producer
from broker.producer.past import Past
from broker.stream.publish import Message, publish
from broker.stream.topology import JOBS, api
from tests.producer.conftest import Link, Nats, eventually
from tests.producer.test_commands import give
from tests.producer.test_worker import ask, settled, tags, waiting, working


class Slow:
    """A worker that has read the run, and takes its time with the plan before it begins."""

    def __init__(self, url: str, **terms: Any) -> None:
        self.worker = Worker(url, name="slow", concurrency=1, **terms)
        self.planning = threading.Event()
        self.go_on = threading.Event()
        self.calls: list[str] = []

        @self.worker.pipeline("p", plan=self._plan)
        async def work(run: Run, inputs: dict[str, Any]) -> None:
            self.calls.append(run.id)

    def _plan(self, inputs: dict[str, Any]) -> list[Any]:
        self.planning.set()
        assert self.go_on.wait(30)
        return []


@pytest.fixture
def slow(nats: Nats) -> Iterator[Slow]:
    made = Slow(nats.url)
    yield made
    made.go_on.set()


async def store(nats: Nats, run: str, event: bytes) -> None:
    """What somebody else says of a run."""
    await publish(nats.connection, Message(RunKey("default", run).subject, event))


@contextmanager
def left(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], bool]]:
    """Whether a worker has said that it leaves a request."""
    with caplog.at_level(logging.INFO, "broker.producer"):
        yield lambda: any("is left" in record.getMessage() for record in caplog.records)


async def test_one_attempt_that_two_workers_hold_is_begun_once(
    nats: Nats, slow: Slow, caplog: pytest.LogCaptureFixture
) -> None:
    """As where the consumer is made anew: both were given the request for the first time.

    The one that comes too late leaves the request to the other, who may still die.
    """
    hold, stop = asyncio.Event(), asyncio.Event()
    calls: list[str] = []
    other = Worker(nats.url, name="other", concurrency=1)

    @other.pipeline("p")
    async def work(run: Run, inputs: dict[str, Any]) -> None:
        calls.append(run.id)
        hold.set()
        await stop.wait()

    await ask(nats, "r1")
    with left(caplog) as told:
        async with working(slow.worker):
            await eventually(slow.planning.is_set)
            await api(nats.connection, f"CONSUMER.DELETE.{JOBS}.default==p")
            async with working(other):
                await hold.wait()
                slow.go_on.set()
                await eventually(told)
                assert 1 == await waiting(nats)
                stop.set()
                await settled(nats)
    assert (["r1"], []) == (calls, slow.calls)
    assert ["run.queued 1", "run.started 1", "run.completed 1"] == await tags(nats, "r1")


CAME_MEANWHILE = {
    "a later attempt": b'{"type":"run.started","attempt":2}',
    "the end": b'{"type":"run.cancelled"}',
    "a retry": b'{"type":"run.queued","pipeline":"p","attempt":2}',
}


async def test_a_beginning_that_was_stored_before_is_judged_again(nats: Nats) -> None:
    """Its acknowledgement was lost, and another attempt may have begun since."""
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p", "r1", attempt=1, worker="w")
        announced = run.announcement()
        assert announced is not None
        stored = Message(announced.lane.subject, announced.payload, announced.id)
        await publish(nats.connection, stored)
        await store(nats, "r1", b'{"type":"run.started","attempt":2,"worker":"other"}')
        assert not await begun(nats.connection, run, announced, Past())
        assert ["run.started 1", "run.started 2"] == await tags(nats, "r1")


@pytest.mark.parametrize("event", CAME_MEANWHILE.values(), ids=CAME_MEANWHILE.keys())
async def test_what_came_between_reading_and_beginning_counts(
    nats: Nats, slow: Slow, caplog: pytest.LogCaptureFixture, event: bytes
) -> None:
    await ask(nats, "r1")
    with left(caplog) as told:
        async with working(slow.worker):
            await eventually(slow.planning.is_set)
            await store(nats, "r1", event)
            slow.go_on.set()
            await eventually(told)
    assert [] == slow.calls
    assert "run.started 1" not in await tags(nats, "r1")


async def test_a_cancel_between_reading_and_beginning(nats: Nats, slow: Slow) -> None:
    await ask(nats, "r1")
    async with working(slow.worker):
        await eventually(slow.planning.is_set)
        await give(nats, "r1", "cancel")
        slow.go_on.set()
        await settled(nats)
    assert [] == slow.calls
    assert ["command.acknowledged 1", "run.cancelled 1"] == (await tags(nats, "r1"))[-2:]


async def test_what_does_not_matter_keeps_nobody_from_beginning(nats: Nats, slow: Slow) -> None:
    await ask(nats, "r1")
    async with working(slow.worker):
        await eventually(slow.planning.is_set)
        await store(nats, "r1", b'{"type":"run.annotated","labels":{"a":1}}')
        slow.go_on.set()
        await settled(nats)
    assert ["r1"] == slow.calls
    assert ["run.started 1", "run.completed 1"] == (await tags(nats, "r1"))[-2:]


async def test_a_worker_stops_when_it_hears_that_another_goes_on(nats: Nats) -> None:
    """Also where its link never broke, as when it was lost and someone retried the run."""
    worker = Worker(nats.url, ack_wait=3600)
    begun, stopped = asyncio.Event(), asyncio.Event()

    @worker.pipeline("p")
    async def work(run: Run, inputs: dict[str, Any]) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    await ask(nats, "r1")
    async with working(worker):
        await begun.wait()
        await store(nats, "r1", b'{"type":"run.started","attempt":2}')
        async with asyncio.timeout(30):
            await stopped.wait()
    assert "run.started 2" == (await tags(nats, "r1"))[-1], "nothing more is said of attempt 1"
    assert 1 == await waiting(nats), "the request is another's"


async def test_a_run_that_ends_while_its_worker_is_away(nats: Nats) -> None:
    """Another has its request by then, and keeps it: it may still die."""
    link = Link(nats.url)
    async with link.opened() as url:
        first, second = Worker(url, ack_wait=0.6), Worker(nats.url, ack_wait=0.6)
        begun, end, again, stop = (asyncio.Event() for _ in range(4))

        @first.pipeline("p")
        async def work(run: Run, inputs: dict[str, Any]) -> None:
            begun.set()
            await end.wait()

        @second.pipeline("p")
        async def go_on(run: Run, inputs: dict[str, Any]) -> None:
            again.set()
            await stop.wait()

        await ask(nats, "r1")
        task = asyncio.create_task(first.run())
        await begun.wait()
        link.shut()
        async with working(second):
            await again.wait()
            end.set()
            await link.open()
            await eventually(lambda: _completed(nats, "r1", 1))
            first.stop()
            await task
            assert 1 == await waiting(nats)
            stop.set()
            await settled(nats)


async def _completed(nats: Nats, run: str, attempt: int) -> bool:
    return f"run.completed {attempt}" in await tags(nats, run)


async def test_a_beginning_that_was_stored_unheard_is_ones_own(nats: Nats) -> None:
    """The acknowledgement was lost: what is stored under the same id is not another's."""
    key = RunKey("default", "r1")
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p", "r1", attempt=1)
        event = run.announcement()
        assert event is not None
        await publish(nats.connection, Message(key.subject, event.payload))
        past = await past_of(nats.connection, key)
        assert await begun(nats.connection, run, event, past)
        run.complete()
    assert ["run.started", "run.completed"] == await nats.tags("r1")
