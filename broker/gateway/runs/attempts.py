"""`?attempt=` and `?at=`: a run as it stood when an earlier attempt ended, or after an event.

A state holds of earlier attempts only how they ended. Such a state is folded from the stored events
again, up to the one that begins a later attempt, or that lies behind the cursor. What comes after
that changes it no more, so that it is kept as it is, as long as there is room.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Final, TypeAlias

from aiohttp import web

from broker.errors import (
    AttemptNotFound,
    InvalidParameter,
    MalformedEvent,
    MomentNotFound,
    StoryNotKept,
    StreamUnavailable,
)
from broker.gateway.process.rounds import Rounds
from broker.metrics import Metrics
from broker.model.bounds import Bounds
from broker.model.cursor import Cursor
from broker.model.decode import decode
from broker.model.events import LARGEST
from broker.model.evolve import Fold, begins_later
from broker.model.record import Record
from broker.model.state import Attempt, RunState, initial
from broker.model.subjects import RunKey
from broker.stream.live import LiveRuns
from broker.views.native import snapshot_json

MAX_AGE: Final = 60
"""Seconds that others may keep what will not change."""
BYTES_MOST: Final = 32 * 1024 * 1024
READS: Final = 4
"""Runs that are read again at a time."""
AT_ONCE: Final = 0.005
"""Seconds for which records are folded before others have their turn. Nearly all take some 20 µs;
one that begins an attempt of 10,000 steps, or plans 5,000, takes ten times as long as this."""

_DIGITS: Final = len(str(LARGEST))

_Place: TypeAlias = tuple[str, RunKey, str, int]
"""The epoch, the run, and which state of it: that of an `attempt`, or `at` a sequence."""
Past: TypeAlias = tuple[Cursor, bytes]
"""The last cursor that a snapshot tells of, and the snapshot."""


def attempt_of(request: web.Request) -> int | None:
    """The attempt in `?attempt=`. Raises InvalidParameter."""
    text = request.query.get("attempt")
    if text is None:
        return None
    number = int(text) if len(text) <= _DIGITS and text.isascii() and text.isdigit() else 0
    if not 1 <= number <= LARGEST:
        raise InvalidParameter("attempt", f"{text[:32]!r} is not a number from 1 to {LARGEST}")
    return number


class Attempts:
    """Snapshots of earlier attempts and moments; those last asked for are kept."""

    def __init__(
        self,
        runs: LiveRuns,
        *,
        bounds: Bounds,
        now: Callable[[], float],
        metrics: Metrics,
        bytes_most: int = BYTES_MOST,
    ) -> None:
        self._runs = runs
        self._now = now
        self._bounds = bounds
        self._metrics = metrics
        self._bytes_most = bytes_most
        self._kept: OrderedDict[_Place, Past] = OrderedDict()
        self._size = 0
        self._reads = asyncio.Semaphore(READS)
        self.turns = Rounds(1)
        """Who folds: of all that read a run again, one in a round of the loop."""

    async def past(self, key: RunKey, attempt: int, state: RunState) -> Past:
        """An attempt of a run that is at a later one by now, as `state` tells.

        Raises AttemptNotFound, StreamUnavailable.
        """
        if attempt > state.attempt:
            raise self._missing(key, attempt, state, expired=False)

        async def folded() -> RunState:
            found = await self._before(key, attempt)
            told = next((past for past in state.attempts if past.attempt == attempt), None)
            if found.attempt != attempt or not found.events or _differs(told, found):
                forgotten = "attempts" in state.truncated and attempt < state.attempts[0].attempt
                raise self._missing(key, attempt, state, expired=told is not None or forgotten)
            return found

        return await self._kept_or((self._runs.epoch, key, "attempt", attempt), folded)

    async def at(self, key: RunKey, seq: int, head: int, events: int) -> Past:
        """A run as it stood after the event of a sequence, or else the last one before it.

        `events` is how many it has had up to its `head`. Raises StoryNotKept, MomentNotFound,
        StreamUnavailable.
        """
        epoch = self._runs.epoch

        async def folded() -> RunState:
            await require_whole(self._runs, key, events)
            found, later = await self._up_to(key, seq, head)
            if found.events + later < events:  # what is no event had stood for those that are gone
                raise StoryNotKept(key.run)
            if not found.events:
                self._metrics.attempt_snapshots.labels(outcome="missing").inc()
                raise MomentNotFound(key.run, str(Cursor(epoch, seq)))
            return found

        return await self._kept_or((epoch, key, "at", seq), folded)

    def _missing(
        self, key: RunKey, attempt: int, state: RunState, *, expired: bool
    ) -> AttemptNotFound:
        self._metrics.attempt_snapshots.labels(outcome="missing").inc()
        there = [*(past.attempt for past in state.attempts), state.attempt]
        return AttemptNotFound(key.run, attempt, there, expired=expired)

    async def _before(self, key: RunKey, attempt: int) -> RunState:
        """The state before the first event of a later attempt."""
        fold = Fold(initial(key.tenant, key.run), self._bounds)
        async with aclosing(self._records(key)) as records:
            async for record in records:
                if _begins_later(record, attempt):
                    break
                fold.add_record(record)
        return fold.state

    async def _up_to(self, key: RunKey, seq: int, head: int) -> tuple[RunState, int]:
        """The state after a sequence, and how many events come later, up to the head."""
        fold, later, last = Fold(initial(key.tenant, key.run), self._bounds), 0, 0
        async with aclosing(self._records(key)) as records:
            async for record in records:
                last = record.seq
                if last > head:
                    break
                if last <= seq:
                    fold.add_record(record)
                else:
                    later += _is_event(record)
        if last < head:
            raise StreamUnavailable("read a run again", "the server that answered is behind")
        return fold.state, later

    async def _records(self, key: RunKey) -> AsyncGenerator[Record, None]:
        """What is stored of a run; whoever waits for a turn has it between two records."""
        until = -math.inf
        async for page in self._runs.read(key, 0):
            for record in page:
                if self._now() >= until:
                    await self.turns.turn()
                    until = self._now() + AT_ONCE
                yield record

    async def _kept_or(self, place: _Place, folded: Callable[[], Awaitable[RunState]]) -> Past:
        """A state that is kept, or else is folded now, of several who want it by the first."""
        kept = self._still_there(place)
        if kept is not None:
            return kept
        async with self._reads:
            kept = self._still_there(place)
            return self._keep(place, await folded()) if kept is None else kept

    def _still_there(self, place: _Place) -> Past | None:
        found = self._kept.get(place)
        if found is not None:
            self._kept.move_to_end(place)
            self._metrics.attempt_snapshots.labels(outcome="kept").inc()
        return found

    def _keep(self, place: _Place, folded: RunState) -> Past:
        self._metrics.attempt_snapshots.labels(outcome="folded").inc()
        found = Cursor(place[0], folded.seq), snapshot_json(folded, place[0])
        if place not in self._kept:
            self._kept[place] = found
            self._size += len(found[1])
        while self._kept and self._size > self._bytes_most:
            _, (_, snapshot) = self._kept.popitem(last=False)
            self._size -= len(snapshot)
        self._metrics.attempt_snapshot_bytes.set(self._size)
        return found


async def require_whole(runs: LiveRuns, key: RunKey, events: int) -> None:
    """Make sure that a run's first events are kept, of so many that it has had.

    Raises StoryNotKept, StreamUnavailable.
    """
    if await runs.count(key) < events:
        raise StoryNotKept(key.run)


def _differs(told: Attempt | None, folded: RunState) -> bool:
    """Whether the attempt that was folded began at another time than the state tells."""
    return told is not None and told.started_at != folded.started_at


def _is_event(record: Record) -> bool:
    try:
        decode(record.payload)
    except MalformedEvent:
        return False
    return True


def _begins_later(record: Record, attempt: int) -> bool:
    """Whether a record is an event that begins a later attempt."""
    if b'"attempt"' not in record.payload and b"\\u" not in record.payload:
        return False
    try:
        return begins_later(decode(record.payload), attempt)
    except MalformedEvent:
        return False
