"""Runs told as jobs of a monitor: messages `{type, payload}` about jobs and their stages.

The stages of a job's subject are the run's steps. A page replaces its job by the one that a message
brings, so that every message about a job holds all of it.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, Literal, TypeAlias

import msgspec

from broker.model.cursor import Cursor
from broker.model.events import RunAnnotated, RunQueued, RunStarted
from broker.model.state import TERMINAL, RunState, RunStatus, StepState, StepStatus
from broker.model.steps import utc
from broker.views.job import UNDER_WAY, job_of, percent, step_of, text_of, time_of
from broker.views.message import Message, Moment, Story

Labels: TypeAlias = Mapping[str, str | int | float | bool]
StageStatus: TypeAlias = Literal["not_run", "running", "done", "failed"]

_LEFT: Final[dict[RunStatus, StageStatus]] = {
    "completed": "done",
    "failed": "failed",
    "cancelled": "not_run",
}
"""What becomes of a stage that was under way when its job ended."""

_encode: Final = msgspec.json.Encoder().encode


class JobsStory(Story):
    """The job when its status changes, and when it comes further; its stages as they change.

    What comes after the end of a job is told where it changes a stage: producers of such systems
    end the job before its last stage.
    """

    name = "jobs"

    def snapshot(self, state: RunState, epoch: str) -> Iterator[Message]:
        cursor = Cursor(epoch, state.seq)
        yield Message("", _told("job_status", job_of(state)), cursor)
        # In a later attempt a page may still show what the stages came to in the one before.
        begun = [s for s, step in state.steps.items() if state.attempt > 1 or not _waits(step)]
        yield from _stages(state, begun, None, cursor)

    def tell(self, moment: Moment, state: RunState, epoch: str) -> Iterator[Message]:
        cursor = Cursor(epoch, moment.record.seq)
        again = state.attempt != moment.attempt
        ended = state.ended and (again or moment.status not in TERMINAL)
        anew = again or moment.status != state.status or _is_announced(moment, state)
        if anew:
            yield Message("", _told("job_status", job_of(state)), cursor)
        at = utc(moment.event.time) or moment.record.stored_at
        yield from _stages(state, _changed(moment, state, again=again, ended=ended), at, cursor)
        if not anew and _has_moved(moment, state):
            yield Message("", _told("job_progress", job_of(state)), cursor)


def _step_before(moment: Moment, state: RunState) -> str | None:
    """The first step that was under way before an event; the run has not ended by it."""
    step = _named(moment, state)
    if step is None or (moment.step in UNDER_WAY) == (step.status in UNDER_WAY):
        return step_of(state)
    named = getattr(moment.event, "step", None)
    others = state.counts.running - (step.status in UNDER_WAY)
    if not others:
        return named if moment.step in UNDER_WAY else None
    return next(
        name
        for name, s in state.steps.items()
        if (moment.step if name == named else s.status) in UNDER_WAY
    )


def _is_announced(moment: Moment, state: RunState) -> bool:
    """Whether the event says what the job is: its name, whose it is, its steps."""
    event = moment.event
    if isinstance(event, RunAnnotated):
        return _owner(moment.labels) != _owner(state.labels)
    return isinstance(event, RunQueued | RunStarted) and event.attempt in (None, state.attempt)


def _owner(labels: Labels) -> list[str | None]:
    return [text_of(labels.get(name)) for name in ("project", "subject", "stage")]


def _has_moved(moment: Moment, state: RunState) -> bool:
    """Whether the job shows another progress or step than before the event."""
    if percent(moment.progress) != percent(state.progress):
        return True
    if state.ended:
        return False
    return moment.message != state.message or _step_before(moment, state) != step_of(state)


# Stages.


def _changed(moment: Moment, state: RunState, *, again: bool, ended: bool) -> list[str]:
    """The steps whose stage an event brought to another status."""
    if again or text_of(moment.labels.get("subject")) != text_of(state.labels.get("subject")):
        return [name for name, step in state.steps.items() if again or not _waits(step)]
    named = getattr(moment.event, "step", None)
    step = _named(moment, state)
    changed: list[str] = []
    before = _stage(moment.step, moment.status)
    if named is not None and step is not None and before != _stage_of(step, state.status):
        changed.append(named)
    if ended and state.counts.running:
        changed += [n for n, s in state.steps.items() if s.status in UNDER_WAY and n != named]
    return changed


def _stages(
    state: RunState, steps: list[str], at: datetime | None, cursor: Cursor
) -> Iterator[Message]:
    """What became of steps; nothing where nobody knows whose stages they are."""
    subject = text_of(state.labels.get("subject"))
    if subject is None:
        return
    for name in steps:
        step = state.steps[name]
        since = at or step.ended_at or step.started_at or state.updated_at
        status = {
            "subjectId": subject,
            "stageId": name,
            "status": _stage_of(step, state.status),
            "jobId": state.run,
            "timestamp": time_of(since),
        }
        yield Message("", _told("subject_stage_status", status), cursor)


def _named(moment: Moment, state: RunState) -> StepState | None:
    name = getattr(moment.event, "step", None)
    return None if name is None else state.steps.get(name)


def _waits(step: StepState) -> bool:
    return step.status == "pending"


def _stage_of(step: StepState, job: RunStatus) -> StageStatus:
    if step.status == "skipped":
        return "done" if step.cached else "not_run"
    return _stage(step.status, job)


def _stage(step: StepStatus | None, job: RunStatus) -> StageStatus:
    """The word for a step of a run; one that was stopped has not been run."""
    if step in UNDER_WAY:
        return _LEFT.get(job, "running")
    if step == "completed":
        return "done"
    return "failed" if step == "failed" else "not_run"


def _told(kind: str, payload: object) -> bytes:
    return _encode({"type": kind, "payload": payload})
