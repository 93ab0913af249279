"""What a job engine emits, as events: a job is a run, and its stages are the run's steps.

An engine tells the whole job at every change, so that what is known already is said again all the
time: that stands for no event.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from broker.dialects.job_messages import (
    Job,
    JobLog,
    JobProgress,
    JobStatus,
    Line,
    Stage,
    StageStatus,
    Status,
    message_of,
    time_of,
)
from broker.dialects.said import Said
from broker.errors import MalformedEvent
from broker.model.events import (
    Event,
    Failure,
    Labels,
    Level,
    LogAppended,
    LogLine,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunProgress,
    RunQueued,
    RunResumed,
    RunStarted,
    StepCompleted,
    StepFailed,
    StepRetrying,
    StepStarted,
)
from broker.model.state import RunState

_LEVELS: Final[dict[str, Level]] = {
    "DEBUG": "debug",
    "INFO": "info",
    "PROGRESS": "progress",
    "SUCCESS": "success",
    "WARNING": "warning",
    "WARN": "warning",
    "ERROR": "error",
    "CRITICAL": "error",
}

_OVER: Final = frozenset({"completed", "skipped", "cancelled"})
"""Where a step stays; one that failed can be tried again."""


def read(payload: bytes) -> Said:
    """Read a message. Raises MalformedEvent."""
    match message_of(payload):
        case JobStatus(payload=job):
            if job.status is None:
                raise MalformedEvent("payload.status: missing")
            return Said(_id(job), judged=partial(_told, job, job.status, True))
        case JobProgress(payload=job):
            if job.progress is None and job.current_step is None:
                raise MalformedEvent("payload.progress: missing")
            return Said(_id(job), judged=partial(_told, job, job.status or "running", False))
        case StageStatus(payload=stage):
            return Said(stage.job_id, judged=partial(_stage, stage))
        case JobLog(payload=line):
            return Said(line.job_id, [_line(line)])


def _id(job: Job) -> str:
    named = job.id or job.job_id
    if named is None:
        raise MalformedEvent("payload.id: missing; it names the run")
    if job.job_id not in (None, named):
        raise MalformedEvent(f"payload.jobId: {job.job_id!r} contradicts the id {named!r}")
    return named


def _told(job: Job, status: Status, anew: bool, state: RunState | None) -> Sequence[Event]:
    """What a job that is told of like that has done since it stood like that.

    Only where `anew` it may have begun again after its end.
    """
    if state is not None:
        _check_subject(job.subject_id, state)
        if job.attempt is not None and job.attempt < state.attempt:
            return []
        if state.ended and not anew and job.attempt in (None, state.attempt):
            return []
    match status:
        case "queued":
            return _queued(job, state)
        case "running":
            return _running(job, state)
        case _:
            return _ended(job, status, state)


def _queued(job: Job, state: RunState | None) -> Sequence[Event]:
    attempt = _attempt(job, state)
    if (
        state is not None
        and attempt is None
        and not (state.status == "queued" and _tells_more(job, state))
    ):
        return []
    return [RunQueued(attempt=attempt, **_announced(job), time=time_of(job, job.created_at))]


def _running(job: Job, state: RunState | None) -> Sequence[Event]:
    attempt = _attempt(job, state)
    told: list[Event] = []
    if state is None or attempt is not None:
        state = None
    elif state.status == "paused":
        told.append(RunResumed(time=time_of(job, None)))
    if state is None or state.status in ("queued", "lost") or _tells_more(job, state):
        time = time_of(job, job.started_at)
        told.append(RunStarted(attempt=attempt, **_announced(job), time=time))
    return told + _progress(job, state)


def _ended(job: Job, status: Status, state: RunState | None) -> Sequence[Event]:
    """Its end, if that is news; progress comes before, so that a failed job keeps it."""
    attempt = _attempt(job, state) if job.attempt is not None else None
    told: list[Event] = []
    if state is None or attempt is not None:
        state = None
        time = time_of(job, job.started_at)
        told.append(RunStarted(attempt=attempt, **_announced(job), time=time))
    elif state.ended:
        return []
    time = time_of(job, job.completed_at)
    if status == "completed":
        return [*told, RunCompleted(time=time)]
    told += _progress(job, state)
    if status == "failed":
        return [*told, RunFailed(error=Failure(message=job.error or "failed"), time=time)]
    return [*told, RunCancelled(time=time)]


def _attempt(job: Job, state: RunState | None) -> int | None:
    """The attempt that a message begins; None where it is of the one that is known."""
    if job.attempt is not None:
        return job.attempt if state is None or job.attempt > state.attempt else None
    return state.attempt + 1 if state is not None and state.ended else None


def _progress(job: Job, state: RunState | None) -> list[Event]:
    """How far the job is, where that is not known."""
    known = None if state is None else _percent(state)
    step = job.current_step if state is None or job.current_step != state.message else None
    percent = known if job.progress is None else job.progress
    if step is None and (percent is None or percent == known):
        return []
    current = percent or 0
    return [
        RunProgress(
            current=int(current) if current == int(current) else current,
            total=100,
            unit="%",
            message=step,
            time=time_of(job, None),
        )
    ]


def _percent(state: RunState) -> float | None:
    progress = state.progress
    if progress.total == 100:
        return progress.current
    return None if progress.fraction is None else round(progress.fraction * 100, 4)


def _tells_more(job: Job, state: RunState) -> bool:
    """Whether it says more of itself than is known."""
    said = _announced(job)
    labels = said.pop("labels") or {}
    more = any(str(state.labels.get(name)) != value for name, value in labels.items())
    return more or any(said[name] not in (None, getattr(state, name)) for name in said)


def _announced(job: Job) -> dict[str, Any]:
    """What a job says of itself."""
    owner = {"subject": job.subject_id, "project": job.project_id, "stage": job.stage_id}
    labels: Labels = {name: str(value) for name, value in owner.items() if value not in (None, "")}
    return {"name": job.name or None, "pipeline": job.pipeline or None, "labels": labels or None}


def _stage(stage: Stage, state: RunState | None) -> Sequence[Event]:
    """What a stage has done since; a step that stands at its end stays there in this attempt."""
    time, step = time_of(stage, None), stage.stage_id
    if stage.status == "not_run":
        return []
    first: list[Event] = []
    if state is None:
        labels: Labels | None = None
        if stage.subject_id is not None:
            labels = {"subject": str(stage.subject_id)}
        first.append(RunStarted(labels=labels, time=time))
    else:
        _check_subject(stage.subject_id, state)
    known = None if state is None else state.steps.get(step)
    stands = "pending" if known is None else known.status
    if stands in _OVER or stands == stage.status:
        return first
    if stage.status == "failed":
        error = Failure(message=stage.error or "failed")
        return [*first, StepFailed(step=step, error=error, time=time)]
    if stage.status == "running" and state is not None and state.ended:
        return first
    if stands == "failed":
        first.append(StepRetrying(step=step, time=time))
    if stage.status == "running":
        return [*first, StepStarted(step=step, time=time)]
    return [*first, StepCompleted(step=step, time=time)]


def _check_subject(subject: str | int | None, state: RunState) -> None:
    """A job is of one subject: the stages of another would pass for those of the first."""
    known = state.labels.get("subject")
    if subject is not None and known is not None and str(subject) != str(known):
        raise MalformedEvent(
            f"payload.subjectId: {str(subject)[:64]!r}, but job {state.run[:64]!r} is of subject "
            f"{str(known)[:64]!r}: give each subject a job of its own"
        )


def _line(line: Line) -> LogAppended:
    level = _LEVELS.get(line.level.upper())
    if level is None:
        raise MalformedEvent(f"payload.level: {line.level[:32]!r} is none of {', '.join(_LEVELS)}")
    time = time_of(line, None)
    told = LogLine(text=line.message, time=time, level=level, step=line.stage_id)
    return LogAppended(lines=[told], attempt=line.attempt)
