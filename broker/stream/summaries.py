"""The summary of every run: those that are stored, in order, then each as it is stored.

One ordered consumer on the bucket RUNS sends headers alone. It is made anew from the last sequence
when anything is amiss: a gap, silence, a reconnection. It holds no state that matters.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, NamedTuple, Protocol, Self

from broker.errors import BrokerError, InvalidName
from broker.logs import Failures, about
from broker.metrics import Metrics
from broker.model.subjects import RunKey, decode_token
from broker.stream.checkpoints import SUMMARY
from broker.stream.connection import Connection, Subscription
from broker.stream.headers import status
from broker.stream.topology import CHECKPOINTS, api

log = logging.getLogger(__name__)

SLICE: Final = 100
"""Rows handed over at a time; between two such slices others have their turn."""
HEARTBEAT: Final = 2.0
"""Seconds of silence after which the server says that it is there."""
SILENCE: Final = 2.5
"""So many heartbeats may be missing."""
AGAIN: Final = 0.5
"""Seconds from a failure to the next try."""

_SUMMARY: Final = f"\r\n{SUMMARY}: ".encode()
_LAST_DELIVERED: Final = b"\r\nNats-Last-Consumer: "
_STALLED: Final = b"\r\nNats-Consumer-Stalled: "
_IDLE: Final = 100
"""The status of a message that carries nothing but the rhythm."""

_CONFIG: Final[dict[str, Any]] = {
    "ack_policy": "none",
    "max_deliver": 1,
    "headers_only": True,
    "flow_control": True,
    "inactive_threshold": 30_000_000_000,
    "mem_storage": True,
    "num_replicas": 1,
}


class Receiver(Protocol):
    """What is kept of the summaries."""

    def apply(self, batch: Sequence[tuple[int, bytes]]) -> None:
        """Take encoded summaries in order, each with its stream sequence."""

    def remove(self, run: str, tenant: str) -> None:
        """A run's checkpoint was deleted."""

    def clear(self) -> None:
        """Everything comes again from the beginning."""

    def finish(self) -> Iterator[None]:
        """All that was stored at the start has come; does what is left to do step by step."""


class _Arrived(NamedTuple):
    """A message: a summary, a deletion (without one), or a word that asks for an answer."""

    seq: int
    subject: bytes
    summary: bytes | None
    answer: bytes = b""


