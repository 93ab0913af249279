"""Everything a run can report: one frozen struct per event type, in one tagged union.

The tags and field names are the storage format. A tag is chosen once; a new field needs a
default; unknown fields are ignored. The run and the tenant are not here: they are the subject.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

LARGEST = 2**53
"""The largest number a progress may hold: the largest integer that JSON readers agree on."""

Identifier: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=LARGEST)]
Amount: TypeAlias = Count | Annotated[float, Meta(ge=0, le=LARGEST)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0, le=LARGEST)]
Timestamp: TypeAlias = Annotated[datetime, Meta(tz=True)]
Labels: TypeAlias = dict[str, str | int | float | bool | None]
Document: TypeAlias = dict[str, Any]
Level: TypeAlias = Literal["debug", "info", "progress", "success", "warning", "error"]
FailureKind: TypeAlias = Literal["application", "infrastructure", "timeout", "dependency"]


class Common(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The fields of every event: `id` deduplicates, `time` is the producer's clock."""

    id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    time: Timestamp | None = None
    attempt: Annotated[int, Meta(ge=1, le=LARGEST)] | None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a run or a step failed."""

    type: str | None = None
    message: str | None = None
    details: Any = None
    stack: str | None = None


class Parent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The run, and the step of it, that started this run."""

    run: Identifier
    step: Identifier | None = None


class PlanStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step announced before it starts; `after` names the steps it waits for."""

    step: Identifier
    name: str | None = None
    index: Count | None = None
    weight: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    after: list[Identifier] = []
    metadata: Document | None = None


class _Announced(Common, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    pipeline: Annotated[str, Meta(max_length=256)] | None = None
    name: str | None = None
    labels: Labels | None = None
    metadata: Document | None = None
    parent: Parent | None = None
    plan: list[PlanStep] | None = None
    heartbeat_interval: Seconds | None = None
    cancellable: bool | None = None
    retry_of: Identifier | None = None


class RunQueued(_Announced, tag="run.queued", frozen=True, kw_only=True, gc=False):
    """The run, or an attempt of it, waits to be started."""


class RunStarted(_Announced, tag="run.started", frozen=True, kw_only=True, gc=False):
    """A producer began the run, or an attempt of it."""

    worker: str | None = None
    total_steps: Count | None = None


class _Measured(Common, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    current: Amount
    total: Amount | None = None
    unit: str | None = None
    message: str | None = None
    total_final: bool | None = None


class RunProgress(_Measured, tag="run.progress", frozen=True, kw_only=True, gc=False):
    """The run as a whole has come this far; `total` is absent while nobody knows it."""


class RunHeartbeat(Common, tag="run.heartbeat", frozen=True, kw_only=True, gc=False):
    """The producer is alive; `resources` are its own measurements."""

    resources: Document | None = None


class RunPaused(Common, tag="run.paused", frozen=True, kw_only=True, gc=False):
    """The run waits, for instance for a person; `prompt` is what it asks."""

    reason: str | None = None
    prompt: str | None = None


class RunResumed(Common, tag="run.resumed", frozen=True, kw_only=True, gc=False):
    """The run goes on after a pause."""

    reason: str | None = None


class RunCompleted(Common, tag="run.completed", frozen=True, kw_only=True, gc=False):
    """The attempt ended well."""

    outputs: Document | None = None
    message: str | None = None


class RunFailed(Common, tag="run.failed", frozen=True, kw_only=True, gc=False):
    """The attempt ended with an error."""

    error: Failure
    kind: FailureKind | None = None
    retryable: bool | None = None


class RunCancelled(Common, tag="run.cancelled", frozen=True, kw_only=True, gc=False):
    """The attempt was stopped on request."""

    by: str | None = None
    reason: str | None = None


class RunAnnotated(Common, tag="run.annotated", frozen=True, kw_only=True, gc=False):
    """Labels and metadata to merge into the run's; null removes one."""

    labels: Labels | None = None
    metadata: Document | None = None


class RunLost(Common, tag="run.lost", frozen=True, kw_only=True, gc=False):
    """The broker has not heard of the producer for too long; not an end."""

    last_seen: Timestamp | None = None
    threshold: Seconds | None = None


class RunRecovered(Common, tag="run.recovered", frozen=True, kw_only=True, gc=False):
    """The broker heard of a lost producer again."""

    last_seen: Timestamp | None = None
    threshold: Seconds | None = None


