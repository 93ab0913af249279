"""Who is silent for too long, by a clock that the test sets."""

from datetime import timedelta
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.metrics import Metrics
from broker.model.cursor import Cursor
from broker.model.state import Counts, Progress
from broker.model.subjects import RunKey
from broker.model.summary import Summary
from broker.runs.silence import SilenceLimits, Silences
from tests.strategies import BEGINNING

EPOCH = "e1"


class World:
    """A gateway's silences, and the time there."""

    def __init__(self, **limits: Any) -> None:
        self.now = 1000.0
        self.metrics = Metrics()
        self.silences = Silences(
            limits=SilenceLimits(**limits),
            now=lambda: self.now,
            epoch=lambda: EPOCH,
            metrics=self.metrics,
        )

    def hear(self, seq: int, run: str = "r1", **how: Any) -> None:
        """Learn that a run was heard of: its event `seq` was stored at `seq` seconds."""
        seen = BEGINNING + timedelta(seconds=seq)
        fields: dict[str, Any] = {
            "status": "running",
            "last_seen": seen,
            "heartbeat_interval": 10.0,
        } | how
        cursor = str(Cursor(fields.pop("epoch", EPOCH), seq))
        summary = Summary(
            run=run,
            tenant="default",
            cursor=cursor,
            attempt=1,
            progress=Progress(),
            counts=Counts(),
            **fields,
        )
        self.silences.hear([summary])

    def later(self, seconds: float) -> list[str]:
        """Let time pass; gives who is lost then."""
        self.now += seconds
        return [silent.key.run for silent in self.silences.overdue()]


def test_three_missed_heartbeats_are_a_silence() -> None:
    world = World()
    world.hear(7)
    assert [] == world.later(29.9)
    world.now += 0.1
    [silent] = world.silences.overdue()
    assert (RunKey("default", "r1"), 7) == (silent.key, silent.seq)
    assert (1, BEGINNING + timedelta(seconds=7), 30.0) == (
        silent.event.attempt,
        silent.event.last_seen,
        silent.event.threshold,
    )


def test_it_is_told_once_until_the_run_is_heard_of_again() -> None:
    world = World()
    world.hear(7)
    assert ["r1"] == world.later(30)
    assert [] == world.later(1000)
    world.hear(8)
    assert [] == world.later(29)
    assert ["r1"] == world.later(1)


def test_the_same_silence_has_the_same_id_on_every_gateway() -> None:
    """So that the stream takes it once even where it does not look at the sequence."""

    def told(world: World, seq: int) -> str | None:
        world.hear(seq)
        world.now += 30
        [silent] = world.silences.overdue()
        return silent.event.id

    here, there = World(), World()
    there.now += 5000
    first = told(here, 7)
    assert first == told(there, 7)
    assert first != told(here, 8)


def test_a_command_is_no_sign_of_life() -> None:
    """It moves the sequence that must be the last, and not the deadline."""
    world = World()
    world.hear(7)
    world.now += 20
    world.hear(8, last_seen=BEGINNING + timedelta(seconds=7))
    world.now += 10
    [silent] = world.silences.overdue()
    assert 8 == silent.seq
    world.hear(9, last_seen=BEGINNING + timedelta(seconds=7))
    assert ["r1"] == world.later(0)


@pytest.mark.parametrize("status", ["queued", "completed", "failed", "cancelled", "lost"])
def test_who_is_not_at_work_is_not_listened_for(status: str) -> None:
    world = World()
    world.hear(1, status=status)
    assert (0, inf) == (len(world.silences), world.silences.next_alarm)
    world.hear(2)
    world.hear(3, status=status)
    assert [] == world.later(1000)


def test_a_paused_run_is_to_be_heard_of_too() -> None:
    world = World()
    world.hear(1, status="paused")
    assert ["r1"] == world.later(30)


@pytest.mark.parametrize("interval", [None, 0.0])
def test_who_promised_nothing_is_never_lost(interval: float | None) -> None:
    world = World()
    world.hear(1, heartbeat_interval=interval)
    assert [] == world.later(1e9)


@pytest.mark.parametrize(("interval", "threshold"), [(0.001, 1.0), (0.2, 1.0), (2.0**53, 2.0**53)])
def test_no_interval_is_taken_beyond_reason(interval: float, threshold: float) -> None:
    """A millisecond would be lost and found again all the time; the longest fits in an event."""
    world = World()
    world.hear(1, heartbeat_interval=interval)
    assert [] == world.later(threshold * 0.99)
    world.now += threshold
    [silent] = world.silences.overdue()
    assert threshold == silent.event.threshold


def test_a_shorter_interval_counts_at_once() -> None:
    world = World()
    world.hear(1, heartbeat_interval=1000.0)
    world.hear(2, heartbeat_interval=1.0)
    assert world.now + 3 == world.silences.next_alarm
    assert ["r1"] == world.later(3)


def test_after_an_outage_everybody_has_the_whole_threshold() -> None:
    """Producers that could not be heard come back too, and need a moment for it."""
    world = World()
    world.hear(1)
    world.now += 29
    world.silences.renewed()
    assert [] == world.later(29)
    assert ["r1"] == world.later(1)


def test_what_could_not_be_told_is_told_again() -> None:
    world = World()
    world.hear(1)
    world.now += 30
    [silent] = world.silences.overdue()
    world.silences.renewed()
    world.silences.again(silent)
    assert [] == world.later(29)
    assert ["r1"] == world.later(1)


def test_who_was_heard_of_meanwhile_is_not_told_again() -> None:
    world = World()
    world.hear(1)
    world.now += 30
    [silent] = world.silences.overdue()
    world.hear(2, status="completed")
    world.silences.again(silent)
    assert [] == world.later(1000)


def test_runs_of_another_stream_are_nobody() -> None:
    world = World()
    world.hear(1)
    world.hear(1, "r2")
    world.hear(2, epoch="e0")
    assert ["r2"] == world.later(30)
    world.hear(3)
    world.silences.clear()
    assert [] == world.later(1000)


def test_too_many_runs_are_counted_and_let_go() -> None:
    world = World(runs_most=2)
    for run in ("r1", "r2", "r3"):
        world.hear(1, run)
    unwatched = world.metrics.registry.get_sample_value("progress_broker_silence_unwatched_total")
    assert (2, 1) == (len(world.silences), unwatched)
    world.hear(2, "r1", status="completed")
    world.hear(2, "r3")
    assert ["r2", "r3"] == world.later(30)


@given(st.lists(st.tuples(st.floats(0, 29.9), st.booleans()), max_size=40))
def test_who_is_heard_of_in_time_is_never_lost(pauses: list[tuple[float, bool]]) -> None:
    """However often, and whatever else happens: commands, outages, looks at nothing."""
    world = World()
    world.hear(0)
    for seq, (pause, outage) in enumerate(pauses, 1):
        assert [] == world.later(pause / 2)
        if outage:
            world.silences.renewed()
        assert [] == world.later(pause / 2)
        world.hear(seq)


def test_memory_is_of_the_runs_at_work() -> None:
    """Runs that beat a hundred times, or ended long before their deadline, leave nothing behind."""
    world = World()
    for n in range(5_000):
        world.hear(n, f"r{n}", heartbeat_interval=1e6)
        world.hear(n + 1, f"r{n}", heartbeat_interval=1.0)
        world.hear(n + 2, f"r{n}", status="completed")
    for n in range(100):
        world.hear(n, "busy")
        world.later(0.1)
    assert 1 == len(world.silences)
    assert len(world.silences._alarms) < 1_000
