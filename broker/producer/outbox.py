"""What waits to be stored: bounded, in order, and ranked by what may be dropped when it is full.

Pure: no loop, no clock, no lock. Whoever shares it between threads holds a lock.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["lifecycle", "progress", "log"]

OVERHEAD: Final = 256
"""Bytes counted for an entry beside its payload."""

_DROPPED_FIRST: Final[tuple[Kind, ...]] = ("progress", "log")


@dataclass(slots=True, eq=False)
class Lane:
    """A subject of a stream, and the last sequence known to be stored there."""

    stream: str
    subject: str
    seq: int = 0


@dataclass(slots=True, eq=False)
class Entry:
    """One event on its way. `sent_at` is when it was first sent (monotonic and wall clock)."""

    id: str
    lane: Lane
    kind: Kind
    payload: bytes = field(repr=False)
    sent_at: tuple[float, float] | None = None
    number: int = 0
    settled: bool = False
    """Whether nothing more is to happen: it is stored, or dropped."""

    @property
    def size(self) -> int:
        """The bytes that count against the bound."""
        return len(self.payload) + OVERHEAD


class Outbox:
    """Entries in the order in which they were added, until each is settled.

    An entry waits, is taken, and is settled once it is stored; `rewind` lets all that were taken
    and not settled wait again, before the others. Beyond a bound the oldest waiting progress is
    dropped, then the oldest waiting log; lifecycle entries never are.
    """

    def __init__(self, *, max_bytes: int, max_entries: int) -> None:
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._waiting: OrderedDict[int, Entry] = OrderedDict()
        self._taken: OrderedDict[int, Entry] = OrderedDict()
        self._droppable: dict[Kind, deque[int]] = {kind: deque() for kind in _DROPPED_FIRST}
        self._count = 0
        self.bytes = 0
        self.dropped: Counter[Kind] = Counter()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._taken)

    @property
    def newest(self) -> int:
        """The number of the last entry that was added."""
        return self._count

    @property
    def oldest(self) -> int:
        """The number of the first entry that is not settled; beyond the newest without one."""
        for entries in (self._taken, self._waiting):
            for number in entries:
                return number
        return self._count + 1

    def add(self, entry: Entry) -> int:
        """Let an entry wait behind the others; gives how many were dropped for it."""
        self._count += 1
        entry.number = self._count
        self._waiting[entry.number] = entry
        if entry.kind in self._droppable:
            self._droppable[entry.kind].append(entry.number)
        self.bytes += entry.size
        return self._trim()

    def take(self) -> Entry | None:
        """The entry that has waited longest; None when none waits."""
        if not self._waiting:
            return None
        number, entry = self._waiting.popitem(last=False)
        if entry.kind in self._droppable:
            # Both hold the entries in their order, so that the first here is the first there.
            self._droppable[entry.kind].popleft()
        self._taken[number] = entry
        return entry

    def settle(self, entry: Entry) -> None:
        """Forget an entry: it is stored, or never will be."""
        if self._waiting.pop(entry.number, None) is not None:
            if entry.kind in self._droppable:
                self._droppable[entry.kind].remove(entry.number)
        elif self._taken.pop(entry.number, None) is None:
            return
        self.bytes -= entry.size
        entry.settled = True

    def rewind(self) -> None:
        """Let every entry that was taken and not settled wait again, in its old place."""
        while self._taken:
            number, entry = self._taken.popitem()
            self._waiting[number] = entry
            self._waiting.move_to_end(number, last=False)
            if entry.kind in self._droppable:
                self._droppable[entry.kind].appendleft(number)
        self._trim()

    def sent_before(self) -> Iterator[Entry]:
        """The waiting entries that were taken once: nobody knows whether they are stored."""
        for entry in self._waiting.values():
            if entry.sent_at is None:
                return
            yield entry

    def _trim(self) -> int:
        dropped = 0
        while (self.bytes > self._max_bytes or len(self) > self._max_entries) and self._drop():
            dropped += 1
        return dropped

    def _drop(self) -> bool:
        for kind in _DROPPED_FIRST:
            if self._droppable[kind]:
                entry = self._waiting.pop(self._droppable[kind].popleft())
                self.bytes -= entry.size
                entry.settled = True
                self.dropped[kind] += 1
                return True
        return False
