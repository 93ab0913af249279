"""Examples of what becomes of steps and plans, and of how the fraction follows."""

import pytest
from hypothesis import given, settings

from broker.model.decode import encode, tag_of
from broker.model.events import (
    Event,
    PlanStep,
    RunProgress,
    RunQueued,
    RunStarted,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepProgress,
    StepRetrying,
    StepSkipped,
    StepStarted,
)
from broker.model.evolve import Fold, fold
from broker.model.record import Record
from broker.model.state import Counts, Progress
from tests import strategies as some
from tests.unit.runs import OUT_OF_MEMORY, at, new, planned, records_of, state_after

A_PLANNED = RunStarted(plan=planned("a"))
A_HALF_DONE = StepProgress(step="a", current=1, total=2)

# --- Steps ----------------------------------------------------------------------------------------


def test_a_step_from_start_to_end() -> None:
    """A step keeps what it was told, and its duration counts from its first start."""
    state = state_after(
        RunStarted(),
        StepStarted(step="a", name="Load", index=4, parent="p", after=["z"], metadata={"k": None}),
        StepProgress(step="a", current=5, total=10, unit="rows", message="half", total_final=True),
        StepCompleted(step="a", outputs={"rows": 10, "bad": None}),
    )
    step = state.steps["a"]
    assert ("Load", 4, "p", ["z"], {}) == (
        step.name,
        step.index,
        step.parent,
        step.after,
        step.metadata,
    )
    assert ("completed", 5, 10, "rows", "half", True) == (
        step.status,
        step.current,
        step.total,
        step.unit,
        step.message,
        step.total_final,
    )
    assert (at(1), at(3), 2.0, {"rows": 10}) == (
        step.started_at,
        step.ended_at,
        step.duration,
        step.outputs,
    )


def test_a_step_event_before_the_run_started() -> None:
    """Work that is reported starts the run; `run.started`, when it comes, does not move that."""
    early = state_after(StepStarted(step="a"))
    assert ("running", at(0)) == (early.status, early.started_at)
    state = state_after(RunStarted(name="Nightly"), onto=early)
    assert ("running", at(0), "Nightly", "running") == (
        state.status,
        state.started_at,
        state.name,
        state.steps["a"].status,
    )


@pytest.mark.parametrize(
    "late",
    [
        StepStarted(step="a", name="late"),
        StepProgress(step="a", current=1, total=2),
        StepCompleted(step="a", outputs={"late": True}),
        StepFailed(step="a", error=OUT_OF_MEMORY),
        StepSkipped(step="a", reason="late"),
        StepRetrying(step="a"),
        StepCancelled(step="a"),
    ],
    ids=tag_of,
)
def test_a_completed_step_stays(late: Event) -> None:
    """Whatever comes after the end of a step leaves it as it was."""
    before = state_after(RunStarted(), StepStarted(step="a"), StepCompleted(step="a"))
    assert before.steps == state_after(late, onto=before).steps


def test_a_failed_step_can_be_retried() -> None:
    """A retry clears the end, keeps the last error in sight, and counts the step as running."""
    failed = state_after(
        RunStarted(),
        StepStarted(step="a"),
        StepProgress(step="a", current=5, total=10),
        StepFailed(step="a", error=OUT_OF_MEMORY),
    )
    assert ("failed", 2.0) == (failed.steps["a"].status, failed.steps["a"].duration)
    retrying = state_after(StepRetrying(step="a", delay=5.0), onto=failed)
    step = retrying.steps["a"]
    assert ("retrying", 2, None, None, None) == (
        step.status,
        step.attempt,
        step.current,
        step.ended_at,
        step.duration,
    )
    assert step.error is not None
    assert Counts(total=1, running=1) == retrying.counts
    done = state_after(StepStarted(step="a"), StepCompleted(step="a"), onto=retrying)
    assert ("completed", at(1)) == (done.steps["a"].status, done.steps["a"].started_at)


def test_a_retry_may_say_its_number_and_error() -> None:
    """The producer's own count and error win over ours."""
    step = state_after(StepRetrying(step="a", step_attempt=5, error=OUT_OF_MEMORY)).steps["a"]
    assert (5, "out of memory") == (step.attempt, step.error and step.error.message)


