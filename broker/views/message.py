"""What a view says to a client, before a transport frames it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from broker.model.cursor import Cursor
from broker.model.events import Event, Unknown
from broker.model.loglines import Address
from broker.model.record import Record
from broker.model.state import Progress, RunState, RunStatus, StepStatus
from broker.model.steps import Report


class Message(NamedTuple):
    """One message: its name, its JSON on one line, and the cursor if it carries state.

    That of a log line is the line's address. A message without a name is one of a protocol that
    tells its messages apart by their data.
    """

    kind: str
    data: bytes
    cursor: Cursor | Address | None = None


class Change(NamedTuple):
    """What happened to a run between two flushes.

    `patch` leads from the state at the last flush to `state`; it is empty where no client needs it.
    """

    epoch: str
    reports: Sequence[Report]
    state: RunState
    patch: dict[str, Any]


class View(Protocol):
    """How one kind of client sees a run.

    A `contiguous` view shows every event, so a client that fell behind gets what it missed; in
    any other view one `snapshot` stands for all that was missed. `patched` views need patches.
    """

    name: str
    contiguous: bool
    patched: bool

    def snapshot(self, state: RunState, epoch: str) -> Iterable[Message]:
        """What a client gets that has no usable cursor."""

    def changes(self, change: Change) -> Iterable[Message]:
        """What a client gets that has seen everything before the change."""

    def end(self, state: RunState) -> Iterable[Message]:
        """The last words of a run that has ended."""


class Moment(NamedTuple):
    """One event as it was folded: what it is, and how it found the run."""

    event: Event | Unknown
    record: Record
    attempt: int
    status: RunStatus
    step: StepStatus | None
    """Of the step that the event names; None where it names none, or a new one."""
    called: str | None
    """The name of that step."""
    progress: Progress
    message: str | None
    begun: bool
    """Whether the attempt had started."""
    labels: Mapping[str, str | int | float | bool]

    @classmethod
    def before(cls, state: RunState, event: Event | Unknown, record: Record) -> "Moment":
        """The moment of an event that is about to be folded into the state."""
        named = getattr(event, "step", None)
        step = state.steps.get(named) if named is not None else None
        return cls(
            event,
            record,
            state.attempt,
            state.status,
            None if step is None else step.status,
            None if step is None else step.name,
            state.progress,
            state.message,
            state.started_at is not None,
            state.labels,
        )


class Story(ABC):
    """A view that tells a run event by event: what one adds depends on how it found the run.

    What an event does not change is not told. Who comes late gets the `snapshot`, which tells the
    same as if it had been there, shortened. Pure: the same state and event give the same messages.
    """

    name: str
    contiguous = False
    patched = False

    @abstractmethod
    def snapshot(self, state: RunState, epoch: str) -> Iterable[Message]:
        """What a client gets that comes now, its end included if the run has ended."""

    @abstractmethod
    def tell(self, moment: Moment, state: RunState, epoch: str) -> Iterable[Message]:
        """What an event adds; `state` is the one after it."""

    def end(self, state: RunState) -> Iterable[Message]:
        """Nothing: the event that ended the run told it."""
        return ()
