"""What a hub needs of the world: where records come from, where bytes go, and time."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple, Protocol

from broker.model.record import Record
from broker.model.state import RunState
from broker.model.subjects import RunKey


class Feed(Protocol):
    """A run that is being followed."""

    async def close(self) -> None:
        """Follow no longer."""


class Source(Protocol):
    """The stored records of runs."""

    @property
    def epoch(self) -> str:
        """The token of the stream's creation."""

    @property
    def away(self) -> float:
        """Seconds since the stream was lost; 0 while it is there."""

    async def unknown(self, key: RunKey) -> bool:
        """Whether it is sure that nothing is stored of a run. Raises StreamUnavailable."""

    async def first_seq(self) -> int:
        """The oldest sequence that the stream still holds."""

    async def checkpoint(self, key: RunKey) -> RunState | None:
        """A state of the run that a fold can go on from; None where none is stored.

        Raises StreamUnavailable.
        """

    async def follow(
        self, key: RunKey, deliver: Callable[[Sequence[Record]], None], after: int = 0
    ) -> Feed:
        """Deliver every record of a run after a sequence, in order, each once.

        First those stored, then those to come; returns once the stored ones are delivered. Raises
        StreamUnavailable.
        """

    def read(self, key: RunKey, after: int) -> AsyncIterator[Sequence[Record]]:
        """The stored records of a run after a sequence, in pages."""


class Sink(Protocol):
    """Where a client's bytes go. Writing never blocks and never waits."""

    def write(self, data: bytes) -> None:
        """Send, or hold until the client takes it."""

    def pending(self) -> int:
        """Bytes written that the client has not taken."""

    def close(self) -> None:
        """Close once everything written is sent."""

    def abort(self) -> None:
        """Close now."""


class Timer(Protocol):
    """A call that can be called off."""

    def cancel(self) -> None:
        """Call it off."""


class Timing(NamedTuple):
    """Monotonic seconds, a way to be called later, and chance; tests bring their own."""

    now: Callable[[], float]
    call_at: Callable[[float, Callable[[], None]], Timer]
    random: Callable[[], float]
