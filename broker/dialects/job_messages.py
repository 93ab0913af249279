"""The messages of a job engine, as they are written: `{type, payload}`, in camel case."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta

from broker.dialects.decoding import decoded
from broker.errors import MalformedEvent
from broker.model.events import LARGEST, Identifier

Status: TypeAlias = Literal["queued", "running", "completed", "failed", "cancelled", "canceled"]
Moment: TypeAlias = datetime | Annotated[float, Meta(ge=0)]
"""RFC 3339, of UTC where it names no zone, or milliseconds since 1970."""


class Payload(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What any of them may have."""

    timestamp: Moment | None = None


class Job(Payload, frozen=True, rename="camel", kw_only=True):
    """A job as far as it is told; `progress` is in percent."""

    id: Identifier | None = None
    job_id: Identifier | None = None
    status: Status | None = None
    progress: Annotated[float, Meta(ge=0, le=100)] | None = None
    current_step: str | None = None
    subject_id: str | int | None = None
    project_id: str | int | None = None
    stage_id: str | int | None = None
    name: str | None = None
    pipeline: Annotated[str, Meta(max_length=256)] | None = None
    error: str | None = None
    attempt: Annotated[int, Meta(ge=1, le=LARGEST)] | None = None
    created_at: Moment | None = None
    started_at: Moment | None = None
    completed_at: Moment | None = None


class Stage(Payload, frozen=True, rename="camel", kw_only=True):
    """What became of a stage of a subject."""

    job_id: Identifier
    stage_id: Identifier
    status: Literal["not_run", "running", "done", "failed"]
    subject_id: str | int | None = None
    error: str | None = None


class Line(Payload, frozen=True, rename="camel", kw_only=True):
    """A line of a job's log."""

    job_id: Identifier
    message: str
    level: str = "INFO"
    stage_id: Identifier | None = None
    attempt: Annotated[int, Meta(ge=1, le=LARGEST)] | None = None


class JobStatus(msgspec.Struct, tag_field="type", tag="job_status", frozen=True):
    payload: Job


class JobProgress(msgspec.Struct, tag_field="type", tag="job_progress", frozen=True):
    payload: Job


class StageStatus(msgspec.Struct, tag_field="type", tag="subject_stage_status", frozen=True):
    payload: Stage


class JobLog(msgspec.Struct, tag_field="type", tag="job_log", frozen=True):
    payload: Line


Message: TypeAlias = JobStatus | JobProgress | StageStatus | JobLog

_TYPES: Final = tuple(str(kind.__struct_config__.tag) for kind in get_args(Message))

_decode: Final[Callable[[bytes], Message]] = msgspec.json.Decoder(Message).decode


def message_of(text: bytes) -> Message:
    """Read a message. Raises MalformedEvent."""
    try:
        return decoded(text, _decode)
    except MalformedEvent as error:
        if str(error).startswith("type: "):
            raise MalformedEvent(f"{error}; the types are {', '.join(_TYPES)}") from None
        raise


def time_of(said: Payload, own: Moment | None) -> datetime | None:
    """When it happened: by the message's own word for it, else its timestamp.

    Raises MalformedEvent for what is no time.
    """
    given = said.timestamp if own is None else own
    if isinstance(given, datetime):
        return given if given.tzinfo is not None else given.replace(tzinfo=UTC)
    if given is None:
        return None
    try:
        return datetime.fromtimestamp(given / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        raise MalformedEvent(f"payload.timestamp: {given:g} ms since 1970 is no time") from None
