"""What the executions interface tells, as a producer says it: an execution, and how far it is.

A message names its execution. A run that is told of in this dialect has no steps of its own: it
reports how many of them are done, and the name of the one under way.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

from broker.dialects.decoding import decoded
from broker.dialects.said import Said
from broker.errors import MalformedEvent
from broker.model.events import (
    Count,
    Document,
    Event,
    Failure,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunProgress,
    RunQueued,
    RunStarted,
    Timestamp,
)

Kind = Literal["status", "started", "progress", "completed", "failed", "cancelled"]
Word = Literal["pending", "running", "completed", "failed", "cancelled"]

_WORD_OF: Final[dict[Kind, Word]] = {
    "started": "running",
    "progress": "running",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}
"""The only status that a message of a type can have; a `status` message has any."""


class _Typed(msgspec.Struct, frozen=True):
    type: str


class _Progress(msgspec.Struct, frozen=True):
    current_step: Count
    total_steps: Count
    percentage: Annotated[float, Meta(ge=0, le=100)] | None = None
    current_step_name: str | None = None


class _Message(msgspec.Struct, frozen=True):
    type: Kind
    execution_id: Annotated[str, Meta(min_length=1)]
    status: Word | None = None
    progress: _Progress | None = None
    outputs: Document | None = None
    error: Failure | None = None
    timestamp: Timestamp | None = None


_typed: Final = msgspec.json.Decoder(_Typed).decode
_decode: Final = msgspec.json.Decoder(_Message).decode


def read(payload: bytes) -> Said:
    """Read a message. Raises MalformedEvent."""
    kind = decoded(payload, _typed).type
    if kind not in get_args(Kind):
        raise MalformedEvent(_refused(kind))
    message = decoded(payload, _decode)
    _check(message)
    return Said(message.execution_id, _events(message))


def _refused(kind: str) -> str:
    if kind == "error":
        return "type: an 'error' is for the client of a socket; of a run that failed say 'failed'"
    return f"type: {kind[:64]!r} is none of {', '.join(get_args(Kind))}"


def _check(message: _Message) -> None:
    """Refuse what contradicts itself."""
    kind, word = message.type, message.status
    only = _WORD_OF.get(kind)
    if only is not None and word not in (None, only):
        raise MalformedEvent(f"status: {word!r} contradicts the type {kind!r}, which is {only!r}")
    if kind == "status" and word is None:
        raise MalformedEvent("status: missing")
    if kind == "progress" and message.progress is None:
        raise MalformedEvent("progress: missing")
    if kind == "failed" and message.error is None:
        raise MalformedEvent("error: missing; say why it failed")
    if message.error is not None and "failed" not in (kind, word):
        raise MalformedEvent(f"error: only what failed has one, not what is {word or only!r}")
    if message.progress is not None:
        _check_progress(message.progress)


def _check_progress(progress: _Progress) -> None:
    """Refuse numbers that no execution can have.

    Systems differ in whether they count the step under way, and a part of it may be in the
    percentage: one step more or less is no contradiction.
    """
    current, total, percentage = progress.current_step, progress.total_steps, progress.percentage
    if current > total:
        raise MalformedEvent(f"progress.current_step: {current} is beyond the {total} total_steps")
    if percentage is None or not total:
        return
    if abs(percentage - 100 * current / total) > 100 / total + 1:
        raise MalformedEvent(
            f"progress.percentage: {percentage:g} contradicts step {current} of {total}"
        )


def _events(message: _Message) -> Sequence[Event]:
    time, progress = message.timestamp, message.progress
    events: list[Event] = []
    if message.type == "started" or (message.type, message.status) == ("status", "running"):
        events.append(RunStarted(time=time))
    elif message.status == "pending":
        events.append(RunQueued(time=time))
    if progress is not None:
        events.append(
            RunProgress(
                current=progress.current_step,
                total=progress.total_steps or None,
                unit="steps",
                message=progress.current_step_name,
                time=time,
            )
        )
    if message.type == "completed":
        events.append(RunCompleted(outputs=message.outputs, time=time))
    elif message.type == "failed":
        events.append(RunFailed(error=message.error or Failure(), time=time))
    elif message.type == "cancelled":
        events.append(RunCancelled(time=time))
    return events
