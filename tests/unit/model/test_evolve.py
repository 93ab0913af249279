"""The rules of `broker.model.evolve`: a property for each, and an example of every transition."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.errors import MalformedEvent
from broker.model import bounds
from broker.model.decode import decode, encode, tag_of
from broker.model.events import (
    ArtifactAdded,
    CommandAcknowledged,
    CommandCancel,
    CommandPause,
    Event,
    Failure,
    LogAppended,
    LogLine,
    Parent,
    RunAnnotated,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunHeartbeat,
    RunLost,
    RunPaused,
    RunProgress,
    RunQueued,
    RunRecovered,
    RunResumed,
    RunStarted,
    StepCompleted,
    StepProgress,
    StepRetrying,
    StepsCounted,
    StepStarted,
    Unknown,
)
from broker.model.evolve import Fold, evolve, fold
from broker.model.record import Record
from broker.model.state import (
    Artifact,
    Attempt,
    Counts,
    Group,
    Pause,
    Problem,
    RunState,
    Silence,
)
from tests import strategies as some
from tests.unit.runs import OUT_OF_MEMORY, SMALL, T0, at, new, planned, records_of, state_after


def states(log: list[Record]) -> Iterator[tuple[RunState, Event | Unknown, RunState]]:
    """Every well-formed event of a log, between the state before it and the state after it."""
    state = new()
    for record in log:
        try:
            event = decode(record.payload)
        except MalformedEvent:
            continue
        after = evolve(state, event, record.seq, record.stored_at)
        yield state, event, after
        state = after


def through_json(state: RunState) -> RunState:
    """The state as a checkpoint keeps it."""
    return msgspec.json.decode(stored(state), type=RunState)


def stored(value: Any) -> bytes:
    """The value as a checkpoint keeps it: tells 1 from 1.0 and true, and one order from another."""
    return msgspec.json.encode(value)


def without(state: RunState, *names: str) -> dict[str, Any]:
    """The state without some of its fields."""
    return {k: v for k, v in msgspec.structs.asdict(state).items() if k not in names}


# --- The seven rules of design §3 -----------------------------------------------------------------


@given(some.records(), st.data())
def test_rule_1_redelivery_changes_nothing(log: list[Record], data: st.DataObject) -> None:
    """A record at or before the state's sequence leaves the state as it is, byte for byte."""
    state = fold(log, new())
    again = data.draw(st.lists(st.sampled_from(log), max_size=5) if log else st.just([]))
    assert stored(state) == stored(fold(again, state))


@given(some.records())
def test_rule_2_an_end_is_final_within_its_attempt(log: list[Record]) -> None:
    """After an end, nothing but a later attempt changes how, when and with what a run ended."""
    final = ("status", "ended_at", "duration", "error", "outputs", "cancelled_by")
    for before, _, after in states(log):
        if before.ended and before.attempt == after.attempt:
            assert [getattr(before, name) for name in final] == [
                getattr(after, name) for name in final
            ]


@given(some.records(), some.any_event)
def test_rule_2_a_late_event_of_an_older_attempt_changes_the_counters_alone(
    log: list[Record], event: Event
) -> None:
    """Whatever an older attempt still has to say is counted, and otherwise forgotten."""
    before = fold(log, state_after(RunStarted(attempt=7)))
    late = msgspec.structs.replace(event, attempt=6)
    after = evolve(before, late, before.seq + 1, at(99))
    assert (before.seq + 1, before.events + 1) == (after.seq, after.events)
    assert without(before, "seq", "events") == without(after, "seq", "events")


@given(some.records())
def test_rule_2_a_later_attempt_begins_anew(log: list[Record]) -> None:
    """Steps go back to pending, the old attempt is kept, and nothing of its outcome is left."""
    before = fold(log, new())
    attempt = before.attempt + 1
    after = evolve(before, RunStarted(attempt=attempt), before.seq + 1, at(99))
    assert (attempt, "running", None) == (after.attempt, after.status, after.progress.current)
    assert after.progress.fraction in (None, 0)
    assert list(before.steps) == list(after.steps)
    assert {"pending"} >= {step.status for step in after.steps.values()}
    gone = ("queued_at", "ended_at", "duration", "error", "outputs", "message", "paused", "silence")
    assert {None} == {getattr(after, name) for name in (*gone, "cancelled_by", "worker")}
    assert (None, {}) == (after.resources, after.groups)
    if before.events:
        assert (
            Attempt(
                attempt=before.attempt,
                status=before.status,
                started_at=before.started_at,
                ended_at=before.ended_at,
                error=before.error,
            )
            == after.attempts[-1]
        )


