"""The task that tells of silences: it appends `run.lost`, if nothing was stored since."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final, Self, TypeAlias

from broker.errors import BrokerError, StreamUnavailable, Superseded
from broker.logs import Failures, about
from broker.metrics import Metrics
from broker.model.events import RunLost
from broker.model.subjects import RunKey
from broker.model.summary import Summary
from broker.runs.silence import SilenceLimits, Silences

log = logging.getLogger(__name__)

_PAUSE: Final = 0.02
"""Seconds between two looks, at least, so that alarms close together share one."""
_PAUSE_MOST: Final = 3600.0
"""The most; a timer cannot be set for any time."""

Append: TypeAlias = Callable[[RunKey, RunLost, int], Awaitable[object]]
"""Appends to a run whose last sequence must be the given one. Raises Superseded, and
StreamUnavailable; then it may have been stored."""


class Watchdog:
    """Appends `run.lost` to runs that are silent. Made by `running`."""

    def __init__(self, silences: Silences, append: Append, metrics: Metrics) -> None:
        self._silences = silences
        self._append = append
        self._metrics = metrics
        self._asleep_until = -math.inf
        self._sooner = asyncio.Event()
        self._failures = Failures(log)

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        append: Append,
        *,
        limits: SilenceLimits,
        now: Callable[[], float],
        epoch: Callable[[], str],
        metrics: Metrics,
    ) -> AsyncIterator[Self]:
        """A watchdog as long as the block. `now` is monotonic, in seconds; `epoch` the stream's."""
        silences = Silences(limits=limits, now=now, epoch=epoch, metrics=metrics)
        watchdog = cls(silences, append, metrics)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watchdog._watch(now), name="watch for silence")
            try:
                yield watchdog
            finally:
                watching.cancel()

    def hear(self, summaries: Iterable[Summary]) -> None:
        """Take in how runs stand now; never raises."""
        self._silences.hear(summaries)
        if self._silences.next_alarm < self._asleep_until:
            self._sooner.set()

    def reconnected(self) -> None:
        """NATS was away, and may have been for producers too."""
        self._silences.renewed()

    def renew(self) -> None:
        """The stream was made anew: forget every run."""
        self._silences.clear()

    async def _watch(self, now: Callable[[], float]) -> None:
        while True:
            self._asleep_until = self._silences.next_alarm
            self._sooner.clear()
            pause = min(max(self._asleep_until - now(), _PAUSE), _PAUSE_MOST)
            try:
                async with asyncio.timeout(pause):
                    await self._sooner.wait()
            except TimeoutError:
                await self._declare()

    async def _declare(self) -> None:
        silent = self._silences.overdue()
        for place, each in enumerate(silent):
            try:
                await self._append(each.key, each.event, each.seq)
            except Superseded:
                self._metrics.runs_lost.labels(outcome="superseded").inc()
            except StreamUnavailable as error:
                self._failures.tell("telling that a run is lost", error)
                self._metrics.runs_lost.labels(outcome="unavailable").inc()
                self._silences.renewed()
                for one in silent[place:]:
                    self._silences.again(one)
                return
            except BrokerError as error:
                more = about("runs_lost", outcome="failed", run=each.key.run)
                log.warning("telling that run %s is lost: %s", each.key.run, error, extra=more)
                self._metrics.runs_lost.labels(outcome="failed").inc()
            except Exception:
                more = about("runs_lost", outcome="failed", run=each.key.run)
                log.exception("telling that run %s is lost", each.key.run, extra=more)
                self._metrics.runs_lost.labels(outcome="failed").inc()
            else:
                more = about("runs_lost", outcome="appended", run=each.key.run)
                seconds = each.event.threshold
                log.info("run %s is lost: silent for %g s", each.key.run, seconds, extra=more)
                self._metrics.runs_lost.labels(outcome="appended").inc()
