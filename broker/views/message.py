"""What a view says to a client, before a transport frames it."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from broker.model.cursor import Cursor
from broker.model.loglines import Address
from broker.model.state import RunState
from broker.model.steps import Report


class Message(NamedTuple):
    """One message: its name, its JSON on one line, and the cursor if it carries state.

    That of a log line is the line's address.
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