def test_skipped_and_cancelled_steps() -> None:
    """Each says why; a skipped step may rest on an earlier result."""
    state = state_after(
        RunStarted(),
        StepSkipped(step="a", reason="same input", cached=True),
        StepCancelled(step="b", reason="not needed"),
    )
    assert ("skipped", "same input", True) == (
        state.steps["a"].status,
        state.steps["a"].message,
        state.steps["a"].cached,
    )
    assert ("cancelled", "not needed") == (state.steps["b"].status, state.steps["b"].message)
    assert Counts(total=2, skipped=1, cancelled=1) == state.counts


def test_a_failed_step_does_not_fail_the_run() -> None:
    """Only the run itself says that it failed."""
    assert "running" == state_after(StepFailed(step="a", error=OUT_OF_MEMORY)).status


# --- Plans ----------------------------------------------------------------------------------------


def test_steps_stand_in_the_order_of_the_plan() -> None:
    """However they start, planned steps come first and in their order."""
    state = state_after(
        StepStarted(step="extra"),
        RunStarted(plan=planned("a", "b", "c")),
        StepStarted(step="c"),
        StepStarted(step="a"),
    )
    assert ["a", "b", "c", "extra"] == list(state.steps)
    assert [0, 1, 2] == [state.steps[name].index for name in "abc"]
    assert Counts(total=4, pending=1, running=3) == state.counts


def test_a_plan_describes_its_steps() -> None:
    """All of it comes from the plan, where the first entry of a step counts."""
    entry = PlanStep(
        step="a", name="Load", index=7, weight=2.0, after=["z"], metadata={"x": 1, "y": None}
    )
    step = state_after(RunQueued(plan=[entry, PlanStep(step="a", name="again")])).steps["a"]
    assert ("pending", "Load", 7, 2.0, ["z"], {"x": 1}) == (
        step.status,
        step.name,
        step.index,
        step.weight,
        step.after,
        step.metadata,
    )


def test_a_plan_announced_again() -> None:
    """A later plan reorders and adds; steps keep what they reached, and those it omits stay."""
    state = state_after(
        RunQueued(plan=planned("a", "b")),
        StepCompleted(step="a"),
        RunStarted(plan=planned("c", "a")),
    )
    assert ["c", "a", "b"] == list(state.steps)
    assert ["pending", "completed", "pending"] == [s.status for s in state.steps.values()]
    assert 0.5 == state.progress.fraction, (
        "one of two was done; the longer plan does not take it back"
    )


def test_an_empty_plan_says_nothing() -> None:
    """A plan without entries is as good as none."""
    assert None is state_after(RunStarted(plan=[])).progress.fraction


# --- The fraction ---------------------------------------------------------------------------------


def fraction_after(*happened: Event) -> float | None:
    return state_after(*happened).progress.fraction


def test_no_fraction_while_nothing_is_known() -> None:
    """Steps without a plan, and progress without a total, do not tell how far the run is."""
    assert None is fraction_after(
        RunStarted(), StepCompleted(step="a"), RunProgress(current=5), StepStarted(step="b")
    )


def test_weights() -> None:
    """A step counts by its weight, and a running one by its share."""
    plan = [PlanStep(step="a", weight=1), PlanStep(step="b", weight=3)]
    assert 0.25 == fraction_after(RunStarted(plan=plan), StepCompleted(step="a"))
    assert 0.75 == fraction_after(RunStarted(plan=plan), StepCompleted(step="b"))
    half = StepProgress(step="b", current=1, total=2)
    assert 0.375 == fraction_after(RunStarted(plan=plan), half)


def test_steps_outside_the_plan_do_not_count() -> None:
    """Weight stands on planned steps alone."""
    assert 0.0 == fraction_after(RunStarted(plan=planned("a")), StepCompleted(step="extra"))


def test_skipped_steps_count_and_failed_ones_do_not() -> None:
    """A skipped step is done; a failed one has come as far as it came."""
    plan = RunStarted(plan=planned("a", "b", "c", "d"))
    failed = StepFailed(step="b", error=OUT_OF_MEMORY)
    assert 0.25 == fraction_after(plan, StepSkipped(step="a"), failed)
    half = StepProgress(step="b", current=1, total=2)
    assert 0.125 == fraction_after(plan, half, failed)


def test_a_step_that_falls_back_does_not_take_the_run_with_it() -> None:
    """A retried step begins again; the fraction waits for it where it was."""
    plan = RunStarted(plan=planned("a"))
    far = StepProgress(step="a", current=8, total=10)
    again = StepProgress(step="a", current=1, total=10)
    state = state_after(plan, far, StepRetrying(step="a"), again)
    step = state.steps["a"]
    assert (0.8, 1, 800_000) == (state.progress.fraction, step.current, step.ppm)


