"""How the state of a run follows from its events.

Theory: events are facts, so nothing here refuses or raises. `evolve` is the pure function; `Fold`
is the same rules over a state that it owns and changes in place, for the many events of a replay.
The rules, each with a property test (`tests/unit/model/test_evolve.py`):

1.  An event at or before `state.seq` changes nothing.
2.  What counts is (attempt, precedence, seq): an end is final within its attempt, an event of an
    earlier attempt changes only the counters, a later attempt begins anew.
3.  A repeated or late step event leaves the step as it was.
4.  The fraction never falls within an attempt, and is 1 only when the run completed.
5.  Going on from a checkpoint gives the same state as a replay from the beginning.
6.  A step event before `run.started` starts the run; every well-formed event is counted.
7.  What a state holds is bounded; what is more is counted in `truncated`.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from datetime import datetime
from typing import Any, Final

import msgspec

from broker.errors import MalformedEvent
from broker.model import bounds, events
from broker.model.bounds import Bounds, clean, clip
from broker.model.decode import decode, decode_all, tag_of
from broker.model.events import Event, StepProgress, Unknown
from broker.model.record import Record
from broker.model.state import (
    TERMINAL,
    Artifact,
    Attempt,
    CommandState,
    Group,
    Pause,
    Problem,
    Progress,
    RunState,
    RunStatus,
    Silence,
)
from broker.model.steps import Steps, added, seconds_between, utc

DEFAULT_BOUNDS: Final = Bounds()


def evolve(
    state: RunState,
    event: Event | Unknown,
    seq: int,
    stored_at: datetime,
    limits: Bounds = DEFAULT_BOUNDS,
) -> RunState:
    """Fold one stored event. Never raises, reads no clock, leaves `state` as it was."""
    folding = Fold(deepcopy(state), limits)
    folding.add(event, seq, stored_at)
    return folding.state


def fold(records: Iterable[Record], onto: RunState, limits: Bounds = DEFAULT_BOUNDS) -> RunState:
    """Fold stored records; malformed ones move the sequence and nothing else."""
    folding = Fold(deepcopy(onto), limits)
    folding.extend(list(records))
    return folding.state


def begins_later(event: Event | Unknown, attempt: int) -> bool:
    """Whether an event begins an attempt after the given one."""
    later = event.attempt is not None and event.attempt > attempt
    return later and type(event) not in _NOT_OF_AN_ATTEMPT


class Fold:
    """A state under construction. It owns the state given to it; read `state`, never change it."""

    __slots__ = ("_bounds", "_state", "steps")

    def __init__(self, onto: RunState, limits: Bounds = DEFAULT_BOUNDS) -> None:
        self._state = onto
        self._bounds = limits
        self.steps = Steps(onto, limits)

    @property
    def seq(self) -> int:
        """The sequence of the last record folded, well-formed or not."""
        return self._state.seq

    @property
    def state(self) -> RunState:
        """The state after the last event, its fraction brought up to date."""
        self.steps.settle()
        return self._state

    def extend(self, records: Sequence[Record]) -> None:
        """Fold many records, as `add_record` would one by one.

        Nearly all events of a long run are `step.progress` of a running attempt: these go through
        `Steps.advance` without a look at the rules, and are looked at together, not each, for
        broken characters.
        """
        found = decode_all([record.payload for record in records])
        if found is None:
            for record in records:
                self.add_record(record)
            return
        reports = zip(found, records, strict=True)
        while True:
            rest = self.steps.advance(reports) if self._state.status == "running" else None
            rest = rest or next(reports, None)
            if rest is None:
                return
            event, record = rest
            self.add(event, record.seq, record.stored_at)

    def add_record(self, record: Record) -> Event | Unknown | MalformedEvent | None:
        """Decode and fold one record; gives what it held, or None if it was folded before."""
        state = self._state
        if record.seq <= state.seq:
            return None
        try:
            event = decode(record.payload)
        except MalformedEvent as malformed:
            state.seq = record.seq
            return malformed
        self.add(event, record.seq, record.stored_at)
        return event

    def add(self, event: Event | Unknown, seq: int, stored_at: datetime) -> None:
        """Fold one event stored as `seq` at `stored_at`."""
        state = self._state
        if seq <= state.seq:
            return
        kind = type(event)
        if event.attempt is not None and event.attempt != state.attempt:
            if event.attempt < state.attempt or kind in _NOT_OF_AN_ATTEMPT:
                state.seq = seq
                state.events += 1
                return
            self._begin_attempt(event.attempt)
        if state.status == "lost" and kind not in _NOT_BY_THE_PRODUCER:
            self._recovered()
        if type(event) is StepProgress:
            self._going(_moment(event, stored_at))
            self.steps.advance(iter([(event, Record(seq, stored_at, b""))]))
            return
        state.seq = seq
        state.events += 1
        state.updated_at = stored_at
        if kind not in _NOT_BY_THE_PRODUCER:
            state.last_seen = stored_at
        rule = _RULES.get(kind)
        if rule is not None:
            rule(self, event, stored_at)

    def _begin_attempt(self, attempt: int) -> None:
        state = self._state
        if state.events:
            past = Attempt(
                attempt=state.attempt,
                status=state.status,
                started_at=state.started_at,
                ended_at=state.ended_at,
                error=state.error,
            )
            kept = [*state.attempts, past]
            if len(kept) > self._bounds.attempts:
                del kept[0]
                self._truncated("attempts")
            state.attempts = kept
        state.attempt = attempt
        state.status = "queued"
        state.progress = Progress()
        state.message = state.error = state.outputs = state.paused = state.silence = None
        state.cancelled_by = state.worker = state.resources = None
        state.queued_at = state.started_at = state.ended_at = state.duration = None
        state.paused_seconds = None
        state.groups = {}
        self.steps.reset()

    def _recovered(self) -> None:
        state = self._state
        state.status = state.silence.was if state.silence is not None else "running"
        state.silence = None

    def _announced(self, event: events.RunQueued | events.RunStarted) -> None:
        """Take over what a run says of itself; a later announcement replaces single fields."""
        state = self._state
        state.pipeline = event.pipeline or state.pipeline
        state.name = clip(event.name, bounds.NAME) or state.name
        state.parent = event.parent or state.parent
        state.retry_of = event.retry_of or state.retry_of
        if event.heartbeat_interval is not None:
            state.heartbeat_interval = event.heartbeat_interval
        if event.cancellable is not None:
            state.cancellable = event.cancellable
        self._annotated(event.labels, event.metadata)
        if event.plan:
            self.steps.plan(event.plan)

    def _annotated(self, labels: events.Labels | None, metadata: events.Document | None) -> None:
        state = self._state
        if labels:
            merged = dict(state.labels)
            for key, value in labels.items():
                key = key[: bounds.NAME]
                if value is None:
                    merged.pop(key, None)
                elif key in merged or len(merged) < self._bounds.labels:
                    merged[key] = value[: bounds.NAME] if isinstance(value, str) else value
                else:
                    self._truncated("labels")
            state.labels = merged
        if metadata:
            removed = {key for key, value in metadata.items() if value is None}
            document = {k: v for k, v in state.metadata.items() if k not in removed}
            document |= clean(metadata)
            if bounds.fits(document, self._bounds.metadata):
                state.metadata = document
            else:
                self._truncated("metadata")

    def _going(self, at: datetime) -> bool:
        """Whether the attempt is under way; work that is reported starts one that is not."""
        state = self._state
        if state.status == "queued":
            state.status = "running"
        if state.started_at is None and state.status not in TERMINAL:
            state.started_at = at
        return state.status not in TERMINAL

    def _end(self, status: RunStatus, at: datetime) -> bool:
        """End the attempt; False where it has ended before: the first end stays."""
        state = self._state
        if state.status in TERMINAL:
            return False
        self.steps.settle()
        state.status = status
        self._unpaused(at)
        state.ended_at = at
        if state.started_at is not None:
            state.duration = seconds_between(state.started_at, at)
        return True

    def _unpaused(self, at: datetime) -> None:
        """End the pause, if there is one; what it took counts for the run and its open steps."""
        state = self._state
        if state.paused is not None:
            since, state.paused = state.paused.since, None
            worked = max(since, state.started_at or since)
            state.paused_seconds = added(state.paused_seconds, worked, at)
            self.steps.unpaused(since, at)

    def _truncated(self, what: str) -> None:
        truncated = self._state.truncated
        self._state.truncated = {**truncated, what: truncated.get(what, 0) + 1}

    def _bounded(self, document: events.Document | None, limit: int, what: str) -> Any:
        if document is None:
            return None
        document = clean(document)
        if bounds.fits(document, limit):
            return document
        self._truncated(what)
        return None

    def _problem(self, error: events.Failure | None, stored: Any = None) -> Problem | None:
        if error is None:
            return None
        details = clean(error.details)
        if details is not None and not bounds.fits(details, self._bounds.step_document):
            self._truncated("details")
            details = None
        return Problem(
            type=clip(error.type, bounds.NAME),
            message=clip(error.message, bounds.MESSAGE),
            details=details,
            stack=clip(error.stack, bounds.STACK),
            kind=getattr(stored, "kind", None),
            retryable=getattr(stored, "retryable", None),
        )


def _run_queued(self: Fold, event: events.RunQueued, stored_at: datetime) -> None:
    self._announced(event)
    if self._state.queued_at is None:
        self._state.queued_at = _moment(event, stored_at)


def _run_started(self: Fold, event: events.RunStarted, stored_at: datetime) -> None:
    self._announced(event)
    self._going(_moment(event, stored_at))
    self._state.worker = clip(event.worker, bounds.NAME) or self._state.worker
    if event.total_steps is not None:
        self.steps.settle()
        self._state.total_steps = event.total_steps


def _run_progress(self: Fold, event: events.RunProgress, stored_at: datetime) -> None:
    if not self._going(_moment(event, stored_at)):
        return
    self.steps.settle()
    state = self._state
    state.progress = Progress(
        current=event.current,
        total=event.total,
        unit=clip(event.unit, bounds.NAME) or state.progress.unit,
        fraction=state.progress.fraction,
        total_final=event.total_final,
    )
    state.message = clip(event.message, bounds.MESSAGE) or state.message
    self.steps.settle()


def _run_heartbeat(self: Fold, event: events.RunHeartbeat, stored_at: datetime) -> None:
    if event.resources is not None:
        self._state.resources = self._bounded(
            event.resources, self._bounds.step_document, "resources"
        )


def _run_paused(self: Fold, event: events.RunPaused, stored_at: datetime) -> None:
    at = _moment(event, stored_at)
    if self._going(at) and self._state.paused is None:
        self._state.status = "paused"
        self._state.paused = Pause(
            since=at,
            reason=clip(event.reason, bounds.MESSAGE),
            prompt=clip(event.prompt, bounds.MESSAGE),
        )


def _run_resumed(self: Fold, event: events.RunResumed, stored_at: datetime) -> None:
    if self._going(_moment(event, stored_at)):
        self._state.status = "running"
        self._unpaused(_moment(event, stored_at))


def _run_completed(self: Fold, event: events.RunCompleted, stored_at: datetime) -> None:
    if self._end("completed", _moment(event, stored_at)):
        self._state.outputs = self._bounded(event.outputs, self._bounds.outputs, "outputs")
        self._state.message = clip(event.message, bounds.MESSAGE) or self._state.message
        self.steps.settle()


def _run_failed(self: Fold, event: events.RunFailed, stored_at: datetime) -> None:
    if self._end("failed", _moment(event, stored_at)):
        self._state.error = self._problem(event.error, event)


def _run_cancelled(self: Fold, event: events.RunCancelled, stored_at: datetime) -> None:
    if self._end("cancelled", _moment(event, stored_at)):
        self._state.cancelled_by = clip(event.by, bounds.NAME)
        self._state.message = clip(event.reason, bounds.MESSAGE) or self._state.message


def _run_annotated(self: Fold, event: events.RunAnnotated, stored_at: datetime) -> None:
    self._annotated(event.labels, event.metadata)


def _run_lost(self: Fold, event: events.RunLost, stored_at: datetime) -> None:
    state = self._state
    if state.status != "lost" and state.status not in TERMINAL:
        since = utc(event.last_seen) or state.last_seen or stored_at
        state.silence = Silence(was=state.status, since=since, threshold=event.threshold)
        state.status = "lost"


def _run_recovered(self: Fold, event: events.RunRecovered, stored_at: datetime) -> None:
    if self._state.status == "lost":
        self._recovered()


def _step_started(self: Fold, event: events.StepStarted, stored_at: datetime) -> None:
    at = _moment(event, stored_at)
    self._going(at)
    self.steps.started(event, at)


def _step_completed(self: Fold, event: events.StepCompleted, stored_at: datetime) -> None:
    at = _moment(event, stored_at)
    self._going(at)
    step = self.steps.change(event.step, "completed", at)
    if step is not None:
        step.outputs = self._bounded(event.outputs, self._bounds.step_document, "outputs")
        if event.duration is not None:
            step.duration, step.paused_seconds = event.duration, None
        elif self._state.paused is not None:
            self.steps.pause(step, self._state.paused.since, at)


def _step_failed(self: Fold, event: events.StepFailed, stored_at: datetime) -> None:
    at = _moment(event, stored_at)
    self._going(at)
    step = self.steps.change(event.step, "failed", at)
    if step is not None:
        step.error = self._problem(event.error)
        step.duration = step.duration if event.duration is None else event.duration


def _step_skipped(self: Fold, event: events.StepSkipped, stored_at: datetime) -> None:
    at = _moment(event, stored_at)
    self._going(at)
    step = self.steps.change(event.step, "skipped", at)
    if step is not None:
        step.message = clip(event.reason, bounds.MESSAGE) or step.message
        step.cached = event.cached


def _step_retrying(self: Fold, event: events.StepRetrying, stored_at: datetime) -> None:
    self._going(_moment(event, stored_at))
    step = self.steps.change(event.step, "retrying", stored_at)
    if step is not None:
        step.attempt = event.step_attempt or (step.attempt or 1) + 1
        step.current = step.total = step.total_final = None
        step.ended_at = step.duration = None
        step.error = self._problem(event.error) or step.error


def _step_cancelled(self: Fold, event: events.StepCancelled, stored_at: datetime) -> None:
    at = _moment(event, stored_at)
    self._going(at)
    step = self.steps.change(event.step, "cancelled", at)
    if step is not None:
        step.message = clip(event.reason, bounds.MESSAGE) or step.message


def _steps_counted(self: Fold, event: events.StepsCounted, stored_at: datetime) -> None:
    self._going(_moment(event, stored_at))
    state = self._state
    if event.group not in state.groups and len(state.groups) >= self._bounds.groups:
        self._truncated("groups")
        return
    counts: dict[str, int] = {}
    for status, count in event.counts.items():
        status = "cancelled" if status == "canceled" else status[: bounds.NAME]
        counts[status] = counts.get(status, 0) + count
    if len(counts) > _STATUSES_COUNTED:
        self._truncated("groups")
        counts = dict(list(counts.items())[:_STATUSES_COUNTED])
    state.groups = {**state.groups, event.group: Group(counts, event.total)}


def _artifact_added(self: Fold, event: events.ArtifactAdded, stored_at: datetime) -> None:
    state = self._state
    kept = [artifact for artifact in state.artifacts if artifact.name != event.name]
    if len(kept) >= self._bounds.artifacts:
        self._truncated("artifacts")
        return
    added = Artifact(name=event.name, uri=event.uri, kind=event.kind, media_type=event.media_type)
    state.artifacts = [*kept, added]


def _commanded(self: Fold, event: events.Command, stored_at: datetime) -> None:
    state = self._state
    name = event.id or f"seq-{state.seq}"
    if name in state.commands:
        return
    given = CommandState(
        type=tag_of(event).removeprefix("command."),
        at=_moment(event, stored_at),
        attempt=state.attempt,
        by=clip(event.by, bounds.NAME),
        reason=clip(event.reason, bounds.MESSAGE),
    )
    commands = {**state.commands, name: given}
    if len(commands) > self._bounds.commands:
        del commands[next(iter(commands))]
        self._truncated("commands")
    state.commands = commands


def _acknowledged(self: Fold, event: events.CommandAcknowledged, stored_at: datetime) -> None:
    state = self._state
    given = state.commands.get(event.command)
    if given is None or given.result == event.result:
        return
    if given.result not in (None, "ignored"):  # who ignores it leaves it to whoever else there is
        return
    answered = msgspec.structs.replace(
        given,
        result=event.result,
        answer=clip(event.reason, bounds.MESSAGE),
        acknowledged_at=_moment(event, stored_at),
    )
    state.commands = {**state.commands, event.command: answered}


def _moment(event: Event | Unknown, stored_at: datetime) -> datetime:
    """When it happened: by the producer's clock, else when it was stored."""
    return utc(event.time) or stored_at


