"""A run as one job of a monitor.

A job works for a subject: what the run's labels `subject`, `project` and `stage` say.
"""

from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec import field

from broker.model.state import TERMINAL, Problem, Progress, RunState, RunStatus
from broker.model.summary import Summary
from broker.views.native import rfc3339
from broker.views.untouched import untouched

JobStatus: TypeAlias = Literal["queued", "running", "completed", "failed", "cancelled"]

WORDS: Final[dict[RunStatus, JobStatus]] = {
    "queued": "queued",
    "running": "running",
    "paused": "running",
    "lost": "running",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}

UNDER_WAY: Final = frozenset({"running", "retrying"})
"""Statuses of steps."""

_PERCENT: Final = 10_000
"""Millionths."""


class Job(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """A run as a job; what has no value is absent. `progress` is in whole percent."""

    id: str
    status: JobStatus
    progress: int
    attempt: int
    name: str | None = None
    pipeline: str | None = None
    project_id: str | None = None
    subject_id: str | None = None
    stage_id: str | None = None
    current_step: str | None = None
    error: str | None = None
    created_at: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    x_status: RunStatus | None = field(default=None, name="x_status")
    """The run's own status, where jobs have no word for it."""


def job_of(state: RunState) -> Job:
    """The run as a job."""
    return _job(state, step_of(state))


def job_in_list(summary: Summary) -> Job:
    """The same of a run as the list of runs has it."""
    return _job(summary, summary.active[0] if summary.active else None)


def job_document(state: RunState) -> dict[str, Any]:
    """The run as a job, with the untouched state beside."""
    shown: dict[str, Any] = msgspec.to_builtins(job_of(state))
    return shown | {"x_state": untouched(state)}


def percent(progress: Progress) -> int:
    """How far a run is, in whole percent: 100 only when it completed, 0 while nothing is known."""
    return round((progress.fraction or 0.0) * 1_000_000) // _PERCENT


def text_of(value: object) -> str | None:
    """A label as text; None where there is none, or an empty one."""
    if value is None or value == "":
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _job(about: RunState | Summary, step: str | None) -> Job:
    labels = about.labels
    word = WORDS[about.status]
    created = about.queued_at or about.started_at
    return Job(
        id=about.run,
        status=word,
        progress=percent(about.progress),
        attempt=about.attempt,
        name=about.name,
        pipeline=about.pipeline,
        project_id=text_of(labels.get("project")),
        subject_id=text_of(labels.get("subject")),
        stage_id=text_of(labels.get("stage")) or step,
        current_step=None if about.status in TERMINAL else about.message or step,
        error=_error(about.error) if word == "failed" else None,
        created_at=time_of(created),
        started_at=time_of(about.started_at),
        completed_at=time_of(about.ended_at),
        x_status=None if word == about.status else about.status,
    )


def _error(problem: Problem | None) -> str:
    """Why a job failed; a page shows nothing for a job that failed without a word."""
    return (problem and (problem.message or problem.type)) or "failed"


def step_of(state: RunState) -> str | None:
    """The first step that is under way."""
    if state.ended or not state.counts.running:
        return None
    return next((name for name, s in state.steps.items() if s.status in UNDER_WAY), None)


def time_of(at: datetime | None) -> str | None:
    """A moment as it is shown."""
    return None if at is None else rfc3339(at)