class StepStarted(Common, tag="step.started", frozen=True, kw_only=True, gc=False):
    """A step began."""

    step: Identifier
    name: str | None = None
    index: Count | None = None
    parent: Identifier | None = None
    weight: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    after: list[Identifier] | None = None
    metadata: Document | None = None


class StepProgress(_Measured, tag="step.progress", frozen=True, kw_only=True, gc=False):
    """A step has come this far."""

    step: Identifier


class StepCompleted(Common, tag="step.completed", frozen=True, kw_only=True, gc=False):
    """A step ended well; `duration` is what the producer measured, in seconds."""

    step: Identifier
    outputs: Document | None = None
    duration: Seconds | None = None


class StepFailed(Common, tag="step.failed", frozen=True, kw_only=True, gc=False):
    """A step ended with an error; the run may go on. `duration` as of a completed one."""

    step: Identifier
    error: Failure
    duration: Seconds | None = None


class StepSkipped(Common, tag="step.skipped", frozen=True, kw_only=True, gc=False):
    """A step was not needed; `cached` when an earlier result stands for it."""

    step: Identifier
    reason: str | None = None
    cached: bool | None = None


class StepRetrying(Common, tag="step.retrying", frozen=True, kw_only=True, gc=False):
    """A step failed and will be tried again after `delay` seconds."""

    step: Identifier
    step_attempt: Annotated[int, Meta(ge=1, le=LARGEST)] | None = None
    delay: Seconds | None = None
    error: Failure | None = None


class StepCancelled(Common, tag="step.cancelled", frozen=True, kw_only=True, gc=False):
    """A step was stopped on request."""

    step: Identifier
    reason: str | None = None


class StepsCounted(Common, tag="steps.counted", frozen=True, kw_only=True, gc=False):
    """How many children of a large map stand where: one event in place of one per child."""

    group: Identifier
    counts: dict[str, Count]
    total: Count | None = None


class ArtifactAdded(Common, tag="artifact.added", frozen=True, kw_only=True, gc=False):
    """The run made something that lies at `uri`."""

    name: Identifier
    uri: Annotated[str, Meta(max_length=2048)]
    kind: Annotated[str, Meta(max_length=64)] | None = None
    media_type: Annotated[str, Meta(max_length=128)] | None = None


class _Command(Common, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    by: str | None = None
    reason: str | None = None
    mode: str | None = None


class CommandCancel(_Command, tag="command.cancel", frozen=True, kw_only=True, gc=False):
    """A person asks the producer to stop."""


class CommandRetry(_Command, tag="command.retry", frozen=True, kw_only=True, gc=False):
    """A person asks for another attempt."""


class CommandPause(_Command, tag="command.pause", frozen=True, kw_only=True, gc=False):
    """A person asks the producer to pause."""


class CommandResume(_Command, tag="command.resume", frozen=True, kw_only=True, gc=False):
    """A person asks the producer to go on."""


class CommandAcknowledged(Common, tag="command.acknowledged", frozen=True, kw_only=True, gc=False):
    """What the producer made of a command, named by its event id."""

    command: Identifier
    result: Literal["accepted", "rejected", "ignored"]
    reason: str | None = None


class LogLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a log."""

    text: str
    time: Timestamp | None = None
    level: Level | None = None
    step: Identifier | None = None


class LogAppended(Common, tag="log.appended", frozen=True, kw_only=True, gc=False):
    """Lines of a log, on the LOGS stream: they fold to nothing."""

    lines: list[LogLine]


class Unknown(Common, frozen=True, kw_only=True, gc=False):
    """A type that this version does not know: kept, forwarded, counted, folded to no change."""

    tag: str


End: TypeAlias = RunCompleted | RunFailed | RunCancelled

Command: TypeAlias = CommandCancel | CommandRetry | CommandPause | CommandResume

Event: TypeAlias = (
    RunQueued
    | RunStarted
    | RunProgress
    | RunHeartbeat
    | RunPaused
    | RunResumed
    | RunCompleted
    | RunFailed
    | RunCancelled
    | RunAnnotated
    | RunLost
    | RunRecovered
    | StepStarted
    | StepProgress
    | StepCompleted
    | StepFailed
    | StepSkipped
    | StepRetrying
    | StepCancelled
    | StepsCounted
    | ArtifactAdded
    | CommandCancel
    | CommandRetry
    | CommandPause
    | CommandResume
    | CommandAcknowledged
    | LogAppended
)