_STATUSES_COUNTED: Final = 16

_COMMANDS: Final = (
    events.CommandCancel,
    events.CommandRetry,
    events.CommandPause,
    events.CommandResume,
)
_NOT_BY_THE_PRODUCER: Final = frozenset({events.RunLost, events.RunRecovered, *_COMMANDS})
_NOT_OF_AN_ATTEMPT: Final = (
    frozenset({events.RunAnnotated, events.RunHeartbeat, Unknown, events.LogAppended})
    | _NOT_BY_THE_PRODUCER
)
"""What a later attempt does not begin with."""

_RULES: Final[dict[type, Callable[[Fold, Any, datetime], None]]] = {
    events.RunQueued: _run_queued,
    events.RunStarted: _run_started,
    events.RunProgress: _run_progress,
    events.RunHeartbeat: _run_heartbeat,
    events.RunPaused: _run_paused,
    events.RunResumed: _run_resumed,
    events.RunCompleted: _run_completed,
    events.RunFailed: _run_failed,
    events.RunCancelled: _run_cancelled,
    events.RunAnnotated: _run_annotated,
    events.RunLost: _run_lost,
    events.RunRecovered: _run_recovered,
    events.StepStarted: _step_started,
    events.StepCompleted: _step_completed,
    events.StepFailed: _step_failed,
    events.StepSkipped: _step_skipped,
    events.StepRetrying: _step_retrying,
    events.StepCancelled: _step_cancelled,
    events.StepsCounted: _steps_counted,
    events.ArtifactAdded: _artifact_added,
    **dict.fromkeys(_COMMANDS, _commanded),
    events.CommandAcknowledged: _acknowledged,
}
