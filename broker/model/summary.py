"""What a list shows of a run: a snapshot without what is long.

Fields have the names and forms of the snapshot's. The summary travels in a header of the stored
checkpoint, so that an index of all runs reads summaries alone.
"""

from datetime import datetime
from typing import Final

import msgspec

from broker.model.bounds import NAME, clip
from broker.model.cursor import Cursor
from broker.model.events import Parent
from broker.model.state import Counts, Pause, Problem, Progress, RunState, RunStatus

MOST_BYTES: Final = 32 * 1024
"""A header of a stored message has at most 64 KiB, all its fields together."""

DURATIONS: Final = 100
"""Steps of a completed run whose durations a summary tells."""

_ACTIVE: Final = 3
_TEXT: Final = 256


class Summary(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One row of a list of runs. Durations are seconds.

    `active` names the first steps under way; `durations` tells of a completed run how long its
    steps took without pauses, what estimates of later runs of the pipeline are made from.
    """

    run: str
    tenant: str
    cursor: str
    status: RunStatus
    attempt: int
    pipeline: str | None = None
    name: str | None = None
    message: str | None = None
    progress: Progress
    counts: Counts
    active: list[str] = []
    labels: dict[str, str | int | float | bool] = {}
    parent: Parent | None = None
    error: Problem | None = None
    paused: Pause | None = None
    paused_seconds: float | None = None
    worker: str | None = None
    cancellable: bool | None = None
    cancelled_by: str | None = None
    unanswered: int = 0
    """Commands to this attempt that the producer has not answered."""
    queued_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration: float | None = None
    updated_at: datetime | None = None
    last_seen: datetime | None = None
    heartbeat_interval: float | None = None
    durations: dict[str, float] = {}


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Summary).decode


def summarize(state: RunState, epoch: str) -> Summary:
    """The summary of a state."""
    error = state.error
    return Summary(
        run=state.run,
        tenant=state.tenant,
        cursor=str(Cursor(epoch, state.seq)),
        status=state.status,
        attempt=state.attempt,
        pipeline=state.pipeline,
        name=state.name,
        message=clip(state.message, _TEXT),
        progress=state.progress,
        counts=state.counts,
        active=_active(state),
        labels=state.labels,
        parent=state.parent,
        error=error
        and Problem(
            type=clip(error.type, NAME),
            message=clip(error.message, _TEXT),
            kind=error.kind,
            retryable=error.retryable,
        ),
        paused=state.paused
        and Pause(
            since=state.paused.since,
            reason=clip(state.paused.reason, _TEXT),
            prompt=clip(state.paused.prompt, _TEXT),
        ),
        paused_seconds=state.paused_seconds,
        worker=state.worker,
        cancellable=state.cancellable,
        cancelled_by=state.cancelled_by,
        unanswered=sum(
            command.result is None and command.attempt in (None, state.attempt)
            for command in state.commands.values()
        ),
        queued_at=state.queued_at,
        started_at=state.started_at,
        ended_at=state.ended_at,
        duration=state.duration,
        updated_at=state.updated_at,
        last_seen=state.last_seen,
        heartbeat_interval=state.heartbeat_interval,
        durations=_durations(state),
    )


def encode_summary(summary: Summary) -> bytes:
    """The summary as JSON on one line; without its longest parts where it would be too long."""
    encoded = _encode(summary)
    if len(encoded) > MOST_BYTES:
        encoded = _encode(msgspec.structs.replace(summary, durations={}))
    if len(encoded) > MOST_BYTES:
        encoded = _encode(msgspec.structs.replace(summary, durations={}, labels={}))
    return encoded


def decode_summary(encoded: bytes) -> Summary:
    """Read an encoded summary. Raises one of `checkpoint.UNREADABLE`."""
    return _decode(encoded)


def _active(state: RunState) -> list[str]:
    active: list[str] = []
    if state.counts.running and not state.ended:
        for name, step in state.steps.items():
            if step.status in ("running", "retrying"):
                active.append(name)
                if len(active) == _ACTIVE:
                    break
    return active


def worked(duration: float, paused_seconds: float | None) -> float:
    """A duration without its pauses, in seconds."""
    return max(0.0, round(duration - (paused_seconds or 0.0), 3))


def _durations(state: RunState) -> dict[str, float]:
    if state.status != "completed":
        return {}
    measured: dict[str, float] = {}
    for name, step in state.steps.items():
        if step.duration is not None and step.status == "completed":
            measured[name] = worked(step.duration, step.paused_seconds)
            if len(measured) == DURATIONS:
                break
    return measured
