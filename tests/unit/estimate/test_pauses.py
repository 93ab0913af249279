"""A pause is no part of how long a run takes: neither of one that is over nor of one at work."""

import msgspec
import pytest

from broker.model.events import (
    RunCancelled,
    RunCompleted,
    RunLost,
    RunPaused,
    RunProgress,
    RunQueued,
    RunResumed,
    RunStarted,
    StepCompleted,
    StepProgress,
    StepStarted,
)
from broker.model.state import RunState
from broker.model.summary import summarize
from broker.runs.estimate import estimate
from broker.runs.history import History
from tests.unit.estimate.past import Course, history, state_at
from tests.unit.runs import at

TEN_AND_TWENTY = history(*[[("a", 10.0), ("b", 20.0)]] * 20)


def after(*happens: tuple[float, object]) -> RunState:
    """The state after events at such seconds."""
    course: Course = [(0.0, RunStarted(pipeline="import")), *happens]  # type: ignore[list-item]
    return state_at(course, 1e9)


PAUSED_IN_A = [
    (0.0, StepStarted(step="a")),
    (4.0, RunPaused()),
    (1004.0, RunResumed()),
]


def test_what_is_learnt_is_without_pauses() -> None:
    """Of the run, and of the step that was under way; what a snapshot shows is all of it."""
    state = after(
        *PAUSED_IN_A,
        (1010.0, StepCompleted(step="a")),
        (1010.0, StepStarted(step="b")),
        (1030.0, StepCompleted(step="b")),
        (1030.0, RunCompleted()),
    )
    assert (1030.0, 1000.0) == (state.duration, state.paused_seconds)
    assert (1010.0, 1000.0) == (state.steps["a"].duration, state.steps["a"].paused_seconds)
    learnt = History()
    learnt.add(summarize(state, "e1"))
    assert [30.0] == list(learnt.totals)
    assert {"a": [10.0], "b": [20.0]} == {name: learnt.step(name) for name in learnt.steps}


def test_an_estimate_goes_on_where_it_was_paused() -> None:
    """Step by step, as a whole, by a rate: as if there had been no pause."""
    reports = StepProgress(step="a", current=4, total=10), RunProgress(current=3, total=10)
    for more in ((), reports[:1], reports[1:]):
        before = [(4.0, event) for event in more]
        paused = after(PAUSED_IN_A[0], *before, *PAUSED_IN_A[1:])
        smooth = after(PAUSED_IN_A[0], *before, (4.0, RunResumed()))
        for past in (TEN_AND_TWENTY, None):
            found, wanted = estimate(paused, past, at(1006)), estimate(smooth, past, at(6))
            assert (wanted.remaining, wanted.overdue) == (found.remaining, found.overdue)
            rows = [summarize(state, "e1") for state in (paused, smooth)]
            found, wanted = estimate(rows[0], past, at(1006)), estimate(rows[1], past, at(6))
            assert (wanted.remaining, wanted.overdue) == (found.remaining, found.overdue)


def test_the_pace_is_that_of_the_work() -> None:
    """A step that waited for a person says nothing of how long the next will take."""
    past = history(*[[("a", 10.0 + n), ("b", 20.0 + 2 * n)] for n in range(12)])
    paused = after(*PAUSED_IN_A, (1010.0, StepCompleted(step="a")))
    smooth = after(PAUSED_IN_A[0], (10.0, StepCompleted(step="a")))
    assert estimate(smooth, past, at(10)).remaining == estimate(paused, past, at(1010)).remaining


@pytest.mark.parametrize("lost", [(), [(5.0, RunLost())]], ids=["paused", "and lost"])
def test_who_is_paused_does_not_come_to_be_overdue(lost: list[tuple[float, object]]) -> None:
    state = after(*PAUSED_IN_A[:2], *lost)
    assert not estimate(state, TEN_AND_TWENTY, at(1e6)).overdue


def test_a_pause_counts_for_a_step_as_far_as_it_had_begun() -> None:
    """Also where the step begins or ends while the run is paused, and over several pauses."""
    state = after(
        (0.0, StepStarted(step="early")),
        (0.0, StepStarted(step="long")),
        (10.0, RunPaused()),
        (15.0, StepStarted(step="late")),
        (20.0, StepCompleted(step="early")),
        (30.0, RunResumed()),
        (40.0, RunPaused()),
        (45.0, RunPaused()),
        (50.0, RunResumed()),
        (60.0, StepCompleted(step="long")),
        (60.0, StepCompleted(step="late", duration=7.0)),
    )
    assert 30.0 == state.paused_seconds
    found = {name: (step.duration, step.paused_seconds) for name, step in state.steps.items()}
    assert {"early": (20.0, 10.0), "long": (60.0, 30.0), "late": (7.0, None)} == found


@pytest.mark.parametrize("end", [RunCompleted(), RunCancelled()])
def test_the_end_of_a_run_is_the_end_of_its_pause(end: RunCompleted | RunCancelled) -> None:
    state = after((10.0, RunPaused()), (25.0, end))
    assert (None, 15.0, 25.0) == (state.paused, state.paused_seconds, state.duration)


def test_another_attempt_has_not_been_paused() -> None:
    state = after(*PAUSED_IN_A, (1005.0, RunQueued(attempt=2)))
    assert (None, None) == (state.paused_seconds, state.steps["a"].paused_seconds)


@pytest.mark.parametrize("since", [10.0, 20.0])
def test_a_pause_without_length_leaves_nothing_behind(since: float) -> None:
    """A resume by a clock that is behind is no negative pause."""
    early = RunResumed(time=at(10.0))
    state = after((0.0, StepStarted(step="a")), (since, RunPaused()), (30.0, early))
    assert b"paused" not in msgspec.json.encode(state)
