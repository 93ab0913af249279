"""Connections taken over from aiohttp that serve many clients of hubs each, and opening these."""

import asyncio
from abc import abstractmethod
from collections import deque
from collections.abc import Set
from typing import Any, Final, Generic, Protocol, TypeVar

from broker.hub.subscriber import Subscriber

OPENING_MAX: Final = 32
"""Runs being opened for one connection at a time; the others wait in order."""
NO_TASKS: Final[frozenset[asyncio.Task[None]]] = frozenset()


class Served(Protocol):
    """One run as it is shown on a connection."""

    client: Subscriber | None
    """Of the run's hub; None while the run is not open."""

    @property
    def wanted(self) -> bool:
        """Whether it is still to be shown."""


S = TypeVar("S", bound=Served)


class Carrier(asyncio.Protocol, Generic[S]):
    """Tells what it serves whether the connection keeps up.

    It has no timer and no queue of its own, and a task only while runs are opened for it.
    """

    __slots__ = (
        "_drained",
        "_transport",
        "closing_at",
        "due",
        "ended_by",
        "expires_at",
        "held",
        "moved_at",
        "tasks",
        "unsent",
        "waiting",
        "write",
    )

    def __init__(self, transport: asyncio.Transport, now: float, *, expires_at: float) -> None:
        self._transport = transport
        self.write = transport.write
        self.waiting: deque[S] | None = None
        """What is to be opened, in order."""
        self.tasks: Set[asyncio.Task[None]] = NO_TASKS
        """What opens it."""
        self.held = False
        """Whether more bytes lie unsent than the high-water mark."""
        self.unsent, self.moved_at = 0, now
        """How many, at the last look while it was held, and when the client last took some."""
        self.expires_at = expires_at
        self.due = now
        """When the sweep has to look at it."""
        self.closing_at: float | None = None
        self.ended_by = "client"
        """Why the connection ends, as `streams_closed_total` counts it."""
        self._drained: asyncio.Event | None = None

    @property
    @abstractmethod
    def served(self) -> dict[Any, S]:
        """What is shown, whose turn comes next first."""

    def pending(self) -> int:
        """Bytes that the connection has not taken."""
        return self._transport.get_write_buffer_size()

    def abort(self, why: str) -> None:
        """Close the connection now."""
        self.ended_by = why
        self._transport.abort()

    def stuck_for(self, now: float) -> float:
        """Seconds since the client last took a byte of a held connection."""
        unsent = self.pending()
        if unsent < self.unsent:
            self.moved_at = now
        self.unsent = unsent
        return now - self.moved_at

    async def drained(self) -> None:
        """Wait until the connection takes more."""
        while self.held:
            if self._drained is None:
                self._drained = asyncio.Event()
            await self._drained.wait()

    def _hold(self, now: float) -> None:
        """The client does not read: it gets nothing more."""
        self.held, self.due = True, now
        self.unsent, self.moved_at = self.pending(), now
        for one in self.served.values():
            if one.client is not None:
                one.client.hold(now)

    def _go_on(self) -> bool:
        """Serve all in turn, until one fills the connection again; whether none did."""
        self.held = False
        if self.closing_at is not None:
            return False
        for key in list(self.served):
            if self.held:
                return False
            one = self.served.pop(key, None)
            if one is not None:
                self.served[key] = one  # its turn comes again after all others
                if one.client is not None:
                    one.client.resume()
        if self.held or self.closing_at is not None:
            return False
        if self._drained is not None:
            self._drained.set()
            self._drained = None
        return True

    def _open_no_more(self) -> None:
        self.waiting = None
        for task in self.tasks:
            task.cancel()


C = TypeVar("C", bound=Carrier[Any])


class Turns(Generic[C, S]):
    """Opens what carriers show: a bounded number for each at a time, the first asked for first."""

    def __init__(self) -> None:
        self.tasks: asyncio.TaskGroup | None = None
        """Owns the tasks; None when nothing is opened any more."""

    def queue(self, carrier: C, one: S) -> None:
        """Open what a carrier is to show, or let it wait for its turn."""
        if self.tasks is None:
            return
        carrier.waiting = carrier.waiting or deque()
        carrier.waiting.append(one)
        if len(carrier.tasks) < OPENING_MAX:
            task = self.tasks.create_task(self._work(carrier), name="open runs of a connection")
            carrier.tasks = {*carrier.tasks, task}

    async def _work(self, carrier: C) -> None:
        """Open what waits, until nothing does."""
        while carrier.waiting:
            one = carrier.waiting.popleft()
            if one.wanted:
                await self._serve(one)
        carrier.waiting = None
        # At once, not when it is done: what comes now needs another.
        carrier.tasks = carrier.tasks - {asyncio.current_task()} or NO_TASKS
        self._opened(carrier)

    @abstractmethod
    async def _serve(self, one: S) -> None:
        """Make it a client of its hub."""

    def _opened(self, carrier: C) -> None:
        """Nothing waits any more for the one that asks."""
