"""The projector: keeps the checkpoint of each run near its head.

A mark says that a run has something new; the run is then dirty, and within a window it is caught up
to its head, once, however many marks came. A mark is acknowledged after the checkpoint that stands
for it is written, and a checkpoint is written only over the one it was made from. So any number of
projectors, in any order, twice or not, killed at any moment, gives the same checkpoints.
"""

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, Self

import msgspec

from broker.errors import BrokerError
from broker.logs import Failures, about
from broker.metrics import Metrics
from broker.model.bounds import Bounds
from broker.model.record import Mark
from broker.model.subjects import RunKey
from broker.runs.catchup import CatchUp
from broker.runs.dirty import Dirty, DirtyRuns
from broker.runs.folds import Folds
from broker.runs.ports import Clocks, Marks, Storage

log = logging.getLogger(__name__)

RETRY: Final = 1.0
"""Seconds after a failure until the next try."""

SWEEP: Final = 1.0
"""Seconds between two looks at everything that is dirty."""


class ProjectorLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds, sizes in bytes."""

    window: float = 0.25
    """From the first mark of a run to its visit, while few runs are dirty."""
    window_most: float = 0.5
    """The same when `busy` runs are dirty: then each visit should stand for more events."""
    busy: int = 1_000
    rest: float = 10.0
    """How often what a checkpoint cost must pass before the run's next one is written."""
    rest_most: float = 4.0
    """The longest such rest; less than the server waits for acknowledgements."""
    visits: int = 32
    """Visits at a time."""
    marks: int = 65_536
    """Marks held; no more are taken meanwhile. The fewer a visit stands for, the more visits."""
    marks_bytes: int = 64 * 1024 * 1024
    """Of the records that came with them; those beyond are read from the stream again."""
    hold_after: float = 3.0
    """Age of marks that the server is asked not to give to others yet, again after as long."""
    backlog: int = 16_384
    """Marks that nobody has got yet, from which on a backlog is caught up with, ..."""
    together: int = 256
    """... and runs to read of from which on that is done in one pass, not run by run."""
    folds: int = 16_384
    folds_bytes: int = 128 * 1024 * 1024
    known: int = 100_000
    """Runs of which it is remembered how far their checkpoint goes."""
    ready_within: float = 30.0
    bounds: Bounds = Bounds()


