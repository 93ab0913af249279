"""What an estimate says, by examples, and what it never says."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.model.events import (
    Event,
    Failure,
    RunCompleted,
    RunFailed,
    RunHeartbeat,
    RunLost,
    RunPaused,
    RunProgress,
    RunQueued,
    RunStarted,
    StepCompleted,
    StepProgress,
    StepRetrying,
    StepStarted,
)
from broker.model.evolve import fold
from broker.model.state import RunState
from broker.model.summary import summarize
from broker.runs.estimate import Estimate, estimate
from broker.runs.history import RUNS, History
from tests import strategies as some
from tests.unit.estimate.past import Course, course, history, state_at
from tests.unit.runs import at, new, planned, state_after

STEADY = history(*[[("fetch", 30.0), ("fit", 70.0)]] * 10)
"""Ten runs that all went alike."""


def going(*later: tuple[float, Event]) -> Course:
    return [(0.0, RunStarted(pipeline="import", plan=planned("fetch", "fit"))), *later]


def judged(happens: Course, seconds: float, past: History | None = STEADY) -> Estimate:
    """The estimate after so many seconds."""
    return estimate(state_at(happens, seconds), past, at(seconds))


def left(found: Estimate) -> tuple[float, float]:
    assert found.remaining is not None
    return found.remaining.p50, found.remaining.p90


# --- Step by step ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.0, 10.0, 29.0, 31.0, 60.0, 99.0])
def test_a_run_like_all_others_ends_when_they_did(seconds: float) -> None:
    found = judged(course([("fetch", 30.0), ("fit", 70.0)]), seconds)
    assert ("history", 10, False, None) == (found.basis, found.runs, found.overdue, found.reason)
    assert pytest.approx((100 - seconds, max(1, 100 - seconds)), abs=0.1) == left(found)
    assert found.finish is not None
    assert at(100) == pytest.approx(found.finish.p50, abs=timedelta(seconds=0.1))


def test_what_is_done_early_is_gained() -> None:
    """The steps count, not the clock: a fetch of 5 s leaves the whole fit."""
    found = judged(going((0.0, StepStarted(step="fetch")), (5.0, StepCompleted(step="fetch"))), 5)
    assert pytest.approx((70, 70), abs=0.1) == left(found)


def test_steps_that_were_never_announced_are_expected_too() -> None:
    """Since all remembered runs had them."""
    happens: Course = [(0.0, RunStarted(pipeline="import")), (0.0, StepStarted(step="fetch"))]
    assert pytest.approx((90, 90), abs=0.1) == left(judged(happens, 10))


def test_steps_side_by_side_are_not_added_up() -> None:
    """The longest one decides, as it did before."""
    taken = [("a", 20.0), ("b", 20.0), ("c", 60.0)]
    past = history(*[taken] * 10, side_by_side=True)
    for seconds, expected in ((0.0, 60), (30.0, 30), (50.0, 10)):
        found = judged(course(taken, side_by_side=True), seconds, past)
        assert pytest.approx(expected, rel=0.2) == left(found)[0]


def test_the_rate_joins_in_as_a_step_comes_on() -> None:
    """A fit that is ten times slower than ever is seen by how far it says it is."""
    slow: Course = going((0.0, StepCompleted(step="fetch")), (0.0, StepStarted(step="fit")))
    slow += [(7.0 * n, StepProgress(step="fit", current=n, total=100)) for n in range(1, 100)]
    errors = []
    for seconds in (70.0, 210.0, 350.0, 490.0, 630.0):
        found = judged(slow, seconds)
        assert "history+rate" == found.basis
        errors.append(abs(left(found)[0] / (700 - seconds) - 1))
    assert errors[-1] < 0.15 < 0.5 < errors[0]


def test_a_step_that_is_tried_again_costs_its_whole_time() -> None:
    happens = going(
        (0.0, StepStarted(step="fetch")),
        (20.0, StepRetrying(step="fetch", error=Failure(message="timeout"))),
    )
    assert pytest.approx(100, abs=0.1) == left(judged(happens, 20.0))[0]


def test_a_step_that_outlasts_all_before_it_may_last_longer() -> None:
    """The range grows with how long it has taken; it does not stand at zero."""
    happens = going((0.0, StepStarted(step="fit")))
    early, late = (left(judged(happens, seconds)) for seconds in (100.0, 1000.0))
    assert early[1] < late[1]
    assert late[0] > 30 + 100


def test_a_slow_run_stays_slow_where_runs_do() -> None:
    """In these, both steps go with the size of the input; in those, nothing goes with anything."""
    sizes = [1.0, 2.0, 3.0, 4.0, 5.0] * 4
    tied = history(*[[("fetch", 10 * size), ("fit", 10 * size)] for size in sizes])
    free = history(
        *[[("fetch", 10 * a), ("fit", 10 * b)] for a, b in zip(sizes, sorted(sizes), strict=True)]
    )
    large = course([("fetch", 50.0), ("fit", 50.0)])
    small = course([("fetch", 10.0), ("fit", 10.0)])
    assert left(judged(large, 50.0, tied))[0] > 3 * left(judged(small, 10.0, tied))[0]
    assert left(judged(large, 50.0, free))[0] < 2 * left(judged(small, 10.0, free))[0]


def test_a_pipeline_that_was_rebuilt_is_judged_as_a_whole() -> None:
    """No step of it is known."""
    happens: Course = [(0.0, RunStarted(pipeline="import", plan=planned("x", "y", "z")))]
    assert pytest.approx((60, 60), abs=0.1) == left(judged(happens, 40.0))


# --- As a whole -----------------------------------------------------------------------------------


def test_a_run_without_steps_is_judged_by_how_long_runs_take() -> None:
    past = history(*[[("all", float(seconds))] for seconds in range(60, 160)])
    found = judged([(0.0, RunStarted(pipeline="import"))], 50.0, past)
    assert "history" == found.basis
    p50, p90 = left(found)
    assert 55 < p50 < 64
    assert 95 < p90 < 105


def test_what_a_run_says_of_itself_joins_in() -> None:
    past = history(*[[("all", 100.0)]] * 10)
    started: Course = [(0.0, RunStarted(pipeline="import"))]
    progress: Course = [(20.0, RunProgress(current=80, total=100))]
    found = judged(started + progress, 20.0, past)
    assert "history+rate" == found.basis
    assert 4 < left(found)[0] < 10


def test_what_a_run_says_of_itself_joins_in_where_steps_are_known_too() -> None:
    """It is nearly through after 20 s, of which the steps alone would know nothing."""
    happens = going((0.0, StepStarted(step="fetch")))
    alone = judged(happens, 20.0)
    told = judged([*happens, (20.0, RunProgress(current=95, total=100))], 20.0)
    assert ("history", "history+rate") == (alone.basis, told.basis)
    assert left(told)[0] < 5 < 75 < left(alone)[0]


def test_a_row_of_the_list_is_judged_as_a_whole() -> None:
    """Its summary tells of no steps; a count of them is not a rate."""
    state = state_at(course([("fetch", 30.0), ("fit", 70.0)]), 40)
    found = estimate(summarize(state, "e1"), STEADY, at(40))
    assert "history" == found.basis
    assert pytest.approx((60, 60), abs=0.1) == left(found)


def test_few_runs_make_a_wide_range() -> None:
    """One run is no spread: the less is known, the later may be late."""
    widths = []
    for runs in (1, 3, 6, 9):
        p50, p90 = left(judged(going(), 0.0, history(*[[("all", 100.0)]] * runs)))
        assert pytest.approx(100, abs=0.1) == p50
        widths.append(p90 - p50)
    assert sorted(widths, reverse=True) == widths
    assert widths[0] > 40 > 0.2 > widths[-1]


# --- By the rate alone ----------------------------------------------------------------------------


def test_without_history_the_rate_tells_once_it_can() -> None:
    halfway: Course = [(0.0, RunStarted()), (10.0, RunProgress(current=5, total=10))]
    found = judged(halfway, 10.0, None)
    assert ("rate", 0) == (found.basis, found.runs)
    p50, p90 = left(found)
    assert pytest.approx(10, abs=0.1) == p50
    assert p90 > 1.5 * p50


@pytest.mark.parametrize(
    ("happens", "seconds"),
    [
        ([(0.0, RunStarted())], 100.0),
        ([(0.0, RunStarted()), (1.0, RunProgress(current=1, total=2))], 4.0),
        ([(0.0, RunStarted()), (10.0, RunProgress(current=4, total=100))], 10.0),
        ([(0.0, RunStarted()), (10.0, RunProgress(current=1000))], 10.0),
    ],
)
def test_without_history_nothing_is_said_too_soon(happens: Course, seconds: float) -> None:
    found = judged(happens, seconds, None)
    assert (None, None, None) == (found.finish, found.remaining, found.basis)
    assert found.reason is not None
    assert "rate says nothing yet" in found.reason


def test_a_rate_that_nobody_reports_any_more_does_not_come_to_its_end() -> None:
    """Half done after 10 s, and nothing since: the end goes away as time does."""
    happens: Course = [(0.0, RunStarted()), (10.0, RunProgress(current=5, total=10))]
    ends = [left(judged(happens, seconds, None))[0] for seconds in (10.0, 15.0, 40.0, 1000.0)]
    assert pytest.approx([10, 7.5, 20, 500], abs=0.1) == ends


# --- Where nothing is said ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([RunQueued(pipeline="import")], "waits to be started"),
        ([RunStarted(), RunPaused()], "paused"),
        ([RunStarted(), RunLost()], "nothing is heard"),
        ([RunStarted(), RunCompleted()], "ended"),
        ([RunStarted(), RunFailed(error=Failure())], "ended"),
    ],
)
def test_a_run_that_is_not_at_work_has_no_end(events: list[Event], reason: str) -> None:
    found = estimate(state_after(*events), STEADY, at(50))
    assert (None, None, None) == (found.finish, found.remaining, found.basis)
    assert reason in (found.reason or "")


def test_overdue_is_longer_than_all_but_a_few() -> None:
    past = history(*[[("all", float(seconds))] for seconds in range(1, 101)])
    assert not judged(going(), 95.0, past).overdue
    assert judged(going(), 95.1, past).overdue
    paused: Course = [*going(), (95.1, RunPaused())]
    assert judged(paused, 96.0, past).overdue


def test_four_runs_are_too_few_to_call_another_overdue() -> None:
    for runs, overdue in ((4, False), (5, True)):
        past = history(*[[("all", 10.0)]] * runs)
        assert overdue == judged(going(), 1e6, past).overdue


def test_clocks_that_disagree_are_no_error() -> None:
    """A producer may be ahead of the gateway."""
    for past in (STEADY, None):
        state = state_at(going((0.0, StepStarted(step="fetch"))), 1)
        found = estimate(state, past, at(-3600))
        if found.remaining is not None:
            assert pytest.approx(100, abs=0.1) == found.remaining.p50


# --- What holds for every run ---------------------------------------------------------------------


def wild(durations: list[list[float]]) -> History:
    """A history of steps that the runs of `strategies` may have too."""
    return history(*[list(zip("abcdefg", run, strict=False)) for run in durations])


@given(
    some.records(),
    st.lists(st.lists(st.floats(0, 1e9), min_size=1, max_size=6), max_size=12),
    st.floats(-1e6, 1e6),
)
def test_an_estimate_is_in_order_and_never_in_the_past(
    records: list[object], durations: list[list[float]], seconds: float
) -> None:
    """Whatever was reported, whatever is remembered, whenever it is asked for."""
    state: RunState = fold(records, new())  # type: ignore[arg-type]  # the strategy is untyped
    past = wild(durations)
    now = at(seconds)
    for run in (state, summarize(state, "e1")):
        found = estimate(run, past if len(past) else None, now)
        if found.finish is None or found.remaining is None:
            assert found.reason
            assert (None, None, None) == (found.finish, found.remaining, found.basis)
        else:
            assert 0 <= found.remaining.p50 <= found.remaining.p90 < float("inf")
            assert now <= found.finish.p50 <= found.finish.p90
            assert found.reason is None
            assert "running" == state.status


@given(st.integers(1, RUNS), st.floats(0.1, 1e5), st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_the_more_is_done_the_less_is_left(runs: int, seconds: float, parts: list[float]) -> None:
    """As long as a run goes as all before it did."""
    taken = [("fetch", seconds * 0.3), ("fit", seconds * 0.7)]
    past = history(*[taken] * min(runs, 5))
    happens = course(taken, reports=3)
    moments = sorted(part * seconds * 0.999 for part in parts)
    ends = [left(judged(happens, moment, past))[0] for moment in moments]
    slack = 0.1 + 0.02 * seconds
    assert all(later <= earlier + slack for earlier, later in pairwise(ends))


def test_a_heartbeat_changes_nothing() -> None:
    happens = going((0.0, StepStarted(step="fetch")))
    with_beats: Course = [*happens, *((float(n), RunHeartbeat()) for n in range(1, 10))]
    assert judged(happens, 10.0) == judged(with_beats, 10.0)
