"""Messages of dialects on DIALECTS: taken in their order by one gateway at a time, and settled.

All gateways share one durable consumer, which is pinned: its messages go to one gateway until that
has not asked for `PINNED` seconds. What a gateway had taken and not acknowledged when it died comes
again only after `ACK_WAIT`, behind newer messages. So whoever begins, or begins again, gathers
first: it hands nothing out before as many messages are in its hands as the consumer counts as taken
and not acknowledged, which are then all of them, and hands them out in the order of the stream.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from broker.errors import StreamUnavailable
from broker.logs import about
from broker.model.cursor import Cursor, epoch_of
from broker.stream.connection import Connection, Subscription
from broker.stream.headers import is_usual_end, status, status_line
from broker.stream.places import place_of
from broker.stream.topology import DIALECTS, MIB, api, created_at

log = logging.getLogger(__name__)

CONSUMER: Final = "dialects"
ACK_WAIT: Final = 5.0
"""Seconds after which a message that nobody acknowledged goes to the pinned gateway again."""
PINNED: Final = 5.0
"""Seconds without a request after which another gateway is pinned."""
WAIT: Final = 2.0
"""Seconds that a request stays open when there is nothing; less than `PINNED`."""
BATCH: Final = 256
"""Messages of one request."""
MOST_TAKEN: Final = 1024
"""Messages that may be taken and not acknowledged."""
BATCH_BYTES: Final = 8 * MIB
FRESH: Final = 1.0
"""Seconds for which what came is held without doubt; less than `ACK_WAIT`."""

_GROUP: Final = "gateways"
_PIN: Final = b"\r\nNats-Pin-Id: "
_NOT_PINNED: Final = 423
_CONFIG: Final[dict[str, Any]] = {
    "durable_name": CONSUMER,
    "deliver_policy": "all",
    "ack_policy": "explicit",
    "ack_wait": int(ACK_WAIT * 1e9),
    "max_ack_pending": MOST_TAKEN,
    "priority_policy": "pinned_client",
    "priority_groups": [_GROUP],
    "priority_timeout": int(PINNED * 1e9),
}


class Foreign(NamedTuple):
    """A message as its producer sent it; `again` where it was handed out before."""

    subject: bytes
    payload: bytes
    reply: bytes
    cursor: Cursor
    stored_at: datetime
    again: bool


class ForeignMessages:
    """This gateway's hands on the messages. One request is open at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._inbox = connection.new_inbox()
        self._subscription: Subscription | None = None
        self._epoch = ""
        self._created = ""
        """When the consumer was made."""
        self._pin = ""
        """What the server calls the pinned one, if that is this gateway."""
        self._gathered = False
        self._held: dict[int, Foreign] = {}
        """What came and was not handed out, by sequence ..."""
        self._held_since = 0.0
        """... and when the first of it came."""
        self._asked = 0
        """The number of the last request."""
        self._due = 0
        """Messages that the open request may still bring."""
        self._refusal = ""
        """Why the server ended a request out of turn."""
        self._something = asyncio.Event()
        connection.on_reconnect(self._returned)

    async def open(self) -> None:
        """Listen, make sure that the consumer is there, and begin to gather.

        Raises StreamUnavailable.
        """
        if self._subscription is None:
            self._subscription = await self._connection.subscribe(f"{self._inbox}.*", self._take)
        self._epoch = epoch_of(await created_at(self._connection, DIALECTS))
        create = {"stream_name": DIALECTS, "config": _CONFIG}
        answer = await api(self._connection, f"CONSUMER.CREATE.{DIALECTS}.{CONSUMER}", create)
        self._created = answer["created"]
        held, self._held = self._held, {}
        await self.give_back(held.values())
        self._gathered = False
        self._due, self._refusal = 0, ""

    async def take(self) -> list[Foreign]:
        """The next messages, in the order of the stream; none after a while of silence.

        All of them must be settled before more are taken. Raises StreamUnavailable.
        """
        await self._wait()
        if asyncio.get_running_loop().time() - self._held_since > FRESH:
            self._gathered = False
        if self._held and not self._gathered:
            self._gathered = await self._has_all()
        if self._refusal:
            raise StreamUnavailable("take messages of dialects", self._refusal)
        if not self._gathered:
            return []
        self._something.clear()
        held, self._held = self._held, {}
        return [held[seq] for seq in sorted(held)]

    async def acknowledge(self, messages: Iterable[Foreign]) -> None:
        """The messages need not come again. Raises StreamUnavailable."""
        await self._answer(messages, b"PUB %b 4\r\n+ACK\r\n")

    async def give_back(self, messages: Iterable[Foreign]) -> None:
        """The messages are to come again, now. Raises StreamUnavailable."""
        await self._answer(messages, b"PUB %b 4\r\n-NAK\r\n")

    async def close(self) -> None:
        """Take no more: what is held, and the turn, is for others, now."""
        if self._subscription is not None:
            # What was given back before may be sent to the open request of this gateway again.
            await self._subscription.close(hear_out=True)
            self._subscription = None
        with suppress(StreamUnavailable):
            await self.give_back(self._held.values())
            if self._pin:
                unpin = msgspec.json.encode({"group": _GROUP})
                await self._connection.request(
                    f"$JS.API.CONSUMER.UNPIN.{DIALECTS}.{CONSUMER}", unpin
                )
        self._held, self._pin = {}, ""

    async def _wait(self) -> None:
        """Wait until something arrives, or the server's word that nothing does."""
        if self._held and self._gathered:
            return
        if not self._due:
            self._due = BATCH
            self._asked += 1
            request = {
                "batch": BATCH,
                "max_bytes": BATCH_BYTES,
                "expires": int(WAIT * 1e9),
                "group": _GROUP,
            }
            if self._pin:
                request["id"] = self._pin
            await self._connection.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{DIALECTS}.{CONSUMER}",
                msgspec.json.encode(request),
                reply=f"{self._inbox}.{self._asked}",
            )
        try:
            async with asyncio.timeout(WAIT + 1):
                await self._something.wait()
            self._something.clear()
        except TimeoutError:
            self._due = 0
            raise StreamUnavailable(
                "take messages of dialects", "the consumer does not answer"
            ) from None

    async def _has_all(self) -> bool:
        """Whether everything that is taken and not acknowledged is held here.

        As long as this gateway is pinned, what it holds is part of that, so the numbers decide;
        what comes after the question does not count. Raises StreamUnavailable also where that is
        another consumer than before, perhaps of a stream made anew: others have made it meanwhile.
        """
        held = len(self._held)
        found = await api(self._connection, f"CONSUMER.INFO.{DIALECTS}.{CONSUMER}")
        if found["created"] != self._created:
            raise StreamUnavailable("take messages of dialects", "the consumer was made anew")
        (group,) = found["priority_groups"]
        return (
            int(found["num_ack_pending"]) <= held and group.get("pinned_client_id", "") == self._pin
        )

    async def _answer(self, messages: Iterable[Foreign], command: bytes) -> None:
        lines = b"".join([command % message.reply for message in messages])
        if lines:
            await self._connection.send(lines)

    def _returned(self) -> None:
        """The server that is back knows of no request, and may have given the turn to another."""
        self._due, self._refusal = 0, "the connection was lost"
        self._something.set()

    def _take(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        """A message, which comes under its own subject, or the word that the request is over."""
        if reply:
            self._note_pin(_pin_in(headers or b""))
            if not self._held:
                self._held_since = asyncio.get_running_loop().time()
            place = place_of(reply)
            held = self._held.get(place.seq)
            self._held[place.seq] = Foreign(
                subject,
                data,
                reply,
                Cursor(self._epoch, place.seq),
                place.stored_at,
                # What waits here for too long comes again, and was in nobody else's hands.
                place.deliveries > 1 if held is None else held.again,
            )
            self._due = max(0, self._due - 1)
        elif subject.endswith(b".%d" % self._asked):
            self._due = 0
            if headers is not None and status(headers) == _NOT_PINNED:
                more = about("dialects_elsewhere")
                log.info("another gateway translates the messages of dialects", extra=more)
                self._note_pin("")
            elif headers is not None and not is_usual_end(headers):
                self._refusal = status_line(headers)
        self._something.set()

    def _note_pin(self, pin: str) -> None:
        """What was held by an earlier turn may be in other hands by now."""
        if pin != self._pin:
            self._pin = pin
            self._held = {}
            self._gathered = False


def _pin_in(headers: bytes) -> str:
    """The server's own header, which stands behind any of the publisher's."""
    begin = headers.rfind(_PIN)
    if begin < 0:
        return ""
    begin += len(_PIN)
    return headers[begin : headers.index(b"\r\n", begin)].decode(errors="replace")
