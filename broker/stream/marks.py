"""The one consumer of PROGRESS, shared by all gateways: which runs have something new.

Each stored message is looked at once: what is no event of a run is copied to DEADLETTER, the rest
becomes a mark. A message whose gateway dies goes to another one after `ACK_WAIT`.
"""

import asyncio
import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from broker.errors import InvalidName, StreamUnavailable
from broker.logs import about
from broker.metrics import Metrics
from broker.model.cursor import Cursor, epoch_of
from broker.model.record import Mark, Record
from broker.model.subjects import RunKey, run_of
from broker.stream.connection import Connection, Subscription
from broker.stream.deadletter import copy, fault
from broker.stream.headers import is_usual_end, status_line
from broker.stream.live import LiveRuns
from broker.stream.places import Place, place_of
from broker.stream.publish import Message, publish_all
from broker.stream.topology import MIB, PROGRESS, api, created_at
from broker.stream.unbroken import Unbroken

log = logging.getLogger(__name__)

CONSUMER: Final = "projector"
ACK_WAIT: Final = 10.0
"""Seconds after which a message that nobody acknowledged or held goes to another gateway."""
BATCH: Final = 1024
"""Messages of one request ..."""
BATCH_BYTES: Final = 8 * MIB
"""... and their bytes."""
WAIT: Final = 2.0
"""Seconds that a request stays open when there is nothing."""
GATHER: Final = 0.02
"""Seconds from the first message to a look at all that came: a look costs more than a message."""

UNWATCHED: Final = 0.5
"""Seconds without an open request after which the consumer may have been deleted unheard, and made
anew by another gateway, which needs longer for that."""

_EARLIER: Final = "malformed"
"""The consumer that earlier versions of the gateway shared in its place."""

_CONFIG: Final[dict[str, Any]] = {
    "durable_name": CONSUMER,
    "deliver_policy": "all",
    "ack_policy": "explicit",
    "ack_wait": int(ACK_WAIT * 1e9),
    "max_ack_pending": 65_536,
}
_REQUEST: Final = b'{"batch":%d,"max_bytes":%d,"expires":%d}'


class _Arrived(NamedTuple):
    subject: bytes
    reply: bytes
    payload: bytes
    place: Place
    since: int


