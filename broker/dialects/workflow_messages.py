"""The messages of the workflows dialect: six types, each with data of its own."""

from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from broker.model.events import LARGEST, Count, Identifier

Number: TypeAlias = Annotated[int, Meta(ge=1, le=LARGEST)]
Milliseconds: TypeAlias = Annotated[float, Meta(ge=0, le=LARGEST)]


class Begin(msgspec.Struct, frozen=True):
    """The data of `execution_started`."""

    deliverable_type: str | None = None
    total_steps: Count | None = None
    started_at: datetime | None = None


class StepBegin(msgspec.Struct, frozen=True):
    """The data of `step_started`."""

    step_number: Number
    step_name: str | None = None
    function: str | None = None


class StepEnd(msgspec.Struct, frozen=True):
    """The data of `step_completed` and `step_failed`; the latter also tells of other bad ends."""

    step_number: Number
    step_name: str | None = None
    status: str | None = None
    execution_time_ms: Milliseconds | None = None
    error_message: str | None = None


class End(msgspec.Struct, frozen=True):
    """The data of `execution_completed`; `status` may say that it did not go well."""

    status: str | None = None
    risk_score: int | float | str | None = None
    requires_approval: bool | None = None
    total_steps: Count | None = None
    successful_steps: Count | None = None
    error_message: str | None = None


class Failed(msgspec.Struct, frozen=True):
    """The data of `execution_failed`."""

    error_message: str | None = None


class _Message(msgspec.Struct, frozen=True, kw_only=True):
    execution_id: Identifier
    timestamp: datetime | None = None


class ExecutionStarted(_Message, tag="execution_started", frozen=True, kw_only=True):
    """The execution begins; again where it has ended."""

    data: Begin = Begin()


class StepStartedMessage(_Message, tag="step_started", frozen=True, kw_only=True):
    """A step begins; again where it has failed."""

    data: StepBegin


class StepCompletedMessage(_Message, tag="step_completed", frozen=True, kw_only=True):
    """A step has ended well."""

    data: StepEnd


class StepFailedMessage(_Message, tag="step_failed", frozen=True, kw_only=True):
    """A step has ended otherwise."""

    data: StepEnd


class ExecutionCompleted(_Message, tag="execution_completed", frozen=True, kw_only=True):
    """All steps are done."""

    data: End = End()


class ExecutionFailed(_Message, tag="execution_failed", frozen=True, kw_only=True):
    """The execution broke off."""

    data: Failed = Failed()


Message: TypeAlias = (
    ExecutionStarted
    | StepStartedMessage
    | StepCompletedMessage
    | StepFailedMessage
    | ExecutionCompleted
    | ExecutionFailed
)