def test_total_steps() -> None:
    """Without a plan, completed and skipped steps count against the announced number."""
    started = RunStarted(total_steps=4)
    failed = StepFailed(step="c", error=OUT_OF_MEMORY)
    assert 0.5 == fraction_after(started, StepCompleted(step="a"), StepSkipped(step="b"), failed)


def test_more_steps_than_announced() -> None:
    """Steps beyond the announced number are counted in; the fraction waits rather than falls."""
    started = RunStarted(total_steps=1)
    first, second = StepCompleted(step="a"), StepStarted(step="b")
    assert 0.999999 == fraction_after(started, first, second)
    assert 0.0 == fraction_after(started, StepStarted(step="a"), second)
    assert 0.5 == fraction_after(started, StepStarted(step="a"), second, first)


@settings(max_examples=500)
@given(some.records(some.measures.map(encode)))
def test_the_fraction_of_a_replay_is_that_of_a_run_watched_live(log: list[Record]) -> None:
    """Whatever a run is measured by in turn, it does not matter whether someone looked between."""
    live = Fold(new())
    for record in log:
        live.extend([record])
        _ = live.state
    assert live.state == fold(log, new())


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        ([RunStarted(total_steps=1), StepCompleted(step="a"), StepStarted(step="b")], 0.999999),
        ([RunStarted(total_steps=2), StepCompleted(step="a"), RunStarted(total_steps=9)], 0.5),
        ([A_PLANNED, A_HALF_DONE, RunStarted(plan=planned("b"))], 0.5),
        ([A_PLANNED, A_HALF_DONE, StepProgress(step="a", current=1, total=4)], 0.5),
        ([RunProgress(current=1, total=2), RunProgress(current=1, total=4)], 0.5),
    ],
)
def test_fractions_all_at_once(happened: list[Event], expected: float) -> None:
    """A replay that looks only at its end finds the highest fraction that there ever was."""
    assert expected == fold(records_of(*happened), new()).progress.fraction


def test_the_runs_own_progress_wins() -> None:
    """What the run says of itself goes before what its steps add up to."""
    state = state_after(
        RunStarted(plan=planned("a", "b")),
        RunProgress(current=3, total=4, unit="files", message="copying", total_final=True),
        StepStarted(step="a"),
    )
    expected = Progress(current=3, total=4, unit="files", fraction=0.75, total_final=True)
    assert (expected, "copying") == (state.progress, state.message)


def test_fraction_never_falls() -> None:
    """A smaller report shows its raw number and leaves the fraction where it was."""
    state = state_after(
        RunStarted(), RunProgress(current=7, total=10), RunProgress(current=3, total=10)
    )
    assert (0.7, 3) == (state.progress.fraction, state.progress.current)


def test_a_total_that_grows() -> None:
    """A new total shows, and the fraction waits until it is true again."""
    state = state_after(
        RunStarted(), RunProgress(current=5, total=10), RunProgress(current=6, total=100)
    )
    assert (0.5, 100) == (state.progress.fraction, state.progress.total)


def test_a_total_that_is_no_longer_known() -> None:
    """Without a total the number is shown, and the fraction stays."""
    state = state_after(RunStarted(), RunProgress(current=5, total=10), RunProgress(current=6))
    assert Progress(current=6, fraction=0.5) == state.progress


@pytest.mark.parametrize(
    ("current", "total", "expected"),
    [
        (0, 0, None),
        (1, 0, None),
        (0, 10, 0.0),
        (10, 10, 0.999999),
        (11, 10, 0.999999),
        (1, 2**53, 0.0),
        (2**53, 2**53, 0.999999),
        (2**53, 5e-324, 0.999999),
        (5e-324, 5e-324, 0.999999),
        (0.1, 0.3, 0.333333),
        (2, 3, 0.666666),
    ],
)
def test_fractions_of_odd_numbers(current: float, total: float, expected: float | None) -> None:
    """In millionths, rounded down, and 1 only when the run completed."""
    assert expected == fraction_after(RunStarted(), RunProgress(current=current, total=total))
    plan = RunStarted(plan=planned("a"))
    of_step = fraction_after(plan, StepProgress(step="a", current=current, total=total))
    assert (expected or 0.0) == of_step
