"""One client of a hub: where its bytes go, and how far it has come."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from broker.hub.ports import Sink

if TYPE_CHECKING:
    from broker.hub.group import Group


class Home(Protocol):
    """What a client watches, and what hears how it fares."""

    def hold(self, client: "Subscriber") -> None:
        """It has stopped reading: nothing more for now."""

    def resume(self, client: "Subscriber") -> None:
        """It reads again: give it what stands for what it missed."""

    def leave(self, client: "Subscriber") -> None:
        """It is gone."""


class Subscriber:
    """A client is a cursor, not a queue: it has no task, no timer and no buffer of its own.

    While it is not `held` it gets what its group gets. Its sink calls `hold` when more bytes lie
    unsent than the high-water mark, and `resume` when they are gone.
    """

    __slots__ = (
        "_drained",
        "catching_up",
        "closing_at",
        "comes_back",
        "cursor",
        "ended_by",
        "expires_at",
        "group",
        "held",
        "hub",
        "moved_at",
        "pending",
        "sink",
        "write",
    )

    def __init__(self, sink: Sink, *, now: float, expires_at: float) -> None:
        self.sink = sink
        self.write: Callable[[bytes], None] = sink.write
        self.hub: Home | None = None
        self.group: Group | None = None
        self.cursor = 0
        """Up to where it was written, while it is held or catches up."""
        self.held = False
        self.catching_up = False
        """Whether it is being served from the stream."""
        self.pending = 0
        """Bytes unsent at the last look, while it is held."""
        self.moved_at = now
        """When it last took some of them."""
        self.expires_at = expires_at
        """Infinite for one whose sink looks after itself: the sweep lets it be."""
        self.comes_back = True
        """Whether it resumes where its stream was ended: else silence does not end it."""
        self.closing_at: float | None = None
        self.ended_by = "client"
        """Why its stream ends, as `streams_closed_total` counts it."""
        self._drained: asyncio.Future[bool] | None = None

    def hold(self, now: float) -> None:
        """The sink is over its high-water mark: nothing more until it drains."""
        if self.held:
            return
        self.held = True
        self.pending, self.moved_at = self.sink.pending(), now
        if self.hub is not None:
            self.hub.hold(self)

    def resume(self) -> None:
        """The sink has drained: what was missed may follow."""
        if not self.held:
            return
        self.held = False
        if self._drained is not None:
            self._wake(True)
        elif self.hub is not None and not self.catching_up:
            self.hub.resume(self)

    def gone(self) -> None:
        """The connection is closed."""
        self.held = False
        self.write = (
            _drop  # who is still reading for it from the stream must not meet a closed socket
        )
        if self.hub is not None:
            self.hub.leave(self)
            self.hub = None
        self._wake(False)

    async def drained(self) -> bool:
        """Wait until the sink takes more; False when nothing more may be written to it."""
        if self.held:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained
        return self.hub is not None and self.closing_at is None

    def _wake(self, here: bool) -> None:
        waiting, self._drained = self._drained, None
        if waiting is not None and not waiting.done():
            waiting.set_result(here)

    def stalled_for(self, now: float) -> float:
        """Seconds since a held client last took a byte; 0 for one that is not held."""
        if not self.held and self.closing_at is None:
            return 0.0
        pending = self.sink.pending()
        if pending < self.pending:
            self.moved_at = now
        self.pending = pending
        return now - self.moved_at


def _drop(data: bytes) -> None:
    """Write to nobody."""