class Marks:
    """This gateway's share of the messages. One request is open at a time."""

    def __init__(self, connection: Connection, runs: LiveRuns, metrics: Metrics) -> None:
        self.pending: int | None = None
        """How many messages no gateway has got yet; None while the server has not told."""
        self._connection = connection
        self._runs = runs
        self._metrics = metrics
        self._inbox = connection.new_inbox()
        self._subscription: Subscription | None = None
        self._asked = 0
        """The number of the last request."""
        self._due = 0
        """Messages that the open request may still bring."""
        self._until = 0.0
        """When the open request is over at the latest."""
        self._heard_at = 0.0
        """When the server last said anything."""
        self._arrived: list[_Arrived] = []
        self._unbroken = Unbroken()
        self._epoch = ""
        """Of the stream that messages come from."""
        self._refusal = ""
        """Why the server ended a request out of turn, such as that the consumer was deleted."""
        self._something = asyncio.Event()
        self._now = asyncio.get_running_loop().time
        connection.on_reconnect(self._returned)

    async def open(self) -> None:
        """Listen, and make sure that the consumer is there. Raises StreamUnavailable.

        Also where the stream was made anew and the gateway has not noticed: until then its
        sequences would be taken for those of the earlier one.
        """
        self.pending = None
        self._unbroken.end()
        if self._subscription is None:
            self._subscription = await self._connection.subscribe(f"{self._inbox}.*", self._take)
        if epoch_of(await created_at(self._connection, PROGRESS)) != self._runs.epoch:
            self._arrived = []
            self._runs.verify_soon()
            raise StreamUnavailable(f"consume {PROGRESS}", "it was made anew")
        if self._epoch != self._runs.epoch:
            self._arrived = []
            self._epoch = self._runs.epoch
        create = {"stream_name": PROGRESS, "config": _CONFIG}
        answer = await api(self._connection, f"CONSUMER.CREATE.{PROGRESS}.{CONSUMER}", create)
        self.pending = int(answer["num_pending"])
        self._due, self._refusal = 0, ""
        self._heard_at = self._now()
        await self._remove_earlier()

    def _returned(self) -> None:
        """The server that is back knows of no request, and may have another stream."""
        self._due, self._refusal = 0, "the connection was lost"
        self._unbroken.end()
        self._something.set()

    async def _remove_earlier(self) -> None:
        """Delete the consumer of an earlier version, unless a gateway of it still reads."""
        try:
            found = await api(self._connection, f"CONSUMER.INFO.{PROGRESS}.{_EARLIER}")
            if not found.get("num_waiting"):
                await api(self._connection, f"CONSUMER.DELETE.{PROGRESS}.{_EARLIER}")
                more = about("consumer_removed")
                log.info("removed the consumer %r of an earlier version", _EARLIER, extra=more)
        except StreamUnavailable as error:
            log.debug("no earlier consumer: %s", error, extra=about("consumer_absent"))

    async def take(self, most: int) -> list[Mark]:
        """The next marks, `most` at most; none after a while of silence.

        Raises StreamUnavailable.
        """
        if not self._arrived and not self._refusal:
            await self._wait(most)
        if self._refusal:
            raise StreamUnavailable("fetch events", self._refusal)
        self._something.clear()
        arrived, self._arrived = self._arrived, []
        try:
            return await self._marks(arrived)
        except StreamUnavailable:
            self._arrived = arrived + self._arrived
            self._runs.verify_soon()
            raise

    async def _wait(self, most: int) -> None:
        """Wait until something arrives, or the server's word that nothing does."""
        if not self._due:
            if self._now() - self._heard_at > UNWATCHED:
                await self.open()
            self._due = min(most, BATCH)
            self._until = self._now() + WAIT + 1
            self._asked += 1
            request = _REQUEST % (self._due, BATCH_BYTES, int(WAIT * 1e9))
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{PROGRESS}.{CONSUMER}"
            await self._connection.publish(subject, request, reply=f"{self._inbox}.{self._asked}")
        try:
            async with asyncio.timeout_at(self._until):
                await self._something.wait()
        except TimeoutError:
            self._due = 0
            raise StreamUnavailable("fetch events", "the consumer does not answer") from None
        if self._due:
            await asyncio.sleep(GATHER)

    async def _marks(self, arrived: list[_Arrived]) -> list[Mark]:
        """Look at messages; what is malformed is copied before anything is acknowledged."""
        marks: list[Mark] = []
        copies: list[Message] = []
        strays: list[bytes] = []
        for subject, reply, payload, place, since in arrived:
            self.pending = place.pending
            record = Record(place.seq, place.stored_at, payload)
            wrong: str | None = None
            try:
                marks.append(Mark(_run_of(subject), record, place.nanoseconds / 1e9, reply, since))
                wrong = fault(payload)
            except InvalidName as error:
                wrong = str(error)
                strays.append(reply)
            except UnicodeDecodeError:
                wrong = "the subject is not valid UTF-8"
                strays.append(reply)
            if wrong is not None:
                cursor = Cursor(self._runs.epoch, place.seq)
                copies.append(copy(subject, payload, cursor, wrong))
        if copies:
            stored = await publish_all(self._connection, copies)
            self._metrics.malformed.inc(sum(not copied.duplicate for copied in stored))
            await self.acknowledge(strays)
        if self._epoch != self._runs.epoch:
            raise StreamUnavailable("fetch events", f"{PROGRESS} was made anew")
        return marks

    async def acknowledge(self, tokens: Iterable[bytes]) -> None:
        """The messages need not be delivered again. Raises StreamUnavailable."""
        await self._answer(tokens, b"PUB %b 4\r\n+ACK\r\n")

    async def hold(self, tokens: Iterable[bytes]) -> None:
        """The messages are still worked on: `ACK_WAIT` begins anew. Raises StreamUnavailable."""
        await self._answer(tokens, b"PUB %b 4\r\n+WPI\r\n")

    async def close(self, tokens: Iterable[bytes]) -> None:
        """Take no more; these messages are for others, now. Raises StreamUnavailable."""
        if self._subscription is not None:
            await self._subscription.close()
            self._subscription = None
        arrived, self._arrived = self._arrived, []
        unread = [message.reply for message in arrived]
        await self._answer([*tokens, *unread], b"PUB %b 4\r\n-NAK\r\n")

    async def _answer(self, tokens: Iterable[bytes], command: bytes) -> None:
        lines = b"".join([command % token for token in tokens])
        if lines:
            await self._connection.send(lines)

    def _take(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        """A message, which comes under its own subject, or the word that the request is over."""
        self._heard_at = self._now()
        if reply:
            place = place_of(reply)
            since = self._unbroken.since(place.delivery, place.seq, again=place.deliveries > 1)
            self._arrived.append(_Arrived(subject, reply, data, place, since))
            self._due = max(0, self._due - 1)
        elif subject.endswith(b".%d" % self._asked):
            self._due = 0
            if headers is not None and not is_usual_end(headers):
                self._refusal = status_line(headers)
                self._unbroken.end()
        self._something.set()


@lru_cache(maxsize=65_536)
def _run_of(subject: bytes) -> RunKey:
    return run_of(subject.decode())