@given(some.records(), some.step_events)
def test_rule_3_a_repeated_step_event_leaves_the_step_as_it_was(
    log: list[Record], event: Any
) -> None:
    """Told twice is told once; only a retry that gives no number of its own counts up."""
    if isinstance(event, StepRetrying) and event.step_attempt is None:
        event = msgspec.structs.replace(event, step_attempt=2)
    once = fold(log, new())
    once = evolve(once, event, once.seq + 1, at(99))
    twice = evolve(once, event, once.seq + 1, at(100))
    assert stored(once.steps) == stored(twice.steps)


@given(some.records())
def test_rule_3_a_step_leaves_its_end_by_a_retry_alone(log: list[Record]) -> None:
    """Within an attempt a settled step is left alone by all but a plan and a retry of a failure."""
    for before, event, after in states(log):
        if before.attempt != after.attempt or isinstance(event, RunQueued | RunStarted):
            continue
        for name, step in before.steps.items():
            retried = step.status == "failed" and isinstance(event, StepRetrying)
            if step.status in ("completed", "failed", "skipped", "cancelled") and not retried:
                assert step == after.steps[name]


@given(some.records())
def test_rule_4_the_fraction_never_falls_and_is_1_only_at_the_end(log: list[Record]) -> None:
    """It lies in [0, 1], never falls or vanishes within an attempt, and is 1 when completed."""
    for before, _, after in states(log):
        was, now = before.progress.fraction, after.progress.fraction
        assert now is None or 0 <= now <= 1
        assert (now == 1) == (after.status == "completed")
        if before.attempt == after.attempt and was is not None:
            assert now is not None
            assert was <= now


@given(some.records())
def test_rule_4_the_fraction_is_at_least_the_weighted_mean(log: list[Record]) -> None:
    """Where no progress of the run itself is given, the plan speaks: summed up anew here."""
    for _, _, state in states(log):
        weighed = [(int((s.weight or 0) * 2**20), s.ppm) for s in state.steps.values()]
        whole = sum(weight for weight, _ in weighed)
        if whole and not state.progress.total:
            mean = sum(weight * ppm for weight, ppm in weighed) // whole
            assert state.progress.fraction is not None
            assert min(mean, 999_999) / 1_000_000 <= state.progress.fraction


@settings(max_examples=300)
@given(some.records(max_size=40), st.data())
def test_rule_5_checkpoint_plus_tail_equals_full_replay(
    log: list[Record], data: st.DataObject
) -> None:
    """Going on from stored states, any number of times, gives the state of one replay exactly."""
    state = new()
    for batch in data.draw(some.batches(log)):
        state = fold(batch, through_json(state))
    assert stored(fold(log, new())) == stored(state)


@given(some.records())
def test_rule_6_every_well_formed_event_is_counted(log: list[Record]) -> None:
    """Unknown and late ones too; a malformed one moves the sequence and nothing else."""
    state = fold(log, new())
    assert len(list(states(log))) == state.events
    assert (log[-1].seq if log else 0) == state.seq


@given(some.step_events)
def test_rule_6_a_step_event_starts_a_run(event: Any) -> None:
    """A step that does something shows that its run is under way."""
    state = state_after(event)
    assert "running" == state.status
    assert state.started_at is not None


@given(some.records(max_size=40))
def test_rule_7_what_a_state_holds_is_bounded(log: list[Record]) -> None:
    """Nothing grows beyond its bound, whatever is sent."""
    state = fold(log, new(), SMALL)
    assert len(state.steps) <= SMALL.steps
    assert len(state.groups) <= SMALL.groups
    assert len(state.labels) <= SMALL.labels
    assert len(state.artifacts) <= SMALL.artifacts
    assert len(state.attempts) <= SMALL.attempts
    assert len(state.commands) <= SMALL.commands
    assert bounds.fits(state.metadata, SMALL.metadata)
    assert bounds.fits(state.outputs or {}, SMALL.outputs)
    for step in state.steps.values():
        assert bounds.fits(step.metadata or {}, SMALL.step_document)
        assert bounds.fits(step.outputs or {}, SMALL.step_document)