class Summaries:
    """Feeds a receiver. Made by `running`."""

    def __init__(
        self, connection: Connection, into: Receiver, metrics: Metrics, heartbeat: float
    ) -> None:
        self._connection = connection
        self._heartbeat = heartbeat
        self._into = into
        self._metrics = metrics
        self._created = ""
        self._last = 0
        """The sequence of the last message handed over."""
        self._head = 0
        """Up to where the bucket went when reading it began."""
        self._finished = asyncio.Event()
        self._began = 0.0
        self._delivered = 0
        """The consumer's own count: one more with each message."""
        self._pending = 0
        """How many messages the server had not sent with the last one."""
        self._queue: deque[_Arrived] = deque()
        self._heard = asyncio.Event()
        self._broken: str | None = None
        self._renewed = False
        self._failures = Failures(log)

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        connection: Connection,
        into: Receiver,
        *,
        metrics: Metrics,
        heartbeat: float = HEARTBEAT,
    ) -> AsyncIterator[Self]:
        """Feed a receiver as long as the block."""
        summaries = cls(connection, into, metrics, heartbeat)
        connection.on_reconnect(lambda: summaries._break("reconnected"))
        async with asyncio.TaskGroup() as group:
            task = group.create_task(summaries._feed_forever(), name="index of runs")
            try:
                yield summaries
            finally:
                task.cancel()

    async def caught_up(self, patience: float) -> None:
        """Wait until all that was stored at the start has come, so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._finished.wait()

    def renew(self) -> None:
        """Begin again: what was handed over is void."""
        self._renewed = True
        self._break("renewed")

    def _break(self, why: str) -> None:
        self._broken = self._broken or why
        self._heard.set()

    async def _feed_forever(self) -> None:
        while True:
            subscription: Subscription | None = None
            try:
                subscription = await self._open()
                await self._feed()
            except BrokerError as error:
                self._failures.tell("reading summaries of runs", error)
                await asyncio.sleep(AGAIN)
            except Exception:
                log.exception("reading summaries of runs", extra=about("summaries_failed"))
                await asyncio.sleep(AGAIN)
            finally:
                if subscription is not None:
                    await subscription.close()

    async def _open(self) -> Subscription:
        """Make a consumer that goes on after the last message."""
        self._broken, self._delivered = None, 0
        self._queue.clear()
        info = await api(self._connection, f"STREAM.INFO.{CHECKPOINTS}")
        if info["created"] != self._created or self._renewed:
            self._created, self._renewed = info["created"], False
            self._last = 0
            self._finished.clear()
            self._began = asyncio.get_running_loop().time()
            self._into.clear()
        self._head = info["state"]["last_seq"]
        inbox = self._connection.new_inbox()
        subscription = await self._connection.subscribe(inbox, self._take)
        try:
            made = await api(
                self._connection,
                f"CONSUMER.CREATE.{CHECKPOINTS}",
                {
                    "stream_name": CHECKPOINTS,
                    "config": _CONFIG
                    | {
                        "deliver_subject": inbox,
                        "idle_heartbeat": int(self._heartbeat * 1e9),
                        "deliver_policy": "by_start_sequence",
                        "opt_start_seq": self._last + 1,
                    },
                },
            )
        except BaseException:
            await subscription.close()
            raise
        if not made.get("num_pending"):
            self._head = 0
        return subscription

    async def _feed(self) -> None:
        """Hand over what comes, until something is amiss."""
        await self._finish_at_head()
        while self._broken is None:
            try:
                async with asyncio.timeout(SILENCE * self._heartbeat):
                    await self._heard.wait()
            except TimeoutError:
                self._break("the server is silent")
            self._heard.clear()
            while self._queue and not self._renewed:
                await self._hand_over()
                await asyncio.sleep(0)
            await self._finish_at_head()
        if self._broken != "renewed":
            log.info(
                "reading summaries of runs from %d again: %s",
                self._last,
                self._broken,
                extra=about("summaries_again"),
            )

    async def _hand_over(self) -> None:
        """Hand over a slice of what has arrived; answer for it only after that."""
        batch: list[tuple[int, bytes]] = []
        for _ in range(min(SLICE, len(self._queue))):
            arrived = self._queue.popleft()
            if arrived.summary is not None:
                batch.append((arrived.seq, arrived.summary))
                continue
            self._apply(batch)
            batch = []
            if arrived.answer:
                await self._connection.publish(arrived.answer.decode(), b"")
            else:
                self._remove(arrived.subject)
                self._last = arrived.seq
        self._apply(batch)
        self._metrics.index_pending.set(self._pending + len(self._queue))

    def _apply(self, batch: list[tuple[int, bytes]]) -> None:
        if batch:
            # Before it is applied: what is a fault of ours would be one the next time too.
            self._last = batch[-1][0]
            self._into.apply(batch)

    def _remove(self, subject: bytes) -> None:
        try:
            key = _run_of(subject)
        except (InvalidName, UnicodeDecodeError):
            return
        self._into.remove(key.run, key.tenant)

    async def _finish_at_head(self) -> None:
        if self._finished.is_set() or self._last < self._head or self._renewed:
            return
        for _ in self._into.finish():
            await asyncio.sleep(0)
        self._finished.set()
        took = asyncio.get_running_loop().time() - self._began
        self._metrics.index_build.set(took)
        log.debug("the runs are indexed, after %.1f s", took, extra=about("index_built"))

    def _take(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        """One message of the consumer."""
        if self._broken is not None:
            return
        if headers is not None and not reply.startswith(b"$JS.ACK."):
            self._take_rhythm(reply, headers)
        else:
            self._take_row(subject, reply, headers or b"")
        self._heard.set()

    def _take_rhythm(self, reply: bytes, headers: bytes) -> None:
        if status(headers) != _IDLE:
            self._break("the consumer is gone")
        elif reply:
            self._queue.append(_Arrived(0, b"", None, reply))
        else:
            if int(_value(headers, _LAST_DELIVERED) or 0) != self._delivered:
                self._break("a message is missing")
            stalled = _value(headers, _STALLED)
            if stalled:
                self._queue.append(_Arrived(0, b"", None, stalled))
            else:  # all has been sent: what else was stored at the start has gone meanwhile
                rows = [arrived.seq for arrived in self._queue if arrived.seq]
                self._head = min(self._head, rows[-1] if rows else self._last)

    def _take_row(self, subject: bytes, reply: bytes, headers: bytes) -> None:
        tokens = reply.split(b".")
        # Newer servers put a domain and an account before the stream's name (ADR-15).
        first = 5 if len(tokens) == 9 else 7
        seq, delivered, pending = int(tokens[first]), int(tokens[first + 1]), tokens[first + 3]
        if delivered != self._delivered + 1:
            self._break("a message is missing")
            return
        self._delivered = delivered
        self._pending = int(pending)
        if pending == b"0":
            self._head = min(self._head, seq)
        self._queue.append(_Arrived(seq, subject, _value(headers, _SUMMARY)))


def _value(headers: bytes, name: bytes) -> bytes | None:
    at = headers.find(name)
    if at < 0:
        return None
    begin = at + len(name)
    return headers[begin : headers.index(b"\r\n", begin)]


def _run_of(subject: bytes) -> RunKey:
    """The run of `$KV.RUNS.<tenant>.<run>`. Raises InvalidName."""
    tokens = subject.decode().split(".")
    if len(tokens) != 4:
        raise InvalidName("encoded", "is no key of the bucket RUNS")
    return RunKey(decode_token(tokens[2]), decode_token(tokens[3]))
