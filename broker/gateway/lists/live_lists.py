"""The lists that are watched: found or made by query, asked again when runs change, and swept."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Self, TypeAlias

import msgspec

from broker.errors import IndexNotBuilt, Overloaded
from broker.gateway.lists.watched_list import WatchedList
from broker.hub.ports import Timing
from broker.hub.subscriber import Subscriber
from broker.logs import about
from broker.metrics import Metrics
from broker.model.summary import Summary
from broker.runs.index import Index, Row
from broker.runs.query import Query
from broker.views.row import row

log = logging.getLogger(__name__)

ROWS_MAX: Final = 20_000
"""Rows that all lists together may have."""
ROWS_OF_ASKING: Final = 50
"""To ask costs as much as so many rows, and as much again for each word."""
PAUSE: Final = 0.25
"""Seconds from one look at the index to the next, at least, ..."""
PAUSE_MAX: Final = 0.9
"""... and at most: a list is at most a second behind."""
SHARE: Final = 8.0
"""A pause is so many times as long as the look before it took."""
SWEEP: Final = 0.5
"""Seconds between two looks at all clients."""

Estimate: TypeAlias = Callable[[Summary], dict[str, Any] | None]
"""Gives the `eta` of a run; None where nothing is known."""


class ListLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds."""

    ttl: float
    heartbeat: float
    idle_timeout: float
    stall_timeout: float
    retry_min: float = 1.0
    retry_max: float = 5.0


class LiveLists:
    """Every watched list. Made by `running`."""

    def __init__(
        self,
        index: Index,
        *,
        limits: ListLimits,
        timing: Timing,
        metrics: Metrics,
    ) -> None:
        self.limits = limits
        self.estimate: Estimate | None = None
        """What adds an `eta` to rows; None where nothing estimates."""
        self._index = index
        self._timing = timing
        self._metrics = metrics
        self._lists: dict[Query, WatchedList] = {}
        self._changed = asyncio.Event()
        self._draining = False

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        index: Index,
        *,
        limits: ListLimits,
        timing: Timing,
        metrics: Metrics,
    ) -> AsyncIterator[Self]:
        """Lists that live as long as the block."""
        lists = cls(index, limits=limits, timing=timing, metrics=metrics)
        unsubscribe = index.subscribe(lists._note)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(lists._refresh_forever(), name="lists of runs"),
                group.create_task(lists._sweep_forever(), name="sweep of lists"),
            ]
            try:
                yield lists
            finally:
                unsubscribe()
                for task in tasks:
                    task.cancel()
                why = "drain" if lists._draining else "interrupted"
                for each in lists._lists.values():
                    for client in each.clients:
                        lists._dismiss(each, client, why)

    def row(self, found: Row) -> dict[str, Any]:
        """A run as a list shows it now."""
        eta = None if self.estimate is None else self.estimate(found.summary)
        return row(found.summary, eta)

    def watched(self, query: Query) -> WatchedList:
        """The list of a query, up to date.

        Raises IndexNotBuilt, and Overloaded where as many rows are watched as may be.
        """
        if not self._index.built:
            raise IndexNotBuilt(len(self._index))
        known = self._lists.get(query)
        if known is None:
            self._make_room(_rows(query))
            known = self._lists[query] = WatchedList(
                query, self._index, self.row, timing=self._timing, metrics=self._metrics
            )
        if not known.clients or self._timing.now() - known.looked_at >= PAUSE:
            known.refresh()
        known.used_at = self._timing.now()
        return known

    def _make_room(self, rows: int) -> None:
        """Let lists go that nobody watches, while there are too many rows."""
        unused = [each for each in self._lists.values() if not each.clients]
        while sum(map(_rows, self._lists)) + rows > ROWS_MAX:
            if not unused:
                self._metrics.limited.labels("list_rows").inc()
                raise Overloaded("list_rows", ROWS_MAX)
            oldest = min(unused, key=lambda each: each.used_at)
            unused.remove(oldest)
            del self._lists[oldest.query]

    def drain(self, seconds: float) -> None:
        """Let every client go within so many seconds, each at a time of its own."""
        self._draining = True
        now = self._timing.now()
        for each in self._lists.values():
            for client in each.clients:
                if client.expires_at < math.inf:
                    at = now + seconds * self._timing.random()
                    client.expires_at = min(client.expires_at, at)

    def _note(self, changed: Sequence[Summary]) -> None:
        self._changed.set()

    async def _refresh_forever(self) -> None:
        """Ask again at once after a change, and then not for a while.

        The pause grows with what all lists cost, so that they take a bounded share of the time.
        """
        while True:
            await self._changed.wait()
            self._changed.clear()
            took = 0.0
            for each in list(self._lists.values()):
                if each.clients and self._index.built:
                    began = self._timing.now()
                    try:
                        each.refresh()
                    except Exception:  # one list that cannot be shown must not end the others
                        log.exception("showing a list of runs", extra=about("list_failed"))
                    took += self._timing.now() - began + each.told_later
                    each.told_later = 0.0
                    if each.telling:  # and so it was not asked perhaps
                        self._changed.set()
                    await asyncio.sleep(0)
            await asyncio.sleep(min(PAUSE_MAX, max(PAUSE, SHARE * took)))

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            self.sweep()

    def sweep(self) -> None:
        """One look at everything: heartbeats, stalled, old and idle clients, unwatched lists."""
        now, limits = self._timing.now(), self.limits
        clients = held = 0
        for query, each in list(self._lists.items()):
            each.beat(now, limits.heartbeat)
            idle = now - each.changed_at > limits.idle_timeout
            for client in each.clients:
                clients += 1
                held += client.held
                if client.expires_at < math.inf:
                    self._look_at(each, client, idle=idle, now=now)
            if not each.clients and now - each.used_at > limits.ttl:
                del self._lists[query]
        self._metrics.list_clients.set(clients)
        self._metrics.list_clients_held.set(held)
        self._metrics.lists.set(len(self._lists))

    def _look_at(self, each: WatchedList, client: Subscriber, *, idle: bool, now: float) -> None:
        if client.stalled_for(now) > self.limits.stall_timeout:
            client.ended_by = "slow"
            client.sink.abort()
        elif client.closing_at is None and (idle or now > client.expires_at):
            aged = "drain" if self._draining else "max_age"
            self._dismiss(each, client, "idle" if idle else aged)

    def _dismiss(self, each: WatchedList, client: Subscriber, why: str) -> None:
        low, high = self.limits.retry_min, self.limits.retry_max
        wait = low + (high - low) * self._timing.random()
        each.dismiss(client, int(wait * 1000), why=why)


def _rows(query: Query) -> int:
    """How many rows a list counts for."""
    return query.limit + ROWS_OF_ASKING * (1 + len(query.terms))