@settings(max_examples=300)
@given(some.records(max_size=40), st.data())
def test_rule_7_a_full_state_goes_on_from_a_checkpoint(
    log: list[Record], data: st.DataObject
) -> None:
    """Bounds do not depend on where a fold began."""
    state = new()
    for batch in data.draw(some.batches(log)):
        state = fold(batch, through_json(state), SMALL)
    assert stored(fold(log, new(), SMALL)) == stored(state)


# --- What holds for every fold --------------------------------------------------------------------


@given(some.records(), some.any_event)
def test_evolve_leaves_its_argument_as_it_was(log: list[Record], event: Event) -> None:
    """Anyone may keep a state and evolve it twice."""
    state = fold(log, new())
    kept = deepcopy(state)
    evolve(state, event, state.seq + 1, at(99))
    fold(log, state)
    assert stored(kept) == stored(state)


@settings(max_examples=300)
@given(some.records(max_size=40), st.data())
def test_one_by_one_equals_all_at_once_equals_any_batches(
    log: list[Record], data: st.DataObject
) -> None:
    """`evolve` for each event, `fold`, and `Fold.extend` in batches are one function."""
    one_by_one = [new(), *(after for _, _, after in states(log))][-1]
    batched, each = Fold(new()), Fold(new())
    for batch in data.draw(some.batches(log)):
        batched.extend(batch)
    for record in log:
        each.add_record(record)
    at_once = fold(log, new())
    one_by_one.seq = at_once.seq  # `evolve` is not told of malformed records
    expected = stored(at_once)
    assert [expected] * 3 == [stored(s) for s in (one_by_one, batched.state, each.state)]


@given(some.records(), st.data())
def test_reading_a_fold_does_not_change_what_follows(
    log: list[Record], data: st.DataObject
) -> None:
    """A hub that looks at the state after every batch has the state of one that looks once."""
    looked = Fold(new())
    for batch in data.draw(some.batches(log)):
        looked.extend(batch)
        assert looked.state.seq == looked.seq
    assert stored(fold(log, new())) == stored(looked.state)


@given(some.records())
def test_counts_are_the_statuses_of_the_steps(log: list[Record]) -> None:
    """A step that waits to be tried again counts as running."""
    for _, _, state in states(log):
        found = Counts(total=len(state.steps))
        for step in state.steps.values():
            name = "running" if step.status == "retrying" else step.status
            setattr(found, name, getattr(found, name) + 1)
        assert found == state.counts


@given(some.records())
def test_a_state_can_be_stored_and_shown(log: list[Record]) -> None:
    """Every state has a JSON form that reads back as the same state, and holds no null member."""

    def nulls(value: Any) -> bool:
        return isinstance(value, dict) and (
            None in value.values() or any(nulls(inner) for inner in value.values())
        )

    state = fold(log, new())
    assert state == through_json(state)
    assert not nulls(msgspec.json.decode(msgspec.json.encode(state)))


@given(some.records(), st.text(max_size=8), st.integers(0, 9))
def test_an_unknown_event_changes_the_counters_alone(
    log: list[Record], tag: str, later: int
) -> None:
    """It is heard of, and so brings a lost run back, but it says nothing more."""
    before = fold(log, new())
    after = evolve(before, Unknown(tag=tag), before.seq + 1, at(99))
    heard = ("seq", "events", "updated_at", "last_seen", "silence", "status")
    assert before.events + 1 == after.events
    assert without(before, *heard) == without(after, *heard)
    assert before.status in (after.status, "lost")


# --- The life of a run ----------------------------------------------------------------------------


def test_nothing_is_known_at_first() -> None:
    """A run without events is queued, at its first attempt, without a fraction."""
    state = new()
    assert ("queued", 1, 0, None) == (
        state.status,
        state.attempt,
        state.events,
        state.progress.fraction,
    )


