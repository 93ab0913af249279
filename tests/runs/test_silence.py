"""Runs that fall silent, with real gateways and a real server."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.errors import InvalidName, StreamUnavailable, Superseded
from broker.gateway.compose import appending
from broker.metrics import Metrics
from broker.model.events import RunLost
from broker.model.state import Counts, Progress
from broker.model.subjects import RunKey
from broker.model.summary import Summary
from broker.producer import Producer
from broker.runs.silence import SilenceLimits
from broker.runs.watchdog import Watchdog
from broker.stream.connection import Connection
from tests.faults import link, until
from tests.gateway.runs import completed, started, step_progress
from tests.gateway.serving import gateway
from tests.sse import ask, path, stream
from tests.stream.serving import Nats, key_of, nats

INTERVAL = 0.3
THRESHOLD = 1.0
"""Three intervals would be less than a gateway ever takes."""


def beating(**fields: Any) -> dict[str, Any]:
    """The start of a run that promises to be heard of."""
    return {**started(), "heartbeat_interval": INTERVAL, **fields}


async def stored(server: Nats, run: str = "r1") -> list[str]:
    """The types of the events that are stored of a run."""
    return [msgspec.json.decode(record.payload)["type"] for record in await server.records(run)]


async def lost(server: Nats, run: str = "r1", times: int = 1) -> dict[str, Any]:
    """Wait until a run was lost so many times; gives the last event that says so."""

    async def told() -> bool:
        return (await stored(server, run)).count("run.lost") >= times

    await until(told, 15)
    events = [msgspec.json.decode(record.payload) for record in await server.records(run)]
    found: dict[str, Any] = [event for event in events if event["type"] == "run.lost"][-1]
    return found


async def test_a_run_that_falls_silent_is_lost(tmp_path: Path) -> None:
    """The snapshot says since when, and it is told to who watches."""
    async with nats(tmp_path) as server, gateway(server.url) as here:
        await server.publish("r1", beating())
        async with stream(here.url, "r1", "events") as frames:
            *_, frame = await frames.until("run.lost")
        event = await lost(server)
        assert (1, THRESHOLD) == (event["attempt"], event["threshold"])
        state = (await ask(here.url, path("r1"))).json()
        assert ("lost", "running", THRESHOLD) == (
            state["status"],
            state["silence"]["was"],
            state["silence"]["threshold"],
        )
        assert state["last_seen"] == state["silence"]["since"] == event["last_seen"]
        assert frame.data["last_seen"] == event["last_seen"]
        assert "ended_at" not in state


@pytest.mark.parametrize(
    "event",
    [
        {"type": "run.heartbeat"},
        step_progress("fetch", 1),
        {"type": "lab.sampled"},
        {"type": "run.annotated", "labels": {"a": 1}},
        completed(),
    ],
)
async def test_any_event_of_its_producer_recovers_it(tmp_path: Path, event: dict[str, Any]) -> None:
    """Then it can be lost again, unless it has ended."""
    ended = event["type"] == "run.completed"
    async with nats(tmp_path) as server, gateway(server.url) as here:
        await server.publish("r1", beating())
        await lost(server)
        await server.publish("r1", event)

        async def recovered() -> bool:
            status = (await ask(here.url, path("r1"))).json()["status"]
            return bool(status == ("completed" if ended else "running"))

        await until(recovered)
        if not ended:
            await lost(server, times=2)


async def test_a_paused_run_comes_back_paused(tmp_path: Path) -> None:
    async with nats(tmp_path) as server, gateway(server.url) as here:
        await server.publish("r1", beating(), {"type": "run.paused"})
        await lost(server)
        await server.publish("r1", {"type": "run.heartbeat"})

        async def recovered() -> bool:
            return bool((await ask(here.url, path("r1"))).json()["status"] == "paused")

        await until(recovered)


async def test_a_command_does_not_recover_it(tmp_path: Path) -> None:
    """It is a person that speaks, not the producer."""
    async with nats(tmp_path) as server, gateway(server.url) as here:
        await server.publish("r1", beating())
        await lost(server)
        await server.publish("r1", {"type": "command.cancel", "id": "c1"})

        async def taken() -> dict[str, Any] | None:
            state: dict[str, Any] = (await ask(here.url, path("r1"))).json()
            return state if state.get("commands") else None

        await until(taken)
        assert "lost" == (await ask(here.url, path("r1"))).json()["status"]
        assert 1 == (await stored(server)).count("run.lost")


async def test_of_many_gateways_one_alone_tells(tmp_path: Path) -> None:
    async with (
        nats(tmp_path) as server,
        gateway(server.url) as one,
        gateway(server.url) as two,
        gateway(server.url) as three,
    ):
        runs = [f"r{n}" for n in range(20)]
        for run in runs:
            await server.publish(run, beating())
        for run in runs:
            await lost(server, run)

        async def told(url: str) -> int:
            """How many silences a gateway has dealt with, in one way or another."""
            text = (await ask(url, "/metrics")).body.decode()
            rows = [row for row in text.split("\n") if "runs_lost_total{" in row]
            return sum(int(float(row.split()[-1])) for row in rows)

        async def watched(url: str) -> bool:
            text = (await ask(url, "/metrics")).body.decode()
            return "progress_broker_silence_watched_runs 0.0" in text

        for here in (one, two, three):

            async def at_rest(url: str = here.url) -> bool:
                return await watched(url)

            await until(at_rest)
        assert sum([await told(here.url) for here in (one, two, three)]) >= len(runs)
        for run in runs:
            assert Counter({"run.started": 1, "run.lost": 1}) == Counter(await stored(server, run))


async def test_who_beats_is_never_lost(tmp_path: Path) -> None:
    """The SDK does by itself. Meanwhile another run, which says nothing, is lost three times."""
    async with nats(tmp_path) as server, gateway(server.url):
        async with (
            Producer.connect(server.url) as producer,
            producer.run("import", run_id="beats", heartbeat_interval=INTERVAL),
        ):
            await server.publish("silent", beating())
            for times in (1, 2, 3):
                await lost(server, "silent", times)
                await server.publish("silent", {"type": "run.heartbeat"})
        types = Counter(await stored(server, "beats"))
        assert types["run.heartbeat"] >= 3
        assert 0 == types["run.lost"]


@pytest.mark.parametrize(
    "quiet",
    [
        {"type": "run.queued", "heartbeat_interval": INTERVAL},
        started(),
        beating(heartbeat_interval=0),
    ],
)
async def test_who_is_not_to_be_heard_of_is_not_lost(tmp_path: Path, quiet: dict[str, Any]) -> None:
    """One that waits to be started, and one that promised nothing."""
    async with nats(tmp_path) as server, gateway(server.url):
        await server.publish("quiet", quiet)
        await server.publish("r1", beating())
        await lost(server)
        assert [quiet["type"]] == await stored(server, "quiet")


async def test_a_run_that_fell_silent_before_the_gateway_began_is_lost(tmp_path: Path) -> None:
    """One that nobody has heard of since another gateway was there."""
    async with nats(tmp_path) as server:
        async with gateway(server.url) as first:
            await server.publish("r1", beating(heartbeat_interval=1.0))
            assert 200 == (await ask(first.url, path("r1"))).status
        assert ["run.started"] == await stored(server)
        async with gateway(server.url):
            await lost(server)


async def test_a_silence_that_was_an_outage_is_none(tmp_path: Path) -> None:
    """A gateway comes back to NATS: who was heard of there meanwhile, and who could not be.

    Both have the whole threshold from then on.
    """
    async with nats(tmp_path) as server, link(server.url) as way, gateway(way.url) as here:
        for run in ("r1", "r3"):
            await server.publish(run, beating(heartbeat_interval=0.6))

        async def noted() -> bool:
            text = (await ask(here.url, "/metrics")).body.decode()
            return "progress_broker_silence_watched_runs 2.0" in text

        await until(noted)
        await way.close()
        async with Producer.connect(server.url) as producer:
            await server.publish("r1", {"type": "run.heartbeat"})
            # Longer than the threshold, which is what this is about.
            await asyncio.sleep(2.5)
            assert "run.lost" not in await stored(server)
            async with producer.run("import", run_id="r2", heartbeat_interval=INTERVAL):
                opened = datetime.now(UTC)
                await way.open()
                await lost(server)
                await lost(server, "r3")
        for run in ("r1", "r3"):
            [*_, told] = await server.records(run)
            assert told.stored_at - opened >= timedelta(seconds=3 * 0.6)
        assert 0 == (await stored(server, "r2")).count("run.lost")


# --- What becomes of what could not be told -------------------------------------------------------


class Told:
    """Takes what a watchdog appends, and answers as it is told to."""

    def __init__(self, *answers: Exception | None) -> None:
        self.events: list[tuple[str, int]] = []
        self._answers = list(answers)
        self._more = asyncio.Event()

    async def append(self, key: RunKey, event: RunLost, last: int) -> None:
        self.events.append((key.run, last))
        self._more.set()
        answer = self._answers.pop(0) if self._answers else None
        if answer is not None:
            raise answer

    async def times(self, count: int) -> list[tuple[str, int]]:
        async with asyncio.timeout(10):
            while len(self.events) < count:
                self._more.clear()
                await self._more.wait()
        return self.events


def summary(run: str, seq: int) -> Summary:
    return Summary(
        run=run,
        tenant="default",
        cursor=f"e1-{seq}",
        status="running",
        attempt=1,
        progress=Progress(),
        counts=Counts(),
        last_seen=datetime.fromisoformat("2026-01-31T12:00:00Z") + timedelta(seconds=seq),
        heartbeat_interval=0.001,
    )


async def test_a_run_that_was_heard_of_is_never_lost_however_late_that_is_known(
    tmp_path: Path,
) -> None:
    """The stream refuses what was concluded from an older event, or from an older stream."""
    async with nats(tmp_path) as server:
        append = appending(server.connection)
        first, second = await server.publish("r1", beating(), {"type": "run.heartbeat"})
        for last in (first, second + 1, 0):
            with pytest.raises(Superseded):
                await append(key_of("r1"), RunLost(id=f"lost-{last}"), last)
        assert ["run.started", "run.heartbeat"] == await stored(server)
        for _ in range(2):  # two gateways
            with suppress(Superseded):
                await append(key_of("r1"), RunLost(id="lost"), second)
        assert 1 == (await stored(server)).count("run.lost")


async def test_nothing_is_sent_that_would_go_out_after_an_outage(tmp_path: Path) -> None:
    async with nats(tmp_path) as server, link(server.url) as way:
        [last] = await server.publish("r1", beating())
        changes: asyncio.Queue[bool] = asyncio.Queue()
        async with Connection.connect(way.url, name="away", on_change=changes.put_nowait) as away:
            assert await changes.get()
            await way.close()
            assert not await changes.get()
            with pytest.raises(StreamUnavailable, match="not connected"):
                await appending(away)(key_of("r1"), RunLost(id="lost"), last)
            await way.open()
            assert await changes.get()
            await away.flush()
        assert ["run.started"] == await stored(server)


@asynccontextmanager
async def watchdog(told: Told) -> AsyncIterator[Watchdog]:
    now: Callable[[], float] = asyncio.get_running_loop().time
    async with Watchdog.running(
        told.append,
        limits=SilenceLimits(threshold_least=0.05),
        now=now,
        epoch=lambda: "e1",
        metrics=Metrics(),
    ) as watching:
        yield watching


async def test_who_was_heard_of_meanwhile_is_looked_at_when_that_is_known() -> None:
    told = Told(Superseded("progress.default.r1"))
    async with watchdog(told) as watching:
        watching.hear([summary("r1", 1)])
        assert [("r1", 1)] == await told.times(1)
        watching.hear([summary("r2", 1)])
        assert [("r1", 1), ("r2", 1)] == await told.times(2)
        watching.hear([summary("r1", 2)])
        assert [("r1", 1), ("r2", 1), ("r1", 2)] == await told.times(3)


async def test_what_the_stream_did_not_take_is_told_again() -> None:
    unavailable = StreamUnavailable("store an event", "no answer")
    told = Told(unavailable, unavailable)
    async with watchdog(told) as watching:
        watching.hear([summary("r1", 1), summary("r2", 2)])
        events = await told.times(4)
        assert [("r1", 1), ("r1", 1), ("r1", 1), ("r2", 2)] == events


@pytest.mark.parametrize(
    "error", [InvalidName("run", "is longer than 256 bytes once encoded"), ValueError("our fault")]
)
async def test_what_can_never_be_told_harms_nobody_else(error: Exception) -> None:
    told = Told(error)
    async with watchdog(told) as watching:
        watching.hear([summary("r1", 1), summary("r2", 2)])
        assert [("r1", 1), ("r2", 2)] == await told.times(2)
