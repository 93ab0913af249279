"""NATS may go away at any moment and come back: nothing is lost, doubled or out of order."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from broker.model.decode import tag_of
from broker.producer import Producer
from broker.stream.connection import Connection
from broker.stream.embedded import embedded_server
from broker.stream.publish import Message, publish
from broker.stream.topology import MAX_EVENT, PROGRESS, StreamSettings, api, ensure
from tests.producer.conftest import Link, Nats, serving

Warnings = Callable[[], list[str]]


class Clock:
    """Both clocks of a producer, which can be moved."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


def steps(tags: list[str]) -> list[str]:
    return [tag for tag in tags if tag.startswith("step.")]


def pair(number: int) -> list[str]:
    return [f"step.started {number}", f"step.completed {number}"]


async def test_a_killed_server_costs_nothing(tmp_path: Path) -> None:
    """SIGKILL in the middle of a run, and a restart on the same port and folder: every lifecycle
    event is stored once, in order.
    """
    folder = tmp_path / "nats"
    reported = count()

    async def work(run_step: Callable[[int], None], until: asyncio.Event) -> None:
        while not until.is_set():
            for _ in range(50):
                run_step(next(reported))
            await asyncio.sleep(0.001)

    async with asyncio.timeout(50):
        ended = asyncio.Event()
        async with serving(folder) as first:
            port = int(first.url.rsplit(":", 1)[1])
            producer_block = Producer.connect(first.url)
            producer = await producer_block.__aenter__()
            run = producer.run("p", run_id="r1")
            run.start()

            def run_step(number: int) -> None:
                step = run.step(str(number))
                step.start()
                step.progress(number)
                step.complete()

            working = asyncio.create_task(work(run_step, ended))
            while not await first.tags("r1"):
                await asyncio.sleep(0.01)
            (ports,) = folder.glob("nats-server_*.ports")
            os.kill(int(ports.stem.split("_")[1]), signal.SIGKILL)
            while producer.pending < 3000:
                await asyncio.sleep(0.01)
        async with serving(folder, port) as second:
            before = len(await second.tags("r1"))
            while len(await second.tags("r1")) == before:
                await asyncio.sleep(0.05)
            ended.set()
            await working
            run.complete()
            await producer_block.__aexit__(None, None, None)
            found = await second.events("r1")

    stored = [event.id for event in found]
    assert len(stored) == len(set(stored))
    total = next(reported)
    assert total > 1000
    assert [tag for number in range(total) for tag in pair(number)] == [
        f"{tag_of(event)} {getattr(event, 'step', '')}"
        for event in found
        if tag_of(event) in ("step.started", "step.completed")
    ]
    assert ("run.started", "run.completed") == (tag_of(found[0]), tag_of(found[-1]))
    assert {} == producer.dropped


async def test_lost_acknowledgements_double_nothing(nats: Nats) -> None:
    """What was stored while the answers were lost is known by its id."""
    link = Link(nats.url)
    async with link.open() as url, Producer.connect(url) as producer:
        run = await begun(producer, nats)
        await deafen(link, run_steps := range(100), run, nats)
        link.cut()
        link.deaf = False
        await producer.flush()
        assert [f"step.started {n}" for n in run_steps] == steps(await nats.tags(run.id))


async def test_an_outage_longer_than_the_servers_memory_doubles_nothing(nats: Nats) -> None:
    """When the ids are forgotten, what is stored is read and not sent again."""
    link, clock = Link(nats.url), Clock()
    async with (
        link.open() as url,
        Producer.connect(url, now=clock.now, monotonic=clock.monotonic) as producer,
    ):
        run = await begun(producer, nats)
        await deafen(link, range(100), run, nats)
        link.refusing = True
        link.cut()
        link.deaf = False
        run.step("100").start()
        await forget_ids(nats)
        clock.ahead = 600.0
        link.refusing = False
        await producer.flush()
        assert [f"step.started {n}" for n in range(101)] == steps(await nats.tags(run.id))


