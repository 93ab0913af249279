"""A bounded memory of recent entries of one run, addressed by sequence."""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Generic, NamedTuple, TypeVar

from broker.model.record import Record

T = TypeVar("T")


class Entry(NamedTuple, Generic[T]):
    """Something that leads from the state at `after` to the state at `upto`."""

    after: int
    upto: int
    size: int
    value: T


class Ring(Generic[T]):
    """The newest entries, at most so many and of so many bytes; the oldest go first.

    `floor` is where memory begins: of what came after it, nothing is missing.
    """

    __slots__ = ("_entries", "_max_bytes", "_max_entries", "floor", "size")

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self._entries: deque[Entry[T]] = deque()
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self.floor = 0
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def begin(self) -> int:
        """From where on nothing can be missing, not even what was gone before the first entry."""
        return self.floor or (self._entries[0].upto if self._entries else 0)

    def append(self, after: int, upto: int, size: int, value: T) -> None:
        """Add the newest entry, of `size` bytes."""
        self._entries.append(Entry(after, upto, size, value))
        self.size += size
        while self.size > self._max_bytes or len(self._entries) > self._max_entries:
            oldest = self._entries.popleft()
            self.size -= oldest.size
            self.floor = oldest.upto

    def extend_back(self, after: int, values: Sequence[tuple[int, int, T]]) -> None:
        """Put values, each with its `upto` and size, before the oldest, as far as there is room.

        They lead from `after` to the floor, and nothing is missing between.
        """
        for at in range(len(values) - 1, -1, -1):
            upto, size, value = values[at]
            self.floor = upto
            if self.size + size > self._max_bytes or len(self._entries) >= self._max_entries:
                return
            before = values[at - 1][0] if at else after
            self._entries.appendleft(Entry(before, upto, size, value))
            self.size += size
        self.floor = after

    def clear(self, floor: int) -> None:
        """Forget everything, and begin again after `floor`."""
        self._entries.clear()
        self.size = 0
        self.floor = floor

    def since(self, seq: int) -> list[T] | None:
        """Every value after `seq`; None where memory begins later."""
        if seq < self.floor:
            return None
        return self._newest(lambda entry: entry.upto > seq)

    def onward(self, seq: int) -> list[T] | None:
        """Every value after `seq`; None where `seq` is not exactly where one begins."""
        found = self.since(seq)
        if found is None:
            return None
        begin = len(self._entries) - len(found)
        return found if not found or self._entries[begin].after == seq else None

    def _newest(self, wanted: Callable[[Entry[T]], bool]) -> list[T]:
        found = [entry.value for entry in takewhile(wanted, reversed(self._entries))]
        found.reverse()
        return found


def keep_newest(records: list[Record], after: int, *, max_entries: int, max_bytes: int) -> int:
    """Drop the oldest of the records after a sequence that a ring would have no room for.

    Gives the sequence after which those come that are left.
    """
    size = 0
    for at in range(len(records) - 1, -1, -1):
        size += len(records[at].payload)
        if size > max_bytes or len(records) - at > max_entries:
            after = records[at].seq
            del records[: at + 1]
            break
    return after
