"""NATS may go away at any moment and come back: nothing is lost, doubled or out of order."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path

import pytest

from broker.model.events import RunAnnotated, StepProgress
from broker.producer import Producer, Run
from broker.producer.flight import HOLD_MOST
from broker.stream.connection import Connection
from broker.stream.embedded import embedded_server
from broker.stream.publish import Message, publish
from broker.stream.topology import MAX_EVENT, PROGRESS, StreamSettings, api, ensure
from tests.producer.conftest import Link, Nats, eventually, label, serving

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


async def test_a_killed_server_costs_nothing(tmp_path: Path) -> None:
    """SIGKILL in the middle of a run, and a restart on the same port and folder: every lifecycle
    event is stored once, in order.
    """
    folder = tmp_path / "nats"
    numbers = count()

    async def work(run: Run) -> None:
        while True:
            for number in islice(numbers, 20):
                step = run.step(str(number))
                step.start()
                step.progress(number)
                step.complete()
            await asyncio.sleep(0.01)

    async with asyncio.timeout(50), AsyncExitStack() as servers:
        nats = await servers.enter_async_context(serving(folder))
        async with Producer.connect(nats.url) as producer:
            run = producer.run("p")
            run.start()
            working = asyncio.create_task(work(run))
            await eventually(lambda: nats.tags(run.id))
            kill(folder)
            await eventually(lambda: producer.pending > 3000)
            await servers.aclose()
            nats = await servers.enter_async_context(serving(folder, port_of(nats.url)))
            await eventually(lambda: producer.pending < 100)
            working.cancel()
            await asyncio.wait([working])
            run.complete()
        found = await nats.events(run.id)

    ids = [event.id for event in found]
    assert len(ids) == len(set(ids))
    assert {} == producer.dropped
    tags = [label(event) for event in found if not isinstance(event, StepProgress)]
    steps = [
        f"step.{what} {number}"
        for number in range(next(numbers))
        for what in ("started", "completed")
    ]
    assert ["run.started", *steps, "run.completed"] == tags


def kill(folder: Path) -> None:
    """End the server of a folder as a crash would."""
    (ports,) = folder.glob("nats-server_*.ports")
    os.kill(int(ports.stem.removeprefix("nats-server_")), signal.SIGKILL)


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


async def test_lost_acknowledgements_double_nothing(nats: Nats) -> None:
    """What was stored while the answers were lost is known by its id."""
    link = Link(nats.url)
    async with link.opened() as url, Producer.connect(url) as producer:
        run = await begun(producer, nats)
        await deafen(link, producer, run, nats)
        link.cut()
        link.deaf = False
        await producer.flush()
        assert [f"step.started {n}" for n in range(100)] == steps(await nats.tags(run.id))


async def test_an_outage_longer_than_the_servers_memory_doubles_nothing(nats: Nats) -> None:
    """When the ids are forgotten, what is stored is read and not sent again."""
    await forget_early(nats)
    link, clock = Link(nats.url), Clock()
    async with (
        link.opened() as url,
        Producer.connect(url, now=clock.now, monotonic=clock.monotonic) as producer,
    ):
        run = await begun(producer, nats)
        await deafen(link, producer, run, nats)
        link.shut()
        link.deaf = False
        run.step("100").start()
        await all_ids_are_forgotten(nats)
        clock.ahead = 600.0
        await link.open()
        await producer.flush()
        assert [f"step.started {n}" for n in range(101)] == steps(await nats.tags(run.id))


async def test_a_machine_that_slept_doubles_nothing(nats: Nats) -> None:
    """It wakes with its connection, and the ids of what was not acknowledged are forgotten."""
    await forget_early(nats)
    link, clock = Link(nats.url), Clock()
    async with (
        link.opened() as url,
        Producer.connect(url, now=clock.now, monotonic=clock.monotonic) as producer,
    ):
        run = await begun(producer, nats)
        await deafen(link, producer, run, nats)
        clock.ahead = 600.0
        await all_ids_are_forgotten(nats)
        await asyncio.sleep(2 * HOLD_MOST)  # in which nothing may be sent again
        link.cut()
        link.deaf = False
        await producer.flush()
        assert [f"step.started {n}" for n in range(100)] == steps(await nats.tags(run.id))


async def begun(producer: Producer, nats: Nats) -> Run:
    run = producer.run("p")
    run.start()
    await producer.flush()
    return run


async def deafen(link: Link, producer: Producer, run: Run, nats: Nats) -> None:
    """Report a hundred steps of which some are stored, and no acknowledgement arrives."""
    for number in range(8):  # the sender begins with one at a time, and sends more by each answer
        run.annotate(labels={"warm": number})
    await eventually(lambda: producer.pending == 0)
    link.deaf = True
    for number in range(100):
        run.step(str(number)).start()

    async def stored() -> list[str]:
        return steps(await nats.tags(run.id))

    await eventually(stored)


async def forget_early(nats: Nats) -> None:
    """Shorten the server's memory of message ids, while it has none."""
    config = (await api(nats.connection, f"STREAM.INFO.{PROGRESS}"))["config"]
    config["duplicate_window"] = 1_000_000_000  # longer than the faults of a test
    await api(nats.connection, f"STREAM.UPDATE.{PROGRESS}", config)


async def all_ids_are_forgotten(nats: Nats) -> None:
    """Wait until the server has forgotten the newest message id, and so every older one."""
    probe = Message("progress.default.probe", b'{"type":"run.started"}', "probe")
    await publish(nats.connection, probe)

    async def forgotten() -> bool:
        return not (await publish(nats.connection, probe)).duplicate

    await eventually(forgotten)


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
        await eventually(warnings)
        await ensure(connection, StreamSettings())
        await producer.flush()
        assert [
            "run.started",
            "step.started a",
            "step.completed a",
            "run.completed",
        ] == await Nats(url, connection).tags(run.id)
        assert [True] == ["has a gateway made its streams?" in said for said in warnings()]


async def test_events_wait_until_nats_is_there(tmp_path: Path, warnings: Warnings) -> None:
    """A producer may be started first, and stay quiet if NATS follows soon."""
    async with embedded_server(tmp_path / "nats", 0) as url:
        port = port_of(url)
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


async def test_many_events_are_sent_in_order(nats: Nats) -> None:
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p")
        for number in range(2000):
            run.annotate(labels={"n": number})
        async with asyncio.timeout(10):
            await producer.flush()
        found = await nats.events(run.id)
    labels = [event.labels for event in found if isinstance(event, RunAnnotated)]
    assert [{"n": number} for number in range(2000)] == labels