async def begun(producer: Producer, nats: Nats) -> "Run":
    run = producer.run("p")
    run.start()
    await producer.flush()
    return run


async def deafen(link: Link, numbers: range, run: "Run", nats: Nats) -> None:
    """Have steps stored whose acknowledgements never arrive."""
    for number in range(8):  # the sender begins with one at a time, and sends more by each answer
        run.annotate(labels={"warm": number})
    while 9 > len(await nats.tags(run.id)):
        await asyncio.sleep(0.005)
    link.deaf = True
    for number in numbers:
        run.step(str(number)).start()
    while not steps(await nats.tags(run.id)):
        await asyncio.sleep(0.005)


async def forget_ids(nats: Nats) -> None:
    """Shorten the server's memory of message ids, and wait until it has forgotten all."""
    config = (await api(nats.connection, f"STREAM.INFO.{PROGRESS}"))["config"]
    config["duplicate_window"] = 100_000_000
    await api(nats.connection, f"STREAM.UPDATE.{PROGRESS}", config)
    probe = Message("progress.default.probe", b'{"type":"run.started"}', "probe")
    await publish(nats.connection, probe)
    while (await publish(nats.connection, probe)).duplicate:
        await asyncio.sleep(0.02)


async def test_events_wait_until_there_is_a_stream(
    tmp_path: Path, warnings: Warnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server without our streams is waited for, and a person hears of it once."""
    monkeypatch.setattr("broker.producer.alarm.PATIENCE", 0.01)
    async with (
        asyncio.timeout(30),
        embedded_server(tmp_path / "nats", 0) as url,
        Connection.connect(url, name="test") as connection,
        Producer.connect(url) as producer,
    ):
        async with producer.run("p") as run, run.step("a"):
            pass
        while not warnings():
            await asyncio.sleep(0.01)
        await ensure(connection, StreamSettings())
        await producer.flush()
        assert [
            "run.started",
            "step.started a",
            "step.completed a",
            "run.completed",
        ] == await Nats(url, connection).tags(run.id)
        assert ["no stream there" in said for said in warnings()] == [True]


async def test_events_wait_until_nats_is_there(tmp_path: Path, warnings: Warnings) -> None:
    """A producer may be started first, and stay quiet if NATS follows soon."""
    async with embedded_server(tmp_path / "nats", 0) as url:
        port = int(url.rsplit(":", 1)[1])
    async with asyncio.timeout(30), Producer.connect(url) as producer:
        async with producer.run("p") as run:
            pass
        async with serving(tmp_path / "nats", port) as nats:
            await producer.flush()
            assert ["run.started", "run.completed"] == await nats.tags(run.id)
    assert [] == warnings()


async def test_an_event_that_the_stream_never_takes_is_given_up(
    nats: Nats, warnings: Warnings
) -> None:
    """It must not hold up those behind it."""
    config = (await api(nats.connection, f"STREAM.INFO.{PROGRESS}"))["config"]
    config["max_msg_size"] = 2048
    await api(nats.connection, f"STREAM.UPDATE.{PROGRESS}", config)
    async with Producer.connect(nats.url) as producer:
        async with producer.run("p") as run:
            run.annotate(metadata={"a": "x" * (MAX_EVENT // 2)})
        await producer.flush()
        assert ["run.started", "run.completed"] == await nats.tags(run.id)
        assert {"lifecycle": 1} == producer.dropped
    assert "is dropped: an event is larger" in warnings()[0]


async def test_many_events_are_in_flight(nats: Nats) -> None:
    """A slow way to the server does not slow the rate: 2,000 events need few round trips."""
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p")
        for number in range(2000):
            run.annotate(labels={"n": number})
        async with asyncio.timeout(10):
            await producer.flush()
        found = await nats.events(run.id)
    assert list(range(2000)) == [event.labels["n"] for event in found]  # type: ignore[union-attr]
