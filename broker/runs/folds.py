"""Folds of runs that are busy, kept so that their checkpoints are not decoded at each visit."""

from collections import OrderedDict
from typing import Final

from broker.model.evolve import Fold
from broker.model.subjects import RunKey
from broker.runs.dirty import Dirty

_OBJECTS: Final = 4
"""Bytes that objects take, per byte of their JSON."""
_COMPRESSED: Final = 10
"""Bytes of JSON per byte of it compressed."""
_LEAST: Final = 4096


class Folding:
    """A run's fold, and the checkpoint that is stored of it."""

    __slots__ = ("due", "epoch", "fold", "linked", "revision", "size", "stored", "told")

    def __init__(self, fold: Fold, epoch: str, *, revision: int, stored: int) -> None:
        self.fold = fold
        self.epoch = epoch
        self.revision = revision
        """The revision of the stored checkpoint."""
        self.stored = stored
        """The sequence up to which the stored checkpoint goes."""
        self.linked = False
        """Whether it has all of the run that this gateway was told, or is to be told with it."""
        self.told = False
        """Whether records are in it that came with marks, not from a read of the stream."""
        self.size = _LEAST
        """Bytes of memory, roughly."""
        self.due = 0.0
        """When the next checkpoint may be written: later, the more the last one cost."""

    def goes_on_with(self, dirty: Dirty) -> bool:
        """Whether what came with the marks is all that it lacks up to the last one."""
        return self.linked and self.fold.seq >= dirty.whole_since - 1

    def weigh(self, packed: bytes) -> None:
        """Guess from the packed state what the fold takes."""
        json = len(packed) * (1 if packed.startswith(b"{") else _COMPRESSED)
        self.size = _LEAST + json * _OBJECTS


class Folds:
    """The folds last used, at most so many and of so many bytes."""

    def __init__(self, most: int, bytes_most: int) -> None:
        self._folds: OrderedDict[RunKey, Folding] = OrderedDict()
        self._most = most
        self._bytes_most = bytes_most
        self.size = 0

    def __len__(self) -> int:
        return len(self._folds)

    def take(self, key: RunKey) -> Folding | None:
        """Give a fold away: whoever has it may change it."""
        folding = self._folds.pop(key, None)
        if folding is not None:
            self.size -= folding.size
        return folding

    def put(self, key: RunKey, folding: Folding) -> None:
        """Keep a fold; the least recently used ones make room for it."""
        self.take(key)
        self._folds[key] = folding
        self.size += folding.size
        while self._folds and (len(self._folds) > self._most or self.size > self._bytes_most):
            _, oldest = self._folds.popitem(last=False)
            self.size -= oldest.size

    def due(self, key: RunKey) -> float:
        """When the run's next checkpoint may be written."""
        folding = self._folds.get(key)
        return 0.0 if folding is None else folding.due

    def behind(self, key: RunKey, dirty: Dirty) -> bool:
        """Whether a visit of the run must read from the stream."""
        folding = self._folds.get(key)
        if folding is None:
            return True
        return folding.fold.seq < dirty.upto and not folding.goes_on_with(dirty)

    def clear(self) -> None:
        self._folds.clear()
        self.size = 0
