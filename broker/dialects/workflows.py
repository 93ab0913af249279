"""What workflow orchestrators send: `{"type", "execution_id", "data"}`, of six types.

Steps are known by their number, since two of a schema may have one name: step 1 is `step-1`.
Percentages are not read: they follow from the steps.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

import msgspec

from broker.dialects.decoding import decoded
from broker.dialects.said import Said
from broker.dialects.workflow_messages import (
    Begin,
    End,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionStarted,
    Message,
    StepCompletedMessage,
    StepEnd,
    StepFailedMessage,
    StepStartedMessage,
)
from broker.errors import MalformedEvent
from broker.model.events import (
    Event,
    Failure,
    RunAnnotated,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunStarted,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepRetrying,
    StepSkipped,
    StepStarted,
)
from broker.model.state import RunState

_FAILED: Final = ("failed", "error")
_CANCELLED: Final = ("cancelled", "canceled")
_GOOD: Final = ("completed", "success")
_OF_THE_END: Final = ("risk_score", "requires_approval", "execution_status")
"""Metadata that tells of an end, and not of another attempt's."""


_decode: Final = msgspec.json.Decoder(Message).decode


def read(payload: bytes) -> Said:
    """Read a message. Raises MalformedEvent."""
    message: Message = decoded(payload, _decode)
    _check(message)
    time = _aware(message.timestamp)
    match message:
        case ExecutionCompleted(data=end):
            return Said(message.execution_id, _ended(end, time))
        case ExecutionFailed(data=failed):
            event = RunFailed(error=Failure(message=failed.error_message), time=time)
            return Said(message.execution_id, [event])
        case _:
            return Said(message.execution_id, judged=partial(_judged, message, time))


def _check(message: Message) -> None:
    """Refuse what contradicts itself. Raises MalformedEvent."""
    status = getattr(message.data, "status", None)
    if isinstance(message, StepCompletedMessage) and status in (*_FAILED, *_CANCELLED):
        raise MalformedEvent(f"data.status: {status!r} is no end of a step that was completed")
    if isinstance(message, StepFailedMessage) and status in _GOOD:
        raise MalformedEvent(f"data.status: {status!r} is no end of a step that failed")
    if isinstance(message, ExecutionCompleted):
        total, good = message.data.total_steps, message.data.successful_steps
        if total is not None and good is not None and good > total:
            raise MalformedEvent(f"data.successful_steps: {good} of {total} steps")


def _judged(
    message: ExecutionStarted | StepStartedMessage | StepCompletedMessage | StepFailedMessage,
    time: datetime | None,
    state: RunState | None,
) -> Sequence[Event]:
    """What a message says of a run that stands like that. Raises MalformedEvent."""
    match message:
        case ExecutionStarted(data=begin):
            return [_started(begin, time, state)]
        case StepStartedMessage(data=step):
            started = StepStarted(
                step=_id(step.step_number, state),
                name=step.step_name,
                index=step.step_number - 1,
                metadata=None if step.function is None else {"function": step.function},
                time=time,
            )
            return [*_again(started.step, time, state), started]
        case StepCompletedMessage(data=end) | StepFailedMessage(data=end):
            name = _id(end.step_number, state)
            good = isinstance(message, StepCompletedMessage)
            again = _again(name, time, state) if good else []  # a failure said twice is one
            return [*again, _step_ended(name, end, good, time)]


def _started(begin: Begin, time: datetime | None, state: RunState | None) -> Event:
    kind = begin.deliverable_type
    again = state is not None and state.ended
    metadata: dict[str, str | None] = dict.fromkeys(_OF_THE_END) if again else {}
    if kind is not None:
        metadata["deliverable_type"] = kind
    return RunStarted(
        pipeline=kind if state is None or state.pipeline is None else None,
        total_steps=begin.total_steps,
        metadata=metadata or None,
        attempt=state.attempt + 1 if state is not None and again else None,
        time=time or _aware(begin.started_at),
    )


def _step_ended(name: str, end: StepEnd, good: bool, time: datetime | None) -> Event:
    if end.status == "skipped":
        return StepSkipped(step=name, reason=end.error_message, time=time)
    if end.status in _CANCELLED:
        return StepCancelled(step=name, reason=end.error_message, time=time)
    took = None if end.execution_time_ms is None else end.execution_time_ms / 1000
    if good:
        return StepCompleted(step=name, duration=took, time=time)
    error = Failure(message=end.error_message)
    return StepFailed(step=name, error=error, duration=took, time=time)


def _ended(end: End, time: datetime | None) -> Sequence[Event]:
    """The end, and before it what is known of it beyond our fields."""
    metadata = {"risk_score": end.risk_score, "requires_approval": end.requires_approval}
    if end.status not in (None, "completed", *_FAILED, *_CANCELLED):
        metadata["execution_status"] = end.status
    known = {name: value for name, value in metadata.items() if value is not None}
    noted: list[Event] = [RunAnnotated(metadata=known, time=time)] if known else []
    if end.status in _FAILED:
        message = end.error_message or "the execution has failed"
        return [*noted, RunFailed(error=Failure(message=message), time=time)]
    if end.status in _CANCELLED:
        return [*noted, RunCancelled(reason=end.error_message, time=time)]
    return [*noted, RunCompleted(time=time)]


def _id(number: int, state: RunState | None) -> str:
    """The step's id. Raises MalformedEvent for one that the execution cannot have."""
    total = None if state is None else state.total_steps
    if total is not None and number > total:
        raise MalformedEvent(
            f"data.step_number: {number} is beyond the total_steps of the execution, {total}"
        )
    return f"step-{number}"


def _again(name: str, time: datetime | None, state: RunState | None) -> list[Event]:
    """What makes a step that failed open again."""
    step = None if state is None or state.ended else state.steps.get(name)
    failed = step is not None and step.status == "failed"
    return [StepRetrying(step=name, time=time)] if failed else []


def _aware(time: datetime | None) -> datetime | None:
    """The time, where it says of which zone: of another nobody knows when it was."""
    return time if time is not None and time.tzinfo is not None else None
