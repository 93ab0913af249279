"""Where every thread of a pipeline leaves its events, and the sender finds them.

One lock guards the outbox, the timers and whatever of runs and steps must change in one piece. It
is never held while waiting, so that a report costs microseconds on any thread. The loop is told
that something waits, once, however many events follow until it looks.
"""

import asyncio
import heapq
import itertools
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from broker.producer.compose import compose
from broker.producer.ids import Ulids
from broker.producer.outbox import Entry, Kind, Lane, Outbox

log = logging.getLogger("broker.producer")

MOST_WARNINGS: Final = 100
"""Different warnings that one producer gives."""

_CLOSED: Final = (
    "%s came after its Producer was closed and is not reported: "
    "end runs inside `async with Producer.connect(...)`"
)
_FORKED: Final = (
    "%s is not reported, since its Producer belongs to the process that this one was forked from: "
    "connect another one here"
)


class Spool:
    """The outbox with a lock, ids, timers and a bell."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self.lock = threading.RLock()
        self.outbox = outbox
        self.now = now
        self.monotonic = monotonic
        self.new_id = Ulids(now, random_bytes)
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._rung = asyncio.Event()
        self._ringing = False
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._tickets = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._warned: set[object] = set()
        self._refusal = _CLOSED
        _spools.add(self)

    def forked(self) -> None:
        """Take nothing in, in a forked process: neither loop nor connection works for it here."""
        self.lock = threading.RLock()  # a thread of the other process may hold the old one
        self.closed, self._refusal = True, _FORKED
        self._timers.clear()
        self._warned.clear()

    def put(self, lane: Lane | None, kind: Kind, fields: dict[str, Any]) -> Entry | None:
        """Let an event wait to be stored, with an id, and the present time unless it has one."""
        with self.lock:
            if lane is None:
                return None
            if self.closed:
                self.outbox.dropped[kind] += 1
                self.warn("closed", self._refusal, fields["type"])
                return None
            entry = self.compose(lane, kind, fields)
            if entry is None:
                return None
            if self.outbox.add(entry):
                self.warn(
                    "full",
                    "the buffer of events that wait for NATS is full: the oldest progress and log "
                    "lines are dropped; `producer.dropped` counts them",
                )
            if not self._ringing:
                self._ringing = True
                self.on_loop(self._rung.set)
            return entry

    def compose(self, lane: Lane, kind: Kind, fields: dict[str, Any]) -> Entry | None:
        """The event as `put` lets it wait, for who stores it otherwise."""
        fields.setdefault("time", self.now())
        event_id = self.new_id()
        payload, problems = compose({"type": fields["type"], "id": event_id, **fields})
        for problem in problems:
            self.warn(
                ("event", fields["type"], problem.partition(":")[0]),
                "%s is not reported%s: %s; give values that JSON can express",
                fields["type"],
                "" if payload is None else " in full",
                problem,
            )
        return None if payload is None else Entry(event_id, lane, kind, payload)

    def ring(self) -> None:
        """Wake whoever waits for the bell; on the loop's thread."""
        self._rung.set()

    async def bell(self) -> None:
        """Wait until something new waits in the outbox, or someone rang."""
        await self._rung.wait()
        with self.lock:
            self._ringing = False
            self._rung.clear()

    def later(self, due: float, call: Callable[[], None]) -> None:
        """Have `call` called on the loop, under the lock, at a time of the monotonic clock."""
        with self.lock:
            if self.closed:
                return
            first = not self._timers or due < self._timers[0][0]
            heapq.heappush(self._timers, (due, next(self._tickets), call))
            if first:
                self.on_loop(self._arm)

    def close(self) -> None:
        """Take nothing more in; on the loop's thread."""
        with self.lock:
            self.closed = True
            self._timers.clear()
            self._arm()

    def warn(self, key: object, text: str, *values: object, cause: Exception | None = None) -> None:
        """Log a warning, the first time for its key."""
        with self.lock:
            if key in self._warned or len(self._warned) >= MOST_WARNINGS:
                return
            self._warned.add(key)
        log.warning(text, *values, exc_info=cause)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._timers:
            delay = max(0.0, self._timers[0][0] - self.monotonic())
            self._timer = self._loop.call_later(delay, self._fire)

    def _fire(self) -> None:
        with self.lock:
            self._timer = None
            now = self.monotonic()
            while self._timers and self._timers[0][0] <= now:
                heapq.heappop(self._timers)[2]()
            self._arm()

    def on_loop(self, call: Callable[[], None]) -> None:
        """Have `call` called on the loop: at once where this is its thread."""
        if self._loop.is_closed():
            self.closed = True
        elif threading.get_ident() == self._thread:
            call()
        else:
            try:
                self._loop.call_soon_threadsafe(call)
            except RuntimeError:  # the loop has ended before the pipeline's threads
                self.closed = True


_spools: Final[weakref.WeakSet[Spool]] = weakref.WeakSet()


def _forked() -> None:
    for spool in list(_spools):
        spool.forked()


if sys.platform != "win32":  # where no process forks
    os.register_at_fork(after_in_child=_forked)
