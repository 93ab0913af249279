"""One WebSocket: the protocol of a connection taken over from aiohttp, and its subscriptions.

It has no task, timer or queue of its own; while it does not read what it is sent, nothing that it
sends is read.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Set
from typing import TYPE_CHECKING, Final, NamedTuple

from broker.hub.ports import Timing
from broker.metrics import Metrics
from broker.protocol import websocket
from broker.protocol.close import Close

if TYPE_CHECKING:
    from broker.gateway.subscriptions import Key, Subscription

MESSAGE_MAX: Final = 16 * 1024
NO_TASKS: Final[frozenset[asyncio.Task[None]]] = frozenset()
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


class Socket(asyncio.Protocol):
    """Reads what a client says, and does it."""

    __slots__ = (
        "_asleep",
        "_drained",
        "_reader",
        "_transport",
        "_ways",
        "bad",
        "closing_at",
        "due",
        "expires_at",
        "heard_at",
        "held",
        "moved_at",
        "pinged_at",
        "subscriptions",
        "tasks",
        "unsent",
        "waiting",
        "write",
    )

    def __init__(self, transport: asyncio.Transport, ways: Ways, *, expires_at: float) -> None:
        now = ways.timing.now()
        self._transport = transport
        self._ways = ways
        self.write = transport.write
        self.subscriptions: dict[Key, Subscription] = {}
        self.bad = 0
        """Messages that were refused."""
        self.waiting: deque[Subscription] | None = None
        """Subscriptions whose run is not being opened yet."""
        self.tasks: Set[asyncio.Task[None]] = NO_TASKS
        """What opens runs for it."""
        self.held = False
        """Whether more bytes lie unsent than the high-water mark."""
        self.unsent, self.moved_at = 0, now
        """How many, at the last look at a held socket, and when it last took some."""
        self.heard_at = self.pinged_at = now
        self.expires_at = expires_at
        self.due = now
        """When the sweep has to look at it."""
        self.closing_at: float | None = None
        self._reader: websocket.Reader | None = None
        """Only while something is half read."""
        self._asleep = False
        """Whether reading goes on by itself in a moment."""
        self._drained: asyncio.Event | None = None

    # The connection.

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._ways.timing.now()
        if self._reader is None:
            self._reader = websocket.Reader(MESSAGE_MAX)
        self._reader.receive(data)
        if not self._asleep:
            self._read()

    def pause_writing(self) -> None:
        now = self._ways.timing.now()
        self.held, self.due = True, now
        self.unsent, self.moved_at = self.pending(), now
        for subscription in self.subscriptions.values():
            if subscription.client is not None:
                subscription.client.hold(now)
        if self.closing_at is None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Let the subscriptions go on in turn, until one of them fills the socket again."""
        self.held = False
        if self.closing_at is not None:
            return
        for key in list(self.subscriptions):
            if self.held:
                return
            subscription = self.subscriptions.pop(key, None)
            if subscription is not None:
                self.subscriptions[key] = subscription  # its turn comes again after all others
                if subscription.client is not None:
                    subscription.client.resume()
        if not self.held:
            if self._drained is not None:
                self._drained.set()
                self._drained = None
            if not self._asleep:
                self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        self._reader = None
        if self.closing_at is None:
            self.closing_at = self._ways.timing.now()
        self._let_go()
        self._ways.gone(self)

    def pending(self) -> int:
        """Bytes that the connection has not taken."""
        return self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """Close the connection now."""
        self._transport.abort()

    def stuck_for(self, now: float) -> float:
        """Seconds since the client of a held socket last took a byte."""
        unsent = self.pending()
        if unsent < self.unsent:
            self.moved_at = now
        self.unsent = unsent
        return now - self.moved_at

    async def drained(self) -> None:
        """Wait until the socket takes more."""
        while self.held:
            if self._drained is None:
                self._drained = asyncio.Event()
            await self._drained.wait()

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
        self._ways.metrics.closes.labels(reason=code.name.lower()).inc()
        self.write(websocket.close_frame(code, reason))
        if not self._asleep:
            self._transport.resume_reading()

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
        self.waiting = None
        for task in self.tasks:
            task.cancel()
