"""Following runs: the stored records, then the republished ones, without a gap between.

Republished messages come at most once, over core NATS. Each carries its run's previous sequence,
so a loss shows with the next message; then the stored records are read again. The loss of a run's
last message shows with nothing, so all last sequences are compared every few seconds and after
each reconnect.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Final, Self

from broker.errors import StreamUnavailable
from broker.metrics import Metrics
from broker.model.record import Record
from broker.model.subjects import RunKey
from broker.stream.connection import Connection, Subscription
from broker.stream.headers import LAST_SEQUENCE, SEQUENCE, moment, number
from broker.stream.replay import PAGE, first_sequence, last_sequences, read

log = logging.getLogger(__name__)

COMPARE: Final = 5.0
"""Seconds between two comparisons of last sequences."""

HELD_BACK: Final = 4096
"""Live messages kept while stored ones are read; more are dropped, and read again."""

_BACK_OFF: Final = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)

Deliver = Callable[[Sequence[Record]], None]


class Follower:
    """One followed run: delivers its records in order, each once."""

    def __init__(self, key: RunKey, runs: "LiveRuns", deliver: Deliver) -> None:
        self.subject = key.subject
        self.last = 0
        """The sequence of the last record delivered."""
        self._key = key
        self._runs = runs
        self._deliver = deliver
        self._held: list[tuple[int, Record]] | None = []
        """Live records, each with its run's previous sequence, while stored ones are read."""
        self._subscription: Subscription | None = None
        self._closed = False

    async def open(self) -> None:
        """Deliver what is stored; from then on, what comes."""
        self._subscription = await self._runs.live.subscribe(self._key.live_subject, self._take)
        await self._runs.live.flush()
        await self._read_until_closed_up()

    async def close(self) -> None:
        """Follow no longer."""
        self._closed = True
        self._runs.followers.pop(self.subject, None)
        if self._subscription is not None:
            await self._subscription.close()

    def behind(self, last: int, found_by: str) -> None:
        """The run's last stored sequence is `last`: read what is missing."""
        if last > self.last and self._held is None and not self._closed:
            self._mend(found_by)

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
            self._mend("chain")
            if self._held is not None:
                self._held.append((previous, record))

    def _mend(self, found_by: str) -> None:
        self._held = []
        self._runs.metrics.gaps.labels(found_by=found_by).inc()
        self._runs.spawn(self._mend_until_done())

    async def _mend_until_done(self) -> None:
        """Read the missing records, however long NATS is away."""
        attempt = 0
        while not self._closed:
            try:
                await self._read_until_closed_up()
            except StreamUnavailable as error:
                log.info("reading %s again: %s", self.subject, error)
                await asyncio.sleep(_BACK_OFF[min(attempt, len(_BACK_OFF) - 1)])
                attempt += 1
            else:
                return

    async def _read_until_closed_up(self) -> None:
        """Read stored records until they join the live ones held back.

        In a cluster the server that answers may be behind the one that republished. So the chain
        of sequences decides when reading is over, not the answer.
        """
        attempt = 0
        while not self._closed:
            async for page in read(self._runs.reads, self.subject, self.last):
                self.last = page[-1].seq
                self._deliver(page)
            if self._join():
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


class LiveRuns:
    """Every followed run of this process, over two connections. Made by `running`."""

    def __init__(
        self,
        live: Connection,
        reads: Connection,
        *,
        epoch: str,
        verify: Callable[[], Awaitable[str]],
        metrics: Metrics,
    ) -> None:
        self.live = live
        self.reads = reads
        self.epoch = epoch
        self.metrics = metrics
        self.followers: dict[str, Follower] = {}
        self.on_new_epoch: Callable[[], None] = lambda: None
        """Called when the stream was made anew: nothing that was read of it holds any more."""
        self._verify = verify
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._reconnected = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        live: Connection,
        reads: Connection,
        *,
        epoch: str,
        verify: Callable[[], Awaitable[str]],
        metrics: Metrics,
    ) -> AsyncIterator[Self]:
        """The runs, with the task that compares last sequences.

        `verify` makes sure that the streams exist and gives the epoch.
        """
        runs = cls(live, reads, epoch=epoch, verify=verify, metrics=metrics)
        live.on_reconnect(runs._reconnected.set)
        async with asyncio.TaskGroup() as group:
            runs._group = group
            runs.spawn(runs._compare_forever())
            try:
                yield runs
            finally:
                runs._group = None
                for task in runs._tasks:
                    task.cancel()

    async def follow(self, key: RunKey, deliver: Deliver) -> Follower:
        """Deliver every record of a run, stored and to come; returns when the stored ones are.

        A run is followed once: the caller shares what is delivered. Raises StreamUnavailable.
        """
        if not self.live.connected:
            raise StreamUnavailable("follow a run", "NATS is not connected")
        follower = Follower(key, self, deliver)
        try:
            await follower.open()
        except BaseException:
            await follower.close()
            raise
        self.followers[follower.subject] = follower
        return follower

    def read(self, key: RunKey, after: int, page_size: int = PAGE) -> AsyncIterator[list[Record]]:
        """The stored records of a run after a sequence, in pages."""
        return read(self.reads, key.subject, after, page_size=page_size)

    async def first_seq(self) -> int:
        """The oldest sequence that the stream still holds."""
        return await first_sequence(self.reads)

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run a task that ends with this."""
        if self._group is None:
            work.close()
            return
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _compare_forever(self) -> None:
        verified = True
        while True:
            try:
                async with asyncio.timeout(COMPARE):
                    await self._reconnected.wait()
            except TimeoutError:
                found_by = "comparison"
            else:
                found_by = "reconnect"
                self._reconnected.clear()
                verified = False
            try:
                if not verified:
                    self._renew(await self._verify())
                    verified = True
                await self.compare(found_by)
            except StreamUnavailable as error:
                verified = False
                log.info("comparing last sequences: %s", error)

    def _renew(self, epoch: str) -> None:
        if epoch != self.epoch:
            log.warning("the stream was made anew: every run is read again")
            self.epoch = epoch
            self.on_new_epoch()

    async def compare(self, found_by: str) -> None:
        """Compare every followed run's last sequence with the stream's."""
        last = await last_sequences(self.reads, list(self.followers))
        for subject, seq in last.items():
            follower = self.followers.get(subject)
            if follower is not None:
                follower.behind(seq, found_by)