def test_queued_then_started_then_completed() -> None:
    """Each moment is kept, the duration counts from the start, and the fraction ends at 1."""
    state = state_after(
        RunQueued(pipeline="etl", name="Nightly"),
        RunStarted(worker="w7", parent=Parent(run="r0", step="fan-out"), retry_of="r-1"),
        RunCompleted(outputs={"rows": 3}, message="done"),
    )
    assert ("completed", 1.0, 1.0) == (state.status, state.duration, state.progress.fraction)
    assert (at(0), at(1), at(2)) == (state.queued_at, state.started_at, state.ended_at)
    assert ("etl", "Nightly", "w7") == (state.pipeline, state.name, state.worker)
    assert (Parent(run="r0", step="fan-out"), "r-1") == (state.parent, state.retry_of)
    assert ({"rows": 3}, "done") == (state.outputs, state.message)


def test_failed_keeps_error_kind_and_fraction() -> None:
    """A failure says why, and leaves the fraction where it was."""
    state = state_after(
        RunStarted(),
        RunProgress(current=3, total=10),
        RunFailed(error=OUT_OF_MEMORY, kind="infrastructure", retryable=True),
    )
    assert ("failed", 0.3) == (state.status, state.progress.fraction)
    assert state.error == Problem(
        type="MemoryError", message="out of memory", kind="infrastructure", retryable=True
    )


def test_cancelled_says_by_whom_and_why() -> None:
    """Who cancelled and why is kept; it is not an error."""
    state = state_after(RunStarted(), RunCancelled(by="ada", reason="not needed"))
    assert ("cancelled", "ada", "not needed", None) == (
        state.status,
        state.cancelled_by,
        state.message,
        state.error,
    )


@pytest.mark.parametrize(
    "end", [RunCompleted(), RunFailed(error=OUT_OF_MEMORY), RunCancelled()], ids=tag_of
)
@pytest.mark.parametrize(
    "later",
    [
        RunQueued(),
        RunStarted(),
        RunProgress(current=1, total=2),
        RunPaused(),
        RunResumed(),
        RunCompleted(outputs={"late": True}),
        RunFailed(error=Failure(message="late")),
        RunCancelled(by="late"),
        RunLost(),
        RunRecovered(),
        StepStarted(step="late"),
    ],
    ids=tag_of,
)
def test_the_first_end_stays(end: Event, later: Event) -> None:
    """No event of the same attempt takes an end back, not even another end."""
    before = state_after(RunStarted(), end)
    after = state_after(later, onto=before)
    assert (before.status, before.ended_at, before.duration) == (
        after.status,
        after.ended_at,
        after.duration,
    )
    assert (before.outputs, before.error, before.progress) == (
        after.outputs,
        after.error,
        after.progress,
    )


def test_an_end_without_a_start() -> None:
    """A run that says only how it ended has no start and no duration."""
    state = state_after(RunCompleted())
    assert ("completed", None, None) == (state.status, state.started_at, state.duration)


def test_paused_and_resumed() -> None:
    """A paused run says since when and what it asks; a resumed one says nothing of it."""
    paused = state_after(RunStarted(), RunPaused(reason="review", prompt="Publish?"))
    assert ("paused", Pause(since=at(1), reason="review", prompt="Publish?")) == (
        paused.status,
        paused.paused,
    )
    resumed = state_after(RunResumed(), onto=paused)
    assert ("running", None) == (resumed.status, resumed.paused)


def test_paused_twice_waits_since_the_first_time() -> None:
    """A repeated pause does not move the time since which the run waits."""
    state = state_after(RunStarted(), RunPaused(), RunPaused(reason="again"))
    assert Pause(since=at(1)) == state.paused


def test_steps_may_go_on_while_the_run_is_paused() -> None:
    """Work that is finished during a pause does not end the pause."""
    state = state_after(RunStarted(), RunPaused(), StepCompleted(step="a"))
    assert ("paused", "completed") == (state.status, state.steps["a"].status)


