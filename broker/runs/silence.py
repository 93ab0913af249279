"""Silence: a run whose producer promised to be heard of, and is not, is lost.

A producer that declares `heartbeat_interval` and is not heard of for three of them is lost: then
`run.lost` is appended on condition that nothing was stored since. So a run that was heard of is
never lost, however late this gateway knows of it, and of many gateways one alone appends.

Silence is counted from when this gateway learnt of the run's last event, by a clock that nobody
sets, never from the time in the event: clocks of machines disagree. What a gateway could not have
heard is no silence either: when it starts, or NATS comes back, every producer has its whole
threshold to be heard again.
"""

import math
from collections.abc import Callable, Iterable
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

import msgspec

from broker.metrics import Metrics
from broker.model.cursor import Cursor
from broker.model.events import LARGEST, RunLost
from broker.model.ids import id_of
from broker.model.subjects import RunKey
from broker.model.summary import Summary

MISSED: Final = 3
"""Heartbeats that may be missed."""

_AT_ONCE: Final = 256


class SilenceLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds. `threshold_least` holds however short an interval is declared."""

    threshold_least: float = 1.0
    runs_most: int = 200_000


class Silent(NamedTuple):
    """A run that was not heard of for too long: what to append, if `seq` is still its last."""

    key: RunKey
    seq: int
    event: RunLost


class _Watched:
    __slots__ = ("alarm", "attempt", "cursor", "heard", "key", "last_seen", "threshold")

    def __init__(self, key: RunKey) -> None:
        self.key = key
        self.cursor = Cursor("", 0)
        self.attempt = 1
        self.threshold = 0.0
        self.last_seen: datetime | None = None
        self.heard = 0.0
        """When this gateway learnt of `last_seen`."""
        self.alarm = math.inf
        """When the run is looked at next; infinite while that is for its next summary to say."""


class Silences:
    """Which runs are to be heard of, and which were not. Work is per change, not per look.

    Each run stands in the heap once: to be heard of again moves its deadline, not its alarm, and
    an alarm that is early is put back.
    """

    def __init__(
        self,
        *,
        limits: SilenceLimits,
        now: Callable[[], float],
        epoch: Callable[[], str],
        metrics: Metrics,
    ) -> None:
        self._limits = limits
        self._now = now
        self._epoch = epoch
        self._metrics = metrics
        self._watched: dict[RunKey, _Watched] = {}
        self._alarms: list[tuple[float, int, _Watched]] = []
        self._pushed = 0
        self._contact = now()

    def __len__(self) -> int:
        return len(self._watched)

    @property
    def next_alarm(self) -> float:
        """When `overdue` has something to look at; infinite while there is nothing."""
        return self._alarms[0][0] if self._alarms else math.inf

    def hear(self, summaries: Iterable[Summary]) -> None:
        """Take in how runs stand now."""
        epoch = self._epoch()
        for summary in summaries:
            key = RunKey(summary.tenant, summary.run)
            threshold = self._threshold(summary)
            cursor = None if threshold is None else Cursor.parse(summary.cursor)
            if threshold is None or cursor is None or cursor.epoch != epoch:
                self._watched.pop(key, None)
            else:
                self._hear(key, cursor, threshold, summary)
        self._metrics.silence_watched.set(len(self))

    def renewed(self) -> None:
        """There was no contact until now: nobody could be heard."""
        self._contact = self._now()

    def clear(self) -> None:
        """Forget every run."""
        self._watched.clear()
        self._alarms.clear()

    def overdue(self) -> list[Silent]:
        """The runs that are silent for too long now; each is named once until it is heard of."""
        now, found = self._now(), list[Silent]()
        while self._alarms and self._alarms[0][0] <= now and len(found) < _AT_ONCE:
            alarm, _, watched = heappop(self._alarms)
            if self._watched.get(watched.key) is not watched or watched.alarm != alarm:
                continue
            deadline = self._deadline(watched)
            if deadline > now:
                self._arm(watched, deadline)
            else:
                watched.alarm = math.inf
                found.append(_silent(watched))
        return found

    def again(self, silent: Silent) -> None:
        """What was to be appended could not be: look at the run once more."""
        watched = self._watched.get(silent.key)
        if watched is not None and watched.alarm == math.inf:
            self._arm(watched, self._deadline(watched))

    def _threshold(self, summary: Summary) -> float | None:
        """Seconds of silence after which the run is lost; None where it cannot be."""
        interval = summary.heartbeat_interval
        if summary.status not in ("running", "paused") or not interval:
            return None
        return min(max(MISSED * interval, self._limits.threshold_least), float(LARGEST))

    def _hear(self, key: RunKey, cursor: Cursor, threshold: float, summary: Summary) -> None:
        watched = self._watched.get(key)
        if watched is None:
            if len(self) >= self._limits.runs_most:
                self._metrics.silence_unwatched.inc()
                return
            watched = self._watched[key] = _Watched(key)
            watched.heard = self._now()
        elif watched.last_seen != summary.last_seen:
            watched.heard = self._now()
        watched.cursor, watched.attempt = cursor, summary.attempt
        watched.threshold, watched.last_seen = threshold, summary.last_seen
        deadline = self._deadline(watched)
        if deadline < watched.alarm:
            self._arm(watched, deadline)

    def _deadline(self, watched: _Watched) -> float:
        return max(watched.heard, self._contact) + watched.threshold

    def _arm(self, watched: _Watched, alarm: float) -> None:
        watched.alarm = alarm
        self._pushed += 1
        heappush(self._alarms, (alarm, self._pushed, watched))
        if len(self._alarms) > 2 * len(self._watched) + _AT_ONCE:
            # Runs that have ended leave their alarms behind.
            self._alarms = [
                entry
                for entry in self._alarms
                if entry[2].alarm == entry[0] and self._watched.get(entry[2].key) is entry[2]
            ]
            heapify(self._alarms)


def _silent(watched: _Watched) -> Silent:
    key, cursor = watched.key, watched.cursor
    event = RunLost(
        id=id_of("lost", key.tenant, key.run, str(cursor)),
        attempt=watched.attempt,
        last_seen=watched.last_seen,
        threshold=watched.threshold,
    )
    return Silent(key, cursor.seq, event)
