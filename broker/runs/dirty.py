"""Which runs have something new, and when each is to be caught up."""

from heapq import heappop, heappush
from math import inf
from sys import maxsize

from broker.model.record import Mark, Record
from broker.model.subjects import RunKey


class Dirty:
    """One run's marks that are in no checkpoint yet. Times are monotonic seconds."""

    __slots__ = ("held_since", "oldest", "since", "size", "tail", "tokens", "upto", "whole_since")

    def __init__(self, marked_at: float) -> None:
        self.held_since = marked_at
        """Since when the server has not heard that its marks are worked on."""
        self.since = 0
        self.upto = 0
        """The earliest and the latest sequence that was marked."""
        self.tail: list[Record] = []
        """What was marked, in order, ..."""
        self.size = 0
        """... and its bytes."""
        self.whole_since = 0
        """From which sequence on nothing of the run is missing in the tail."""
        self.oldest = inf
        """When the earliest of them was stored, in seconds since 1970."""
        self.tokens: list[tuple[int, bytes]] = []
        """Each mark's sequence, and by what it is acknowledged."""

    def add(self, mark: Mark) -> None:
        """Take a mark in."""
        seq = mark.record.seq
        self.since = min(self.since or seq, seq)
        self.oldest = min(self.oldest, mark.stored_at)
        self.whole_since = max(self.whole_since, mark.since)
        self.tokens.append((seq, mark.token))
        if seq > self.upto:
            self.upto = seq
            self.tail.append(mark.record)
            self.size += len(mark.record.payload)

    def join(self, later: "Dirty") -> None:
        """Take in what was marked later."""
        self.since = min(self.since, later.since)
        self.oldest = min(self.oldest, later.oldest)
        self.whole_since = max(self.whole_since, later.whole_since)
        self.tokens += later.tokens
        self.tail += [record for record in later.tail if record.seq > self.upto]
        self.upto = max(self.upto, later.upto)
        self.size += later.size

    def forget_tail(self) -> None:
        """Keep no records: they are to be read from the stream."""
        self.tail = []
        self.size = 0
        self.whole_since = maxsize

    def split(self, seq: int) -> tuple[list[bytes], int]:
        """The tokens that a checkpoint at `seq` stands for, and how many it does not."""
        covered = [token for at, token in self.tokens if at <= seq]
        return covered, len(self.tokens) - len(covered)


class DirtyRuns:
    """The dirty set. A run that is being visited is dirty again if it is marked meanwhile.

    The records that it holds have so many bytes at most.
    """

    def __init__(self, bytes_most: int) -> None:
        self._dirty: dict[RunKey, Dirty] = {}
        self._visited: dict[RunKey, Dirty] = {}
        self._order: list[tuple[float, int, RunKey]] = []
        """When each run is due that is dirty and not visited, as a heap."""
        self._counted = 0
        self.marks = 0
        """How many marks are held."""
        self.fresh = 0
        """How many runs have become dirty since `unvisited` was asked for."""
        self._size = 0
        self._bytes_most = bytes_most

    def __len__(self) -> int:
        return len(self._dirty) + len(self._visited)

    def add(self, mark: Mark, now: float, due: float) -> None:
        """Take a mark in; the first one of a run says when it is due."""
        dirty = self._dirty.get(mark.key)
        if dirty is None:
            dirty = self._dirty[mark.key] = Dirty(now)
            self.fresh += 1
            if mark.key not in self._visited:
                self._push(mark.key, due)
        self._size -= dirty.size
        dirty.add(mark)
        if self._size + dirty.size > self._bytes_most:
            dirty.forget_tail()
        self._size += dirty.size
        self.marks += 1

    def due_in(self, now: float) -> float | None:
        """Seconds until the next run is due; None while none is dirty."""
        return max(0.0, self._order[0][0] - now) if self._order else None

    def unvisited(self) -> dict[RunKey, Dirty]:
        """The dirty runs that nobody visits."""
        self.fresh = 0
        return {key: dirty for key, dirty in self._dirty.items() if key not in self._visited}

    def visit(self) -> tuple[RunKey, Dirty]:
        """Begin with the run that is due first."""
        key = heappop(self._order)[2]
        dirty = self._visited[key] = self._dirty.pop(key)
        return key, dirty

    def done(self, key: RunKey, visited: Dirty, due: float) -> None:
        """The visit is over, its marks are settled; what was marked meanwhile is due at `due`."""
        if self._visited.get(key) is not visited:
            return
        del self._visited[key]
        self._size -= visited.size
        self.marks -= len(visited.tokens)
        if key in self._dirty:
            self._push(key, due)

    def again(self, key: RunKey, visited: Dirty, due: float) -> None:
        """The visit failed: its marks are due again."""
        if self._visited.get(key) is not visited:
            return
        del self._visited[key]
        later = self._dirty.get(key)
        if later is not None:
            visited.join(later)
        self._dirty[key] = visited
        self._push(key, due)

    def _push(self, key: RunKey, due: float) -> None:
        self._counted += 1  # so that runs due at the same time are compared by age, not by name
        heappush(self._order, (due, self._counted, key))

    def oldest(self) -> float:
        """When the earliest event was stored that is marked, in seconds since 1970; else inf."""
        everything = (*self._dirty.values(), *self._visited.values())
        return min((dirty.oldest for dirty in everything), default=inf)

    def tokens(self) -> list[bytes]:
        """The tokens of all runs."""
        everything = (*self._dirty.values(), *self._visited.values())
        return [token for dirty in everything for _, token in dirty.tokens]

    def held(self, now: float, after: float) -> list[bytes]:
        """The tokens of runs that were marked, or asked for here, so many seconds ago."""
        tokens: list[bytes] = []
        for dirty in (*self._dirty.values(), *self._visited.values()):
            if dirty.held_since < now - after:
                dirty.held_since = now
                tokens += [token for _, token in dirty.tokens]
        return tokens

    def clear(self) -> None:
        """Forget everything; visits that are under way find nothing to settle."""
        self._dirty.clear()
        self._visited.clear()
        self._order.clear()
        self.marks = self._size = 0
