"""Every stream of many runs: taken over here, swept here, and told here how far it has come."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Self

import msgspec

from broker.gateway.many.bundle import Bundle, Ways
from broker.gateway.many.showing import Endings, Showing, tell_departed
from broker.hub.ports import Timing
from broker.hub.registry import Registry
from broker.metrics import Metrics
from broker.model.cursor import Cursor
from broker.model.heads import Heads
from broker.protocol.sse import Framing
from broker.runs.index import Index
from broker.runs.query import Query
from broker.stream.live import LiveRuns

SWEEP: Final = 0.5
"""Seconds between two looks at the streams that are due."""
COMMIT: Final = 1.0
"""Seconds from one look at a stream, and so from one cursor, to the next, at least, ..."""
COMMIT_PER_RUN: Final = 0.005
"""... and so much more for each of its runs, since each is looked at."""
SURE: Final = 12.0
"""Seconds since sequences were compared last, after which nobody is told a cursor."""

_INTERRUPTED: Final = "interrupted"


class BundleLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds."""

    heartbeat: float
    max_age: float
    idle_timeout: float
    stall_timeout: float
    retry_min: float = 1.0
    retry_max: float = 5.0


class Bundles:
    """The streams and the one sweep. Made by `running`."""

    def __init__(
        self,
        registry: Registry,
        runs: LiveRuns,
        index: Index,
        *,
        limits: BundleLimits,
        timing: Timing,
        metrics: Metrics,
    ) -> None:
        self.limits = limits
        self._runs = runs
        self._timing = timing
        self._metrics = metrics
        self._open: dict[Bundle, Callable[[str], None]] = {}
        self._draining = False
        endings = Endings(whole=self._commit, ended=self._ended, cut=self._farewell)
        self.showing = Showing(
            registry, runs, index, endings=endings, timing=timing, metrics=metrics
        )
        self._ways = Ways(
            over=self.showing.over,
            interrupted=partial(self._farewell, reason=_INTERRUPTED),
            whole=self._commit,
            released=self.showing.released,
            gone=self._gone,
            timing=timing,
        )

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        registry: Registry,
        runs: LiveRuns,
        index: Index,
        *,
        limits: BundleLimits,
        timing: Timing,
        metrics: Metrics,
    ) -> AsyncIterator[Self]:
        """Streams that live as long as the block; then they are ended, to be resumed."""
        bundles = cls(registry, runs, index, limits=limits, timing=timing, metrics=metrics)
        async with asyncio.TaskGroup() as tasks:
            own = [
                tasks.create_task(bundles._sweep_forever(), name="bundle sweep"),
                tasks.create_task(bundles.showing.run(tasks), name="runs of bundles"),
            ]
            try:
                yield bundles
            finally:
                for task in own:
                    task.cancel()
                bundles.renew()

    def take(
        self,
        transport: asyncio.Transport,
        events: Framing,
        query: Query | None,
        closed: Callable[[str], None],
    ) -> Bundle:
        """A bundle for a connection; `closed` is told why it is gone."""
        now = self._timing.now()
        max_age = self.limits.max_age * (0.8 + 0.2 * self._timing.random())
        bundle = Bundle(transport, events, self._ways, query=query, expires_at=now + max_age)
        self._open[bundle] = closed
        self._metrics.bundles.set(len(self._open))
        return bundle

    def drain(self, seconds: float) -> None:
        """Let every stream go within so many seconds, each at a time of its own."""
        self._draining = True
        now = self._timing.now()
        for bundle in self._open:
            bundle.expires_at = min(bundle.expires_at, now + seconds * self._timing.random())
            bundle.due = now

    def renew(self) -> None:
        """Let every client come back: its runs are to be read again."""
        for bundle in list(self._open):
            self._farewell(bundle, "drain" if self._draining else _INTERRUPTED)

    def _gone(self, bundle: Bundle) -> None:
        self.showing.selections.remove(bundle)
        self._open.pop(bundle)(bundle.ended_by)
        self._metrics.bundles.set(len(self._open))

    def _ended(self, bundle: Bundle, heads: Heads) -> None:
        """Say that every run has ended; with this cursor nobody comes back for more."""
        said = msgspec.json.encode({"runs": len(bundle.parts)})
        last_words = bundle.events.message("end", said, str(heads)) + bundle.events.close()
        bundle.finish(last_words, why="end")

    def _farewell(self, bundle: Bundle, reason: str) -> None:
        """End a stream that may be resumed, at a time that differs from client to client."""
        if bundle.closing_at is not None:
            return
        if reason != _INTERRUPTED:
            self._commit(bundle)
        low, high = self.limits.retry_min, self.limits.retry_max
        wait = low + (high - low) * self._timing.random()
        last_words = bundle.events.retry(int(wait * 1000)) + bundle.events.close()
        bundle.finish(last_words, why=reason)

    def _commit(self, bundle: Bundle) -> bool:
        """Tell a client that lacks nothing how far it has come; False if it knows already."""
        now = self._timing.now()
        if bundle.behind or now - self._runs.compared_at > SURE:
            return False
        if bundle.departed:
            tell_departed(bundle)
        reached = (max(bundle.head, bundle.committed[0]), bundle.members)
        if reached == bundle.committed or not reached[0]:
            return False
        bundle.committed, bundle.changed_at, bundle.wrote_at = reached, now, now
        cursor = str(Heads(Cursor(self._runs.epoch, reached[0]), reached[1]))
        said = b'{"cursor":"%b"}' % cursor.encode()
        bundle.write(bundle.events.message("cursor", said, cursor))
        return True

    # The sweep.

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            self.sweep()

    def sweep(self) -> None:
        """One look at the streams that are due."""
        now = self._timing.now()
        for bundle in [bundle for bundle in self._open if bundle.due <= now]:
            self._look_at(bundle, now)

    def _look_at(self, bundle: Bundle, now: float) -> None:
        if bundle.held or bundle.closing_at is not None:
            if bundle.stuck_for(now) > self.limits.stall_timeout:
                bundle.abort("slow")
        elif now >= bundle.expires_at:
            self._farewell(bundle, "drain" if self._draining else "max_age")
        else:
            if not self._commit(bundle) and now - bundle.wrote_at >= self.limits.heartbeat:
                self._break_silence(bundle, now)
            pause = COMMIT + COMMIT_PER_RUN * len(bundle.parts)
            bundle.due = min(bundle.expires_at, now + pause)

    def _break_silence(self, bundle: Bundle, now: float) -> None:
        if now - bundle.changed_at > self.limits.idle_timeout:
            self._farewell(bundle, "idle")
        else:
            bundle.wrote_at = now
            bundle.write(bundle.events.heartbeat)