def test_a_pause_from_before_the_start_counts_from_the_start() -> None:
    """One clock that is a day behind must not outweigh the whole run."""
    paused = RunPaused(time=at(0) - timedelta(days=1))
    state = state_after(RunStarted(), paused, RunResumed())
    assert 2.0 == state.paused_seconds


def test_an_end_ends_a_pause() -> None:
    """A run that ended waits for nobody."""
    assert state_after(RunStarted(), RunPaused(), RunCancelled()).paused is None


def test_lost_and_recovered() -> None:
    """A lost run is not ended: when the broker says so, it is what it was before."""
    lost = state_after(RunStarted(), RunLost(last_seen=at(0), threshold=30.0))
    assert ("lost", False) == (lost.status, lost.ended)
    assert Silence(was="running", since=at(0), threshold=30.0) == lost.silence
    assert at(0) == lost.last_seen, "the broker's own note is no sign of life"
    recovered = state_after(RunRecovered(), onto=lost)
    assert ("running", None) == (recovered.status, recovered.silence)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([], "queued"),
        ([RunQueued()], "queued"),
        ([RunStarted()], "running"),
        ([RunStarted(), RunPaused(reason="review")], "paused"),
    ],
    ids=["unheard", "queued", "running", "paused"],
)
@pytest.mark.parametrize(
    "heard",
    [RunHeartbeat(), RunAnnotated(), RunRecovered(), Unknown(tag="x.y")],
    ids=tag_of,
)
def test_any_sign_of_life_recovers(
    before: list[Event], expected: str, heard: Event | Unknown
) -> None:
    """A lost run comes back as what it was: a paused one waits on, for the same reason."""
    was = state_after(*before)
    state = state_after(RunLost(), heard, onto=was)
    assert (expected, None, was.paused) == (state.status, state.silence, state.paused)


def test_a_step_event_recovers() -> None:
    """Work that is reported is a sign of life too, on the fast way as well."""
    state = state_after(RunStarted(), RunLost(), StepProgress(step="a", current=1))
    assert ("running", 1) == (state.status, state.steps["a"].current)


@pytest.mark.parametrize("command", [CommandCancel(), CommandPause()], ids=tag_of)
def test_a_command_is_no_sign_of_life(command: Event) -> None:
    """A person who asks a lost run to stop does not bring its producer back."""
    assert "lost" == state_after(RunStarted(), RunLost(), command).status


def test_a_lost_run_can_end() -> None:
    """The last word of a producer counts, however long it was not heard of."""
    state = state_after(RunStarted(), RunLost(), RunCompleted())
    assert ("completed", None) == (state.status, state.silence)


def test_lost_is_noted_once() -> None:
    """A second note of the same silence does not hide what the run was before."""
    state = state_after(RunStarted(), RunPaused(), RunLost(), RunLost(), RunHeartbeat())
    assert "paused" == state.status


def test_heartbeat() -> None:
    """A heartbeat shows that the producer lives, and what it measured."""
    state = state_after(
        RunStarted(heartbeat_interval=10.0), RunHeartbeat(resources={"cpu": 0.5, "gpu": None})
    )
    assert (10.0, at(1), {"cpu": 0.5}) == (
        state.heartbeat_interval,
        state.last_seen,
        state.resources,
    )
    assert {"cpu": 0.5} == state_after(RunHeartbeat(), onto=state).resources


def test_log_lines_fold_to_nothing() -> None:
    """A log line that strays onto the run's subject is counted, and no more."""
    state = state_after(RunStarted(), LogAppended(lines=[LogLine(text="hello")]))
    assert ("running", 2, {}) == (state.status, state.events, state.steps)


# --- Attempts -------------------------------------------------------------------------------------


def test_a_new_attempt_resets_the_steps_and_keeps_the_old_attempt() -> None:
    """The plan stays, what was reached goes, and what became of the first attempt is kept."""
    state = state_after(
        RunStarted(plan=planned("a", "b"), pipeline="etl"),
        StepCompleted(step="a", outputs={"rows": 1}),
        RunFailed(error=OUT_OF_MEMORY),
        RunStarted(attempt=2),
    )
    assert ("running", 2, None, None) == (
        state.status,
        state.attempt,
        state.error,
        state.progress.current,
    )
    assert ("etl", at(3), None) == (state.pipeline, state.started_at, state.ended_at)
    assert {"a": ("pending", None), "b": ("pending", None)} == {
        name: (step.status, step.outputs) for name, step in state.steps.items()
    }
    assert Counts(total=2, pending=2) == state.counts
    assert 0.0 == state.progress.fraction, "a plan of which nothing is done"
    problem = Problem(type="MemoryError", message="out of memory")
    old = Attempt(attempt=1, status="failed", started_at=at(0), ended_at=at(2), error=problem)
    assert [old] == state.attempts


