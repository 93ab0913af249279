"""Which runs have something new, and when each is to be caught up."""

from heapq import heappop, heappush
from math import inf

from broker.model.record import Mark
from broker.model.subjects import RunKey


class Dirty:
    """One run's marks that are in no checkpoint yet. Times are monotonic seconds."""

    __slots__ = ("marked_at", "oldest", "since", "tokens", "upto")

    def __init__(self, marked_at: float) -> None:
        self.marked_at = marked_at
        self.since = 0
        self.upto = 0
        """The earliest and the latest sequence that was marked."""
        self.oldest = inf
        """When the earliest of them was stored, in seconds since 1970."""
        self.tokens: list[tuple[int, bytes]] = []
        """Each mark's sequence, and by what it is acknowledged."""

    def add(self, seq: int, stored_at: float, token: bytes) -> None:
        """Take a mark in."""
        self.since = min(self.since or seq, seq)
        self.upto = max(self.upto, seq)
        self.oldest = min(self.oldest, stored_at)
        self.tokens.append((seq, token))

    def split(self, seq: int) -> tuple[list[bytes], int]:
        """The tokens that a checkpoint at `seq` stands for, and how many it does not."""
        covered = [token for at, token in self.tokens if at <= seq]
        return covered, len(self.tokens) - len(covered)


class DirtyRuns:
    """The dirty set. A run that is being visited is dirty again if it is marked meanwhile."""

    def __init__(self) -> None:
        self._dirty: dict[RunKey, Dirty] = {}
        self._visited: dict[RunKey, Dirty] = {}
        self._order: list[tuple[float, int, RunKey]] = []
        """When each run is due that is dirty and not visited, as a heap."""
        self._counted = 0
        self.marks = 0
        """How many marks are held."""
        self.fresh = 0
        """How many runs have become dirty since `unvisited` was asked for."""

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
        dirty.add(mark.seq, mark.stored_at, mark.token)
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
            visited.since = min(visited.since, later.since)
            visited.upto = max(visited.upto, later.upto)
            visited.oldest = min(visited.oldest, later.oldest)
            visited.tokens += later.tokens
        self._dirty[key] = visited
        self._push(key, due)

    def _push(self, key: RunKey, due: float) -> None:
        self._counted += 1  # so that runs due at the same time are compared by age, not by name
        heappush(self._order, (due, self._counted, key))

    def oldest(self) -> float:
        """When the earliest event was stored that is marked, in seconds since 1970; else inf."""
        everything = (*self._dirty.values(), *self._visited.values())
        return min((dirty.oldest for dirty in everything), default=inf)

    def tokens(self, before: float = inf) -> list[bytes]:
        """The tokens of all runs that were marked before a moment."""
        everything = (*self._dirty.values(), *self._visited.values())
        return [token for d in everything if d.marked_at < before for _, token in d.tokens]

    def clear(self) -> None:
        """Forget everything; visits that are under way find nothing to settle."""
        self._dirty.clear()
        self._visited.clear()
        self._order.clear()
        self.marks = 0
