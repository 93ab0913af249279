"""The state of a run: what its events fold to, and, as JSON, the snapshot a client gets.

A field without a value is absent, never null, so that a merge patch can remove it. The structs are
mutable for the fold alone, which owns them; everyone else reads them.
"""

from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import msgspec

from broker.model.events import Amount, FailureKind, Parent

RunStatus: TypeAlias = Literal[
    "queued", "running", "paused", "completed", "failed", "cancelled", "lost"
]
StepStatus: TypeAlias = Literal[
    "pending", "running", "retrying", "completed", "failed", "skipped", "cancelled"
]

TERMINAL: Final = frozenset({"completed", "failed", "cancelled"})
"""Run statuses that an attempt never leaves. `lost` is not one: a lost run can come back."""


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far the run is: the numbers as reported, and the fraction that never falls.

    `fraction` is 0 to 1 in millionths, absent while nothing is known, and 1 only when the run
    completed.
    """

    current: Amount | None = None
    total: Amount | None = None
    unit: str | None = None
    fraction: float | None = None
    total_final: bool | None = None


class Counts(msgspec.Struct):
    """How many steps stand where; a step that waits to be tried again counts as running."""

    total: int = 0
    pending: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    skipped: int = 0
    cancelled: int = 0


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a run or step failed, bounded and without nulls."""

    type: str | None = None
    message: str | None = None
    details: Any = None
    stack: str | None = None
    kind: FailureKind | None = None
    retryable: bool | None = None


class StepState(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One step. Durations are seconds.

    `ppm` is the step's best fraction in this attempt, in millionths: what the run's fraction is
    computed from. `weight` stands on planned steps only. `paused_seconds` is how much of its
    duration the run was paused.
    """

    index: int
    status: StepStatus
    name: str | None = None
    parent: str | None = None
    after: list[str] = []
    weight: float | None = None
    metadata: dict[str, Any] | None = None
    current: Amount | None = None
    total: Amount | None = None
    unit: str | None = None
    total_final: bool | None = None
    message: str | None = None
    ppm: int = 0
    attempt: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration: float | None = None
    paused_seconds: float | None = None
    error: Problem | None = None
    outputs: dict[str, Any] | None = None
    cached: bool | None = None


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An earlier attempt, as it stood when the next began."""

    attempt: int
    status: RunStatus
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: Problem | None = None


class Group(msgspec.Struct, frozen=True, omit_defaults=True):
    """The children of a large map, counted."""

    counts: dict[str, int]
    total: int | None = None


class Artifact(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Something the run made, by reference."""

    name: str
    uri: str
    kind: str | None = None
    media_type: str | None = None


class CommandState(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A command and what the producer made of it; without a `result` it is unanswered.

    `attempt` is the one that was current when it was given.
    """

    type: str
    at: datetime
    attempt: int | None = None
    by: str | None = None
    reason: str | None = None
    result: Literal["accepted", "rejected", "ignored"] | None = None
    answer: str | None = None
    acknowledged_at: datetime | None = None


class Pause(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Since when and why the run waits."""

    since: datetime
    reason: str | None = None
    prompt: str | None = None


class Silence(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the broker noted when it lost the producer; `was` comes back with the next event."""

    was: RunStatus
    since: datetime
    threshold: float | None = None


class RunState(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Everything known of a run after the event stored at `seq`.

    `paused_seconds` is how long this attempt was paused, without the pause that lasts.
    """

    seq: int
    run: str
    tenant: str
    status: RunStatus
    attempt: int
    pipeline: str | None = None
    name: str | None = None
    message: str | None = None
    progress: Progress
    counts: Counts
    total_steps: int | None = None
    steps: dict[str, StepState]
    groups: dict[str, Group] = {}
    labels: dict[str, str | int | float | bool] = {}
    metadata: dict[str, Any] = {}
    parent: Parent | None = None
    retry_of: str | None = None
    worker: str | None = None
    cancellable: bool | None = None
    cancelled_by: str | None = None
    paused: Pause | None = None
    paused_seconds: float | None = None
    silence: Silence | None = None
    resources: dict[str, Any] | None = None
    artifacts: list[Artifact] = []
    error: Problem | None = None
    outputs: dict[str, Any] | None = None
    commands: dict[str, CommandState] = {}
    attempts: list[Attempt] = []
    truncated: dict[str, int] = {}
    queued_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration: float | None = None
    updated_at: datetime | None = None
    last_seen: datetime | None = None
    heartbeat_interval: float | None = None
    events: int

    @property
    def ended(self) -> bool:
        """Whether the attempt has come to its end; a later attempt can begin all the same."""
        return self.status in TERMINAL


def initial(tenant: str, run: str) -> RunState:
    """The state of a run of which nothing is known."""
    return RunState(
        seq=0,
        run=run,
        tenant=tenant,
        status="queued",
        attempt=1,
        progress=Progress(),
        counts=Counts(),
        steps={},
        events=0,
    )
