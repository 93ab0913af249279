"""One WebSocket: the protocol of a connection taken over from aiohttp, and its subscriptions.

It has no task, timer or queue of its own; while it does not read what it is sent, nothing that it
sends is read.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from broker.gateway.http.carrier import Carrier
from broker.hub.ports import Timing
from broker.metrics import Metrics
from broker.protocol import websocket
from broker.protocol.close import Close

if TYPE_CHECKING:
    from broker.gateway.sockets.subscription import Key, Subscription

MESSAGE_MAX: Final = 16 * 1024

ENDED_BY: Final[dict[Close, str]] = {
    Close.NORMAL: "end",
    Close.GOING_AWAY: "max_age",
    Close.INTERNAL: "error",
    Close.RESTART: "interrupted",
    Close.UNKNOWN_RUN: "unknown_run",
    Close.TOO_SLOW: "slow",
    Close.TOO_MANY: "limit",
}
"""Why a socket ends, as it is counted; with every other code the client broke the rules."""
_BURST: Final = 64
"""Frames read at once, before others have their turn."""


class Ways(NamedTuple):
    """What every socket shares."""

    hear: Callable[["Socket", bytes], None]
    """Called with a message that the client sent."""
    gone: Callable[["Socket"], None]
    """Called when the connection is closed."""
    timing: Timing
    metrics: Metrics


class Socket(Carrier["Subscription"]):
    """Reads what a client says, and does it."""

    __slots__ = (
        "_asleep",
        "_reader",
        "_ways",
        "bad",
        "client",
        "commands",
        "heard_at",
        "pinged_at",
        "subscriptions",
    )

    def __init__(
        self, transport: asyncio.Transport, ways: Ways, client: str, *, expires_at: float
    ) -> None:
        now = ways.timing.now()
        super().__init__(transport, now, expires_at=expires_at)
        self._ways = ways
        self.client = client
        """Who it is, for limits."""
        self.commands = 0
        """How many are being carried out for it."""
        self.subscriptions: dict[Key, Subscription] = {}
        self.bad = 0
        """Messages that were refused."""
        self.heard_at = self.pinged_at = now
        self._reader: websocket.Reader | None = None
        """Only while something is half read."""
        self._asleep = False
        """Whether reading goes on by itself in a moment."""

    @property
    def served(self) -> "dict[Key, Subscription]":
        """Its subscriptions."""
        return self.subscriptions

    # The connection.

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._ways.timing.now()
        if self._reader is None:
            if websocket.is_empty_pong(data):
                return  # nearly all that idle clients send
            self._reader = websocket.Reader(MESSAGE_MAX)
        self._reader.receive(data)
        if not self._asleep:
            self._read()

    def pause_writing(self) -> None:
        self._hold(self._ways.timing.now())
        if self.closing_at is None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Let the subscriptions go on in turn, until one of them fills the socket again."""
        if self._go_on() and not self._asleep:
            self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        self._reader = None
        if self.closing_at is None:
            self.closing_at = self._ways.timing.now()
        self._let_go()
        self._ways.gone(self)

    # Reading.

    def _read(self) -> None:
        """Do what was asked, some of it at a time, and nothing while the answers are not read."""
        self._asleep = False
        for _ in range(_BURST):
            if self._reader is None or (self.held and self.closing_at is None):
                return
            received = self._reader.next()
            if received is None:
                if self._reader.idle:
                    self._reader = None
                self._transport.resume_reading()
                return
            self._take(received)
        self._asleep = True
        self._transport.pause_reading()
        asyncio.get_running_loop().call_soon(self._read)

    def _take(self, received: websocket.Received) -> None:
        if isinstance(received, websocket.Failed):
            self.close(received.code, received.reason)
            if self._transport.can_write_eof() and not self._transport.is_closing():
                self._transport.write_eof()
        elif isinstance(received, websocket.Closed):
            if self.closing_at is None:
                self._begin_closing()
                self.write(websocket.close_frame(received.code))
            self._transport.close()
        elif self.closing_at is not None:
            return
        elif isinstance(received, websocket.Message):
            self._ways.hear(self, received.text)
        elif isinstance(received, websocket.Ping):
            self.write(websocket.pong(received.payload))

    # Closing.

    def close(self, code: Close, reason: str = "") -> None:
        """Say why, and wait for the client to close: data still on its way would break the word."""
        if self.closing_at is not None:
            return
        self._begin_closing()
        self.ended_by = ENDED_BY.get(code, "protocol")
        self.write(websocket.close_frame(code, reason))
        if not self._asleep:
            self._transport.resume_reading()

    def hit(self, limit: str) -> None:
        """Count that the client was refused something by a limit."""
        self._ways.metrics.limited.labels(limit).inc()

    def finish(self) -> None:
        """Close the connection once everything written is sent."""
        self._transport.close()

    def _begin_closing(self) -> None:
        self.closing_at = self.due = self._ways.timing.now()
        self._let_go()

    def _let_go(self) -> None:
        subscriptions, self.subscriptions = self.subscriptions, {}
        for subscription in subscriptions.values():
            if subscription.client is not None:
                subscription.client.gone()
        self._open_no_more()