class Projector:
    """This gateway's projector. Made by `running`."""

    def __init__(
        self,
        marks: Marks,
        storage: Storage,
        *,
        limits: ProjectorLimits,
        clocks: Clocks,
        metrics: Metrics,
    ) -> None:
        self._marks = marks
        self._limits = limits
        self._clocks = clocks
        self._metrics = metrics
        folds = Folds(limits.folds, limits.folds_bytes)
        self._catch_up = CatchUp(
            storage, folds, bounds=limits.bounds, now=clocks.now, metrics=metrics
        )
        self._dirty = DirtyRuns(limits.marks_bytes)
        self._stored: OrderedDict[RunKey, int] = OrderedDict()
        """How far the checkpoints go, of the runs last visited."""
        self._generation = 0
        """Raised when everything is forgotten: what was begun before must not be kept."""
        self._began_at = clocks.now()
        self._opened = False
        self._caught_up = asyncio.Event()
        self._marked = asyncio.Event()
        self._settled = asyncio.Event()
        self._free = asyncio.Semaphore(limits.visits)
        self._failures = Failures(log)

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        marks: Marks,
        storage: Storage,
        *,
        limits: ProjectorLimits,
        clocks: Clocks,
        metrics: Metrics,
    ) -> AsyncIterator[Self]:
        """A projector that works as long as the block; what it has not done then others get."""
        projector = cls(marks, storage, limits=limits, clocks=clocks, metrics=metrics)
        async with asyncio.TaskGroup() as group:
            working = group.create_task(projector._work())
            try:
                yield projector
            finally:
                working.cancel()
        with suppress(BrokerError):
            await marks.close(projector._dirty.tokens())

    async def _work(self) -> None:
        """Work for ever; a fault of ours ends neither the gateway nor this."""
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._take_marks())
                    group.create_task(self._visit_runs(group))
                    group.create_task(self._sweep_forever())
            except* Exception as errors:
                self._failed("work", errors)
            self.renew()
            self._free = asyncio.Semaphore(self._limits.visits)
            await asyncio.sleep(RETRY)

    def why_not_ready(self) -> str | None:
        """Why new clients had better go to another gateway; None when they need not.

        That is so until this gateway has once found nothing left to take, or `ready_within` has
        passed, even if the server refuses the consumer. After that lag is told by a metric alone:
        the marks are shared, so a backlog is every gateway's, and must not take all of them out of
        service. A run is shown rightly without a checkpoint too, only later.
        """
        late = self._clocks.now() - self._began_at > self._limits.ready_within
        if late or self._caught_up.is_set():
            return None
        return f"the projector has not {'caught up' if self._opened else 'begun'}"

    async def caught_up(self, patience: float) -> None:
        """Wait until nothing was left to take for once, so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._caught_up.wait()

    def renew(self) -> None:
        """The stream was made anew: nothing that is known of it holds any more."""
        self._generation += 1
        self._dirty.clear()
        self._stored.clear()
        self._catch_up.folds.clear()
        self._settled.set()

    async def _take_marks(self) -> None:
        """Take marks for ever, as many as there is room for."""
        opened = False
        while True:
            try:
                if not opened:
                    await self._marks.open()
                    opened = True
                    self._opened = True
                self._look_whether_caught_up()
                room = self._limits.marks - self._dirty.marks
                if room > 0:
                    await self._note(await self._marks.take(room))
                else:
                    self._settled.clear()
                    await self._settled.wait()
            except Exception as error:
                opened = False
                self._failed("take", error)
                await asyncio.sleep(RETRY)

    async def _note(self, marks: Sequence[Mark]) -> None:
        """Note which runs are dirty; what is in a checkpoint already is acknowledged."""
        now = self._clocks.now()
        due = now + self._window()
        old: list[bytes] = []
        for mark in marks:
            if mark.record.seq <= self._stored.get(mark.key, 0):
                old.append(mark.token)
            else:
                self._dirty.add(mark, now, max(due, self._catch_up.folds.due(mark.key)))
        self._marked.set()
        self._metrics.projector_dirty.set(len(self._dirty))
        await self._acknowledge(old)

    def _window(self) -> float:
        """The more runs are dirty, the longer each waits for more events to join in a visit."""
        limits = self._limits
        load = min(1.0, len(self._dirty) / limits.busy)
        return limits.window + (limits.window_most - limits.window) * load

    async def _visit_runs(self, group: asyncio.TaskGroup) -> None:
        """Visit dirty runs for ever, each when it is due; at once where marks fill the room."""
        while True:
            await self._free.acquire()
            while True:
                wait = self._dirty.due_in(self._clocks.now())
                if wait is not None and (not wait or self._dirty.marks >= self._limits.marks // 2):
                    break
                self._marked.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._marked.wait()
            await self._warm_up()
            if self._dirty.due_in(0) is None:
                self._free.release()
            else:
                group.create_task(self._visit(*self._dirty.visit(), self._generation))

    async def _warm_up(self) -> None:
        """With a long backlog, read what lies between each other together, once for all.

        To search the stream for the events of one run among those of thousands, and then for those
        of the next, costs the server many times more.
        """
        backlog = (self._marks.pending or 0) > self._limits.backlog
        if not backlog or self._dirty.fresh < self._limits.together:
            return
        folds = self._catch_up.folds
        unvisited = self._dirty.unvisited()
        behind = {k: dirty for k, dirty in unvisited.items() if folds.behind(k, dirty)}
        if len(behind) < self._limits.together:
            return
        keys = list(behind)[: self._limits.folds // 2]
        try:
            await self._catch_up.warm(keys, min(behind[key].since for key in keys))
        except Exception as error:  # visits go on without; the one that fails is given up alone
            self._failed("read", error)

    async def _visit(self, key: RunKey, dirty: Dirty, generation: int) -> None:
        """Catch one run up, and acknowledge what its checkpoint stands for."""
        limits = self._limits
        if generation != self._generation:
            dirty.forget_tail()
        try:
            stored = await self._catch_up.visit(
                key, dirty, rest=limits.rest, rest_most=limits.rest_most
            )
            if generation == self._generation:
                await self._settle(key, dirty, stored)
        except BrokerError as error:
            self._failed("catch up", error)
            if generation == self._generation:
                self._dirty.again(key, dirty, self._clocks.now() + RETRY)
        except Exception as error:
            self._failed("catch up", error)
            if generation == self._generation:
                await self._give_up(key, dirty)
        finally:
            self._free.release()
            self._settled.set()
            self._marked.set()

    async def _give_up(self, key: RunKey, dirty: Dirty) -> None:
        """Acknowledge what a fault of ours keeps out of a checkpoint.

        The run's next event tries again; till then it is replayed from its last checkpoint. To keep
        its marks would stop all other runs in the end.
        """
        try:
            await self._settle(key, dirty, dirty.upto, known=False)
        except BrokerError:
            self._dirty.again(key, dirty, self._clocks.now() + RETRY)

    async def _settle(self, key: RunKey, dirty: Dirty, stored: int, *, known: bool = True) -> None:
        """Acknowledge; what the checkpoint does not stand for, the server tells again."""
        covered, rest = dirty.split(stored)
        if rest:
            more = about("events_missing", run=key.run, count=rest)
            log.info("run %s: %d events are not to be had yet", key.run, rest, extra=more)
        if known:
            self._remember(key, stored)
        await self._acknowledge(covered)
        now = self._clocks.now()
        due = max(now + self._window(), self._catch_up.folds.due(key))
        self._dirty.done(key, dirty, due)
        self._metrics.projector_dirty.set(len(self._dirty))

    def _remember(self, key: RunKey, stored: int) -> None:
        self._stored[key] = stored
        self._stored.move_to_end(key)
        while len(self._stored) > self._limits.known:
            self._stored.popitem(last=False)

    async def _acknowledge(self, tokens: Iterable[bytes]) -> None:
        tokens = list(tokens)
        await self._marks.acknowledge(tokens)
        self._metrics.projector_acknowledged.inc(len(tokens))

    async def _sweep_forever(self) -> None:
        """Tell the lag, and have the server wait for what takes longer."""
        while True:
            await asyncio.sleep(SWEEP)
            oldest = self._dirty.oldest()
            lag = 0.0 if oldest == math.inf else max(0.0, self._clocks.wall() - oldest)
            self._metrics.projector_lag.set(lag)
            self._look_whether_caught_up()
            with suppress(BrokerError):
                now = self._clocks.now()
                await self._marks.hold(self._dirty.held(now, self._limits.hold_after))

    def _look_whether_caught_up(self) -> None:
        if self._marks.pending == 0:
            self._caught_up.set()

    def _failed(self, doing: str, error: Exception) -> None:
        self._metrics.projector_failures.labels(doing=doing).inc()
        if isinstance(error, BrokerError):
            self._failures.tell(f"projector, {doing}", error)
        else:
            more = about("projector_failures", doing=doing)
            log.error("projector, %s", doing, exc_info=error, extra=more)
