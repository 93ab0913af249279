"""Following one run: the stored records, then the republished ones, without a gap between.

Each republished message carries its run's previous sequence, so a loss shows with the next one;
then the stored records are read again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Final, Protocol

from broker.errors import StreamUnavailable
from broker.logs import Failures
from broker.metrics import Metrics
from broker.model.record import Record
from broker.stream.connection import Connection, Subscription
from broker.stream.headers import LAST_SEQUENCE, SEQUENCE, moment, number

HELD_BACK: Final = 4096
"""Live messages kept while stored ones are read; more are dropped, and read again."""

_BACK_OFF: Final = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)

Deliver = Callable[[Sequence[Record]], None]


class Runs(Protocol):
    """What a follower needs of the runs that it is one of."""

    live: Connection
    metrics: Metrics
    failures: Failures

    def pages(self, subject: str, after: int) -> AsyncIterator[list[Record]]:
        """The stored records of a subject after a sequence, in pages."""

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run a task that ends with the runs."""

    def forget(self, follower: "Follower") -> None:
        """It follows no longer."""


class Follower:
    """One followed run: delivers its records after `last` in order, each once."""

    def __init__(self, subject: str, runs: Runs, deliver: Deliver, *, last: int) -> None:
        self.subject = subject
        self.last = last
        """The sequence of the last record delivered."""
        self._runs = runs
        self._deliver = deliver
        self._held: list[tuple[int, Record]] | None = []
        """Live records, each with its run's previous sequence, while stored ones are read."""
        self._subscription: Subscription | None = None
        self._closed = False

    async def open(self) -> None:
        """Deliver what is stored; from then on, what comes."""
        self._subscription = await self._runs.live.subscribe(f"live.{self.subject}", self._take)
        await self._runs.live.flush()
        await self._read_until_closed_up()

    async def open_upto(self, last: int) -> None:
        """Deliver up to a sequence that is stored, although who was asked knew of none."""
        if last > self.last and self._held is None:
            self._held = []
            await self._read_until_closed_up(last)

    async def close(self) -> None:
        """Follow no longer."""
        self._closed = True
        self._runs.forget(self)
        if self._subscription is not None:
            await self._subscription.close()

    def behind(self, last: int, found_by: str) -> None:
        """The run's last stored sequence is `last`: read what is missing."""
        if last > self.last and self._held is None and not self._closed:
            self._mend(found_by, last)

    def _take(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        """One live message."""
        seq = number(headers, SEQUENCE) if headers else None
        if headers is None or seq is None or seq <= self.last or self._closed:
            return
        previous = number(headers, LAST_SEQUENCE) or 0
        record = Record(seq, moment(headers), data)
        if self._held is not None:
            if len(self._held) < HELD_BACK:
                self._held.append((previous, record))
        elif previous == self.last:
            self.last = seq
            self._deliver((record,))
        else:
            self._mend("chain", previous)
            if self._held is not None:
                self._held.append((previous, record))

    def _mend(self, found_by: str, upto: int) -> None:
        self._held = []
        self._runs.metrics.gaps.labels(found_by=found_by).inc()
        self._runs.spawn(self._mend_until_done(upto))

    async def _mend_until_done(self, upto: int) -> None:
        """Read the missing records, however long NATS is away, or until nobody wants them."""
        attempt = 0
        while not self._closed:
            try:
                await self._read_until_closed_up(upto)
            except StreamUnavailable as error:
                self._runs.failures.tell("reading a run again", error)
                await asyncio.sleep(_BACK_OFF[min(attempt, len(_BACK_OFF) - 1)])
                attempt += 1
            else:
                break
        self._runs.metrics.gaps_mended.inc()

    async def _read_until_closed_up(self, upto: int = 0) -> None:
        """Read stored records until they join the live ones held back, and reach `upto`.

        In a cluster the server that answers may be behind the one that republished. So the chain
        of sequences decides when reading is over, not the answer. What it leads to may have been
        removed meanwhile: then the next comparison begins anew.
        """
        attempt = 0
        while not self._closed:
            async for page in self._runs.pages(self.subject, self.last):
                self.last = page[-1].seq
                self._deliver(page)
            arrived = self.last >= upto or attempt >= len(_BACK_OFF)
            if arrived and self._join():
                return
            await asyncio.sleep(_BACK_OFF[min(attempt, len(_BACK_OFF) - 1)])
            attempt += 1

    def _join(self) -> bool:
        """Deliver the records held back that follow on; True if that was all of them."""
        held = self._held or []
        overflowed = len(held) >= HELD_BACK
        for at, (previous, record) in enumerate(held):
            if record.seq <= self.last:
                continue
            if previous != self.last:
                self._held = held[at:]
                return False
            self.last = record.seq
            self._deliver((record,))
        self._held = [] if overflowed else None
        return not overflowed