def test_a_queued_attempt_waits() -> None:
    """`run.queued` with a higher attempt begins it, and it is not running yet."""
    state = state_after(RunStarted(), RunFailed(error=OUT_OF_MEMORY), RunQueued(attempt=2))
    assert ("queued", 2, at(2), None) == (
        state.status,
        state.attempt,
        state.queued_at,
        state.started_at,
    )


def test_a_late_end_of_an_older_attempt() -> None:
    """The first attempt's failure, heard of during the second, is counted and no more."""
    state = state_after(
        RunStarted(), RunStarted(attempt=2), RunFailed(error=OUT_OF_MEMORY, attempt=1)
    )
    assert ("running", None, 3) == (state.status, state.error, state.events)
    assert ["running"] == [attempt.status for attempt in state.attempts]


def test_a_late_event_does_not_recover() -> None:
    """What an older attempt had to say is no sign of life of this one."""
    state = state_after(RunStarted(attempt=2), RunLost(), RunHeartbeat(attempt=1))
    assert "lost" == state.status


def test_the_first_attempt_heard_of_may_be_any() -> None:
    """A run first heard of in its third attempt has no earlier ones to keep."""
    state = state_after(RunStarted(attempt=3))
    assert (3, []) == (state.attempt, state.attempts)


def test_the_oldest_attempts_go_first() -> None:
    """Beyond the bound the newest are kept, and what went is counted."""
    state = state_after(*[RunStarted(attempt=n) for n in range(1, 24)])
    assert (23, 20, 3) == (state.attempt, len(state.attempts), state.attempts[0].attempt)
    assert {"attempts": 2} == state.truncated


# --- Commands, groups, artifacts, annotations -----------------------------------------------------


def test_a_command_and_its_answer() -> None:
    """A command stands under its id, unanswered until the producer answers it; the first answer
    counts."""
    asked = state_after(RunStarted(), CommandCancel(id="c1", by="ada", reason="too slow"))
    command = asked.commands["c1"]
    assert ("cancel", "ada", "too slow", at(1), None) == (
        command.type,
        command.by,
        command.reason,
        command.at,
        command.result,
    )
    answered = state_after(
        CommandAcknowledged(command="c1", result="rejected", reason="last step"),
        CommandAcknowledged(command="c1", result="accepted"),
        onto=asked,
    )
    command = answered.commands["c1"]
    assert ("rejected", "last step", at(2)) == (
        command.result,
        command.answer,
        command.acknowledged_at,
    )
    assert "running" == answered.status, "asking is not doing"


def test_who_ignores_a_command_leaves_it_to_others() -> None:
    """A producer that has ended ignores a retry, which the gateway then accepts."""
    state = state_after(
        RunStarted(),
        CommandCancel(id="c1"),
        CommandAcknowledged(command="c1", result="ignored", reason="ended"),
        CommandAcknowledged(command="c1", result="ignored", reason="again"),
    )
    assert ("ignored", "ended") == (state.commands["c1"].result, state.commands["c1"].answer)
    state = state_after(
        CommandAcknowledged(command="c1", result="accepted"),
        CommandAcknowledged(command="c1", result="ignored"),
        onto=state,
    )
    assert ("accepted", None) == (state.commands["c1"].result, state.commands["c1"].answer)


def test_a_command_without_id_is_named_by_its_place() -> None:
    """Every command can be answered, also one that was published by hand."""
    assert ["seq-2"] == list(state_after(RunStarted(), CommandPause()).commands)


def test_an_answer_to_no_command() -> None:
    """An answer to what nobody asked is counted and no more."""
    state = state_after(CommandAcknowledged(command="c9", result="accepted"))
    assert ({}, 1) == (state.commands, state.events)


