"""Bringing one run's checkpoint up to its head: checkpoint + tail, written if nobody was faster."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from broker.errors import StreamUnavailable, Superseded
from broker.logs import about
from broker.metrics import Metrics
from broker.model.bounds import Bounds
from broker.model.checkpoint import UNREADABLE, Checkpoint, pack, unpack
from broker.model.evolve import Fold
from broker.model.record import Record
from broker.model.state import RunState, initial
from broker.model.subjects import RunKey
from broker.model.summary import summarize
from broker.runs.dirty import Dirty
from broker.runs.folds import Folding, Folds
from broker.runs.ports import Storage

log = logging.getLogger(__name__)

LARGE: Final = 32 * 1024
"""Bytes of a packed state from which on it is unpacked in a thread, ..."""
MANY: Final = 250
"""... and steps of a state from which on it is packed in one, so that nobody else waits."""

_TRIES: Final = (0.0, 0.02, 0.1, 0.5)
"""Seconds before each try: a server of a cluster may answer with an older view for a moment."""


_WARMING: Final = 16
"""Runs at a time that are prepared for a pass over the whole stream."""
_WORTH: Final = 0.05
"""The share of records that must be of the wanted runs for such a pass to go on."""


class CatchUp:
    """Catches runs up, one visit of a run at a time, and keeps the folds of the busy ones."""

    def __init__(
        self,
        storage: Storage,
        folds: Folds,
        *,
        bounds: Bounds,
        now: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self.folds = folds
        self._storage = storage
        self._bounds = bounds
        self._now = now
        self._metrics = metrics

    async def visit(self, key: RunKey, dirty: Dirty, *, rest: float, rest_most: float) -> int:
        """Catch a run up, at least to the last mark; gives how far its checkpoint goes.

        That may be less than the last mark where the records are not to be had yet, or not any
        more. The next checkpoint is due `rest` times what this one cost later, `rest_most` seconds
        at most. Raises StreamUnavailable.
        """
        epoch, upto = self._storage.epoch, dirty.upto
        folding = self.folds.take(key)
        if folding is None or folding.epoch != epoch:
            folding = await self._begin(key, await self._storage.load(key), epoch)
        if folding.goes_on_with(dirty):
            folding.fold.extend(dirty.tail)
            folding.told = True
        for pause in _TRIES:
            if folding.stored >= upto:
                break
            await asyncio.sleep(pause)
            if folding.fold.seq < upto:
                async for page in self._storage.read(key, folding.fold.seq):
                    folding.fold.extend(page)
            if folding.stored < folding.fold.seq:
                began = self._now()
                folding = await self._write(key, folding)
                cost = self._now() - began
                folding.due = self._now() + min(rest_most, rest * cost)
        # Who was told something new, and has read at least that far, has all there was before it.
        whole = folding.linked or dirty.whole_since <= upto
        folding.linked = whole and folding.fold.seq >= upto
        self.folds.put(key, folding)
        return folding.stored

    async def warm(self, keys: Sequence[RunKey], since: int) -> None:
        """Fold what was stored from `since` on of many runs, by one pass over the whole stream.

        Their visits then find little left to read. A run that has earlier records than that which
        are not folded is left to its visit. Raises StreamUnavailable.
        """
        epoch = self._storage.epoch
        foldings: dict[RunKey, Folding] = {}
        waiting = iter(keys)

        async def begin() -> None:
            for key in waiting:
                folding = self.folds.take(key)
                if folding is None or folding.epoch != epoch:
                    folding = await self._begin(key, await self._storage.load(key), epoch)
                at = folding.fold.seq
                first = at + 1
                if first < since:
                    first = await self._storage.next_after(key, at) or 0
                if first >= since:
                    foldings[key] = folding
                else:
                    self.folds.put(key, folding)

        await asyncio.gather(*[begin() for _ in range(_WARMING)])
        wanted = 1.0
        async for count, records in self._storage.scan(since - 1, foldings):
            tails: dict[RunKey, list[Record]] = {}
            for key, record in records:
                if record.seq > foldings[key].fold.seq:
                    tails.setdefault(key, []).append(record)
            for key, tail in tails.items():
                foldings[key].fold.extend(tail)
            wanted = (wanted + len(records) / max(1, count)) / 2
            if wanted < _WORTH:
                break
        for key, folding in foldings.items():
            self.folds.put(key, folding)

    async def _begin(self, key: RunKey, found: Checkpoint, epoch: str) -> Folding:
        """A fold that goes on from a checkpoint, or from the beginning where there is none."""
        state = await self._state(key, found)
        fold = Fold(state or initial(key.tenant, key.run), self._bounds)
        folding = Folding(fold, epoch, revision=found.revision, stored=found.seq)
        folding.weigh(found.packed)
        return folding

    async def _state(self, key: RunKey, found: Checkpoint) -> RunState | None:
        if not found.packed:
            return None
        try:
            if len(found.packed) > LARGE:
                return await asyncio.to_thread(unpack, found.packed)
            return unpack(found.packed)
        except UNREADABLE as error:
            self._metrics.checkpoints_unreadable.inc()
            more = about("checkpoints_unreadable", run=key.run)
            log.warning("the checkpoint of run %s cannot be read: %s", key.run, error, extra=more)
            return None

    async def _write(self, key: RunKey, folding: Folding) -> Folding:
        """Store the fold; where somebody else was faster, go on from what is stored now."""
        state = folding.fold.state
        if len(state.steps) > MANY:
            packed = await asyncio.to_thread(pack, state)
        else:
            packed = pack(state)
        summary = summarize(state, folding.epoch)
        if folding.epoch != self._storage.epoch:  # or it would replace a checkpoint of today's
            raise StreamUnavailable("store a checkpoint", "the stream was made anew meanwhile")
        try:
            revision = await self._storage.store(key, summary, packed, folding.revision)
        except Superseded:
            self._metrics.checkpoint_conflicts.inc()
            found = await self._storage.load(key)
            if folding.told or found.seq > folding.fold.seq:
                return await self._begin(key, found, folding.epoch)
            folding.revision, folding.stored = found.revision, found.seq
        else:
            self._metrics.checkpoints_written.inc()
            self._metrics.checkpoint_bytes.inc(len(packed))
            folding.revision, folding.stored = revision, folding.fold.seq
        folding.weigh(packed)
        return folding
