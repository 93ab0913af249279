"""Malformed payloads: found once among all gateways, counted, and copied to DEADLETTER.

One durable consumer, shared by every gateway, looks at each stored event once. A fold skips what
is malformed by itself; this is so that somebody hears of it.
"""

import asyncio
import logging
from typing import Any, Final

from broker.errors import BrokerError, InvalidName, MalformedEvent, StreamUnavailable
from broker.metrics import Metrics
from broker.model.cursor import Cursor
from broker.model.decode import decode
from broker.model.subjects import DEFAULT_TENANT, encode_token, run_of
from broker.stream.connection import Connection, Subscription
from broker.stream.live import LiveRuns
from broker.stream.publish import Message, publish_all
from broker.stream.topology import PROGRESS, api

log = logging.getLogger(__name__)

CONSUMER: Final = "malformed"
BATCH: Final = 512
WAIT: Final = 5.0
"""Seconds that a request for an event stays open when there is none."""

_CONFIG: Final[dict[str, Any]] = {
    "durable_name": CONSUMER,
    "deliver_policy": "all",
    "ack_policy": "explicit",
    "ack_wait": 30_000_000_000,
    "max_ack_pending": 4 * BATCH,
}


async def inspect(connection: Connection, *, runs: LiveRuns, metrics: Metrics) -> None:
    """Look at every stored event, for ever."""
    inbox = _Inbox(connection)
    ready = False
    while True:
        try:
            if not ready:
                await inbox.open()
                await _ensure_consumer(connection)
                ready = True
            await _inspect_batch(connection, inbox, runs.epoch, metrics)
        except BrokerError as error:
            ready = False
            log.info("looking for malformed events: %s", error)
            await asyncio.sleep(1.0)


async def _ensure_consumer(connection: Connection) -> None:
    await api(
        connection,
        f"CONSUMER.CREATE.{PROGRESS}.{CONSUMER}",
        {"stream_name": PROGRESS, "config": _CONFIG},
    )


async def _inspect_batch(
    connection: Connection, inbox: "_Inbox", epoch: str, metrics: Metrics
) -> None:
    batch = await inbox.fetch(b'{"batch":1,"expires":%d}' % int(WAIT * 1e9), 1)
    if batch:
        batch += await inbox.fetch(b'{"batch":%d,"no_wait":true}' % BATCH, BATCH)
    copies = []
    for subject, reply, payload in batch:
        reason = _fault(subject, payload)
        if reason is not None:
            copies.append(_copy(subject, _sequence(reply), payload, epoch, reason))
    if copies:
        await publish_all(connection, copies)
        metrics.malformed.inc(len(copies))
    if batch:
        await connection.send(b"".join([b"PUB %b 4\r\n+ACK\r\n" % reply for _, reply, _ in batch]))


class _Inbox:
    """Where the consumer's messages arrive: under their own subjects, so by subscription."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._subject = connection.new_inbox()
        self._subscription: Subscription | None = None
        self._found: list[tuple[bytes, bytes, bytes]] = []
        self._most = 0
        self._finished = asyncio.Event()

    async def open(self) -> None:
        """Subscribe; once is enough, for subscriptions survive reconnects."""
        if self._subscription is None:
            self._subscription = await self._connection.subscribe(self._subject, self._take)

    async def fetch(self, request: bytes, most: int) -> list[tuple[bytes, bytes, bytes]]:
        """The next events, as (subject, acknowledgement subject, payload), `most` at most."""
        self._found, self._most = [], most
        self._finished.clear()
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{PROGRESS}.{CONSUMER}"
        await self._connection.publish(subject, request, reply=self._subject)
        try:
            async with asyncio.timeout(WAIT + 1):
                await self._finished.wait()
        except TimeoutError:
            if not self._found:
                raise StreamUnavailable("fetch events", "the consumer does not answer") from None
        return self._found

    def _take(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        """An event, which has an acknowledgement subject, or the word that there are no more."""
        if reply:
            self._found.append((subject, reply, data))
        if not reply or len(self._found) >= self._most:
            self._finished.set()


def _fault(subject: bytes, payload: bytes) -> str | None:
    """What is wrong with a stored message; None where it is an event of a run."""
    try:
        run_of(subject.decode())
        decode(payload)
    except InvalidName as error:
        return str(error)
    except UnicodeDecodeError:
        return "the subject is not valid UTF-8"
    except MalformedEvent as malformed:
        return malformed.reason
    return None


def _copy(subject: bytes, seq: int, payload: bytes, epoch: str, reason: str) -> Message:
    """The message for DEADLETTER: the payload as it is, what is wrong beside it."""
    try:
        tenant = encode_token(run_of(subject.decode()).tenant, "tenant")
    except (InvalidName, UnicodeDecodeError):
        tenant = DEFAULT_TENANT
    cursor = str(Cursor(epoch, seq))
    return Message(
        f"deadletter.{tenant}",
        payload,
        cursor,
        {
            "Broker-Reason": reason.encode("ascii", "backslashreplace").decode()[:512],
            "Broker-Subject": subject.decode("ascii", "backslashreplace"),
            "Broker-Cursor": cursor,
        },
    )


def _sequence(reply: bytes) -> int:
    """The stream sequence in `$JS.ACK.<stream>.<consumer>.<count>.<seq>.…`, from the right.

    Newer servers put a domain and an account before the stream's name (ADR-15).
    """
    tokens = reply.split(b".")
    return int(tokens[5] if len(tokens) == 9 else tokens[7])