def test_groups_hold_the_last_summary() -> None:
    """A summary replaces the one before; `canceled` is shown as `cancelled`."""
    state = state_after(
        StepsCounted(group="map", counts={"pending": 10}, total=10),
        StepsCounted(group="map", counts={"canceled": 1, "cancelled": 2, "completed": 7}, total=10),
    )
    assert {"map": Group({"cancelled": 3, "completed": 7}, 10)} == state.groups


def test_artifacts_are_named() -> None:
    """An artifact told again replaces the one of its name."""
    state = state_after(
        ArtifactAdded(name="report", uri="s3://b/1"),
        ArtifactAdded(name="model", uri="s3://b/m", kind="onnx", media_type="application/x"),
        ArtifactAdded(name="report", uri="s3://b/2"),
    )
    assert [
        Artifact(name="model", uri="s3://b/m", kind="onnx", media_type="application/x"),
        Artifact(name="report", uri="s3://b/2"),
    ] == state.artifacts


def test_annotations_merge_and_null_removes() -> None:
    """Labels and metadata come together from every announcement; null takes one away."""
    state = state_after(
        RunStarted(labels={"team": "a", "n": 1}, metadata={"keep": [None], "deep": {"x": None}}),
        RunAnnotated(labels={"team": None, "env": "prod"}, metadata={"new": True}),
        RunAnnotated(metadata={"deep": None, "never": None}),
    )
    assert {"n": 1, "env": "prod"} == state.labels
    assert {"keep": [None], "new": True} == state.metadata


# --- Times ----------------------------------------------------------------------------------------


def test_the_producers_clock_is_shown_in_utc() -> None:
    """A time with another offset is the same moment."""
    east = timezone(timedelta(hours=5, minutes=30))
    state = state_after(RunStarted(time=datetime(2026, 1, 1, 5, 30, tzinfo=east)))
    assert (T0, UTC) == (state.started_at, state.started_at and state.started_at.tzinfo)


def test_clocks_that_disagree() -> None:
    """An end before its start took no time: never less."""
    state = state_after(
        RunStarted(time=at(60)),
        StepStarted(step="a", time=at(60)),
        StepCompleted(step="a", time=at(0)),
        RunCompleted(time=at(0)),
    )
    assert (0.0, 0.0) == (state.duration, state.steps["a"].duration)
    assert (at(60), at(0)) == (state.started_at, state.ended_at)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_that_utc_cannot_express(text: str) -> None:
    """It counts as none: the stored time stands for it."""
    event = decode(b'{"type":"run.started","time":"%b"}' % text.encode())
    assert T0 == state_after(event).started_at


def test_last_seen_and_updated_are_the_stores_clock() -> None:
    """A producer's clock, however wrong, does not make its run lost."""
    state = state_after(RunStarted(time=at(-9999)), RunHeartbeat(time=at(9999)))
    assert (at(1), at(1)) == (state.last_seen, state.updated_at)


# --- Malformed records ----------------------------------------------------------------------------


def test_a_malformed_record_stops_nothing() -> None:
    """The sequence moves past it, alone or in the midst of others."""
    log = records_of(RunStarted(), b"garbage", StepProgress(step="a", current=1), b"{}")
    state = fold(log, new())
    assert (4, 2, ["a"]) == (state.seq, state.events, list(state.steps))


def test_add_record_says_what_it_held() -> None:
    """The event, or what is wrong with it, or nothing where it was folded before."""
    started, broken = records_of(RunStarted(), b"garbage")
    folding = Fold(new())
    assert RunStarted() == folding.add_record(started)
    assert isinstance(folding.add_record(broken), MalformedEvent)
    assert None is folding.add_record(started)
    assert None is folding.add_record(broken)
    assert (2, 1) == (folding.seq, folding.state.events)


def test_encoded_events_fold_like_events() -> None:
    """What was stored folds to what was meant."""
    happened: list[Event] = [
        RunStarted(plan=planned("a")),
        StepProgress(step="a", current=1, total=2),
    ]
    assert state_after(*happened) == fold(records_of(*map(encode, happened)), new())
