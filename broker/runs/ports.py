"""What the projector needs of the world: what was stored, where it is read, and time."""

from collections.abc import AsyncIterator, Callable, Container, Iterable, Sequence
from typing import NamedTuple, Protocol

from broker.model.checkpoint import Checkpoint
from broker.model.record import Mark, Record
from broker.model.subjects import RunKey
from broker.model.summary import Summary


class Marks(Protocol):
    """Which runs have something new: told at least once among all gateways, in any order."""

    @property
    def pending(self) -> int | None:
        """How many marks nobody has got yet; None while that is not known."""

    async def open(self) -> None:
        """Begin, or begin again after an error. Raises StreamUnavailable."""

    async def take(self, most: int) -> Sequence[Mark]:
        """Wait for the next marks, `most` at most; none after a while of silence.

        Raises StreamUnavailable.
        """

    async def acknowledge(self, tokens: Iterable[bytes]) -> None:
        """What the marks stand for is in a checkpoint: nobody needs them again."""

    async def hold(self, tokens: Iterable[bytes]) -> None:
        """They are still being worked on: nobody else need take them."""

    async def close(self, tokens: Iterable[bytes]) -> None:
        """Take no more; somebody else is to have these, now."""


class Storage(Protocol):
    """The records and checkpoints of runs. Every call may raise StreamUnavailable."""

    @property
    def epoch(self) -> str:
        """The token of the stream's creation."""

    def read(self, key: RunKey, after: int) -> AsyncIterator[Sequence[Record]]:
        """The stored records of a run after a sequence, in pages."""

    async def next_after(self, key: RunKey, seq: int) -> int | None:
        """The sequence of the run's first record after one; None without."""

    def scan(
        self, after: int, wanted: Container[RunKey]
    ) -> AsyncIterator[tuple[int, Sequence[tuple[RunKey, Record]]]]:
        """All records after a sequence, in pages: how many there were, and those of some runs."""

    async def load(self, key: RunKey) -> Checkpoint:
        """The checkpoint of a run, an empty one where there is none."""

    async def store(self, key: RunKey, summary: Summary, packed: bytes, revision: int) -> int:
        """Store a checkpoint in place of that of `revision`; gives its own revision.

        Raises Superseded.
        """


class Clocks(NamedTuple):
    """Seconds: monotonic ones, and those since 1970. Tests bring their own."""

    now: Callable[[], float]
    wall: Callable[[], float]
