"""Following runs: the stored records, then the republished ones, without a gap between.

Republished messages come at most once, over core NATS. A loss shows with the run's next message
(`follower.py`). The loss of a run's last one shows with nothing, so all last sequences are compared
every few seconds and after each reconnect.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Final, Self

from broker.errors import StreamUnavailable
from broker.logs import Failures, about
from broker.metrics import Metrics
from broker.model.checkpoint import UNREADABLE, unpack
from broker.model.record import Record
from broker.model.state import RunState
from broker.model.subjects import RunKey
from broker.stream.checkpoints import load
from broker.stream.connection import Connection
from broker.stream.follower import Deliver, Follower
from broker.stream.replay import (
    PAGE,
    count_of,
    first_sequence,
    last_sequence,
    last_sequences,
    read,
)
from broker.stream.topology import LOGS, PROGRESS

log = logging.getLogger(__name__)

COMPARE: Final = 5.0
"""Seconds between two comparisons of last sequences."""

_SUBJECT: Final[dict[str, Callable[[RunKey], str]]] = {
    PROGRESS: lambda key: key.subject,
    LOGS: lambda key: key.log_subject,
}
"""Where a run's records are in the streams that are republished, under `live.` and that subject."""


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
        stream: str = PROGRESS,
    ) -> None:
        self.live = live
        self.reads = reads
        self.stream = stream
        self.epoch = epoch
        self.metrics = metrics
        self.failures = Failures(log)
        self.followers: dict[str, Follower] = {}
        self.compared_at = asyncio.get_running_loop().time()
        """When last sequences were compared; what was lost before that is known or being read."""
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
        stream: str = PROGRESS,
    ) -> AsyncIterator[Self]:
        """The runs as one stream has them, with the task that compares last sequences.

        `stream` is PROGRESS for events or LOGS for lines. `verify` makes sure that it exists and
        gives its epoch.
        """
        runs = cls(live, reads, epoch=epoch, verify=verify, metrics=metrics, stream=stream)
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

    async def follow(self, key: RunKey, deliver: Deliver, after: int = 0) -> Follower:
        """Deliver every record of a run after a sequence, stored and to come.

        Returns when the stored ones are delivered. A run is followed once: the caller shares what
        is delivered. Raises StreamUnavailable.
        """
        if not self.live.connected:
            raise StreamUnavailable("follow a run", "NATS is not connected")
        follower = Follower(_SUBJECT[self.stream](key), self, deliver, last=after)
        try:
            await follower.open()
            if not follower.last and self.stream == PROGRESS:
                # Who is told that a run is unknown does not come again.
                last = await last_sequence(self.reads, follower.subject)
                await follower.open_upto(last)
                if last and not follower.last:
                    raise StreamUnavailable("follow a run", "what is stored has not arrived here")
        except BaseException:
            await follower.close()
            raise
        self.followers[follower.subject] = follower
        return follower

    def forget(self, follower: Follower) -> None:
        """It follows no longer."""
        self.followers.pop(follower.subject, None)

    def read(self, key: RunKey, after: int, page_size: int = PAGE) -> AsyncIterator[list[Record]]:
        """The stored records of a run after a sequence, in pages."""
        return self.pages(_SUBJECT[self.stream](key), after, page_size)

    def pages(self, subject: str, after: int, page_size: int = PAGE) -> AsyncIterator[list[Record]]:
        """The stored records of a subject after a sequence, in pages."""
        return read(self.reads, subject, after, page_size=page_size, stream=self.stream)

    async def checkpoint(self, key: RunKey) -> RunState | None:
        """The state of a run to go on from; None where there is none. Raises StreamUnavailable.

        One that cannot be read, be it broken or of another version, is counted and passed over.
        """
        found = await load(self.reads, key, self.epoch)
        if not found.packed:
            return None
        try:
            return await asyncio.to_thread(unpack, found.packed)
        except UNREADABLE as error:
            self.metrics.checkpoints_unreadable.inc()
            more = about("checkpoints_unreadable", run=key.run)
            log.warning("the checkpoint of run %s cannot be read: %s", key.run, error, extra=more)
            return None

    @property
    def away(self) -> float:
        """Seconds since NATS was lost; 0 while it is there."""
        return max(self.live.away, self.reads.away)

    async def unknown(self, key: RunKey) -> bool:
        """Whether nothing is stored of a run, by the word of who stores it.

        Raises StreamUnavailable, also while there is no leader.
        """
        subject = _SUBJECT[self.stream](key)
        return not await last_sequence(self.reads, subject, stream=self.stream)

    async def count(self, key: RunKey) -> int:
        """How many records of a run the stream still holds. Raises StreamUnavailable."""
        return await count_of(self.reads, _SUBJECT[self.stream](key), stream=self.stream)

    async def first_seq(self) -> int:
        """The oldest sequence that the stream still holds."""
        return await first_sequence(self.reads, stream=self.stream)

    def behind(self, key: RunKey, last: int) -> None:
        """Somebody knows that a run's last sequence is `last`: read what is missing here."""
        follower = self.followers.get(_SUBJECT[self.stream](key))
        if follower is not None:
            follower.behind(last, "cursor")

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run a task that ends with this."""
        if self._group is None:
            work.close()
            return
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def verify_soon(self) -> None:
        """Somebody has found what the streams should not be like: look at them now."""
        self._reconnected.set()

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
                self.failures.tell(f"comparing last sequences of {self.stream}", error)

    def _renew(self, epoch: str) -> None:
        if epoch != self.epoch:
            more = about("stream_renewed", stream=self.stream)
            log.warning("the stream was made anew: every run is read again", extra=more)
            self.epoch = epoch
            self.on_new_epoch()

    async def compare(self, found_by: str) -> None:
        """Compare every followed run's last sequence with the stream's.

        What was told of before the answer is waited for: under load it may still be on its way,
        and to read it again, for thousands of runs at once, would cost the server seconds.
        """
        began = asyncio.get_running_loop().time()
        last = await last_sequences(self.reads, list(self.followers), stream=self.stream)
        asked = time.perf_counter()
        await self.live.flush()
        self.metrics.nats_rtt.set(time.perf_counter() - asked)
        for subject, seq in last.items():
            follower = self.followers.get(subject)
            if follower is not None:
                follower.behind(seq, found_by)
        self.compared_at = began
