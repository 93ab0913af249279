"""Every WebSocket of the gateway: taken over here, and swept here."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Self

import msgspec

from broker.errors import StreamUnavailable
from broker.gateway.commands.dispatch import Order
from broker.gateway.lists.live_lists import LiveLists
from broker.gateway.logs.joins import Logs
from broker.gateway.sockets.commands import COMMANDS_MAX, Give, carry_out, refuse
from broker.gateway.sockets.socket import Socket, Ways
from broker.gateway.sockets.subscribing import Subscribing
from broker.gateway.sockets.subscription import Subscription
from broker.gateway.sockets.subscriptions import hear
from broker.hub.ports import Timing
from broker.hub.registry import Registry
from broker.metrics import Metrics
from broker.model.subjects import RunKey
from broker.protocol.close import Close
from broker.protocol.conversation import GiveCommand, tell
from broker.protocol.websocket import PING
from broker.stream.live import LiveRuns

log = logging.getLogger(__name__)

SWEEP: Final = 0.5
"""Seconds between two looks at the sockets that need one."""
CLOSING: Final = 2.0
"""Seconds that a client has to answer a close."""


class SocketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds, sizes in bytes."""

    heartbeat: float
    max_age: float
    high_water: int
    stall_timeout: float
    allowed_origins: frozenset[str]


class Sockets:
    """Owns the tasks that open runs or give commands, and the one sweep. Made by `running`."""

    def __init__(
        self,
        registry: Registry,
        runs: LiveRuns,
        logs: Logs,
        lists: LiveLists,
        *,
        limits: SocketLimits,
        timing: Timing,
        metrics: Metrics,
    ) -> None:
        self.limits = limits
        self.give: Give = _nothing_to_give
        """How a command is given to a run; set by who joins the parts."""
        self.admit: Callable[[str], None] = lambda client: None
        """Raises where a client opens more lists than its share; set by who joins the parts."""
        self._subscribing = Subscribing(
            registry,
            runs,
            logs,
            lists,
            admit=lambda client: self.admit(client),
            timing=timing,
            metrics=metrics,
        )
        self._timing = timing
        self._metrics = metrics
        self._open: dict[Socket, Callable[[str], None]] = {}
        self._draining = False
        hear = partial(_hear, self._subscribing.open, self._commanded)
        self._ways = Ways(hear, self._gone, timing, metrics)

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        registry: Registry,
        runs: LiveRuns,
        logs: Logs,
        lists: LiveLists,
        *,
        limits: SocketLimits,
        timing: Timing,
        metrics: Metrics,
    ) -> AsyncIterator[Self]:
        """Sockets that live as long as the block; then they are told that the gateway restarts."""
        sockets = cls(registry, runs, logs, lists, limits=limits, timing=timing, metrics=metrics)
        async with asyncio.TaskGroup() as tasks:
            sockets._subscribing.tasks = tasks
            sweep = tasks.create_task(sockets._sweep_forever(), name="socket sweep")
            try:
                yield sockets
            finally:
                sweep.cancel()
                sockets._subscribing.tasks = None
                for socket in list(sockets._open):
                    socket.close(Close.RESTART)
                    socket.finish()

    def take(
        self,
        transport: asyncio.Transport,
        closed: Callable[[str], None],
        client: str = "",
        hear: Callable[[Socket, bytes], None] | None = None,
    ) -> Socket:
        """A socket for a client's connection; `closed` is told why it is gone.

        `hear` is called with what the client says, unless it says it as on `/v1/ws`.
        """
        now = self._timing.now()
        max_age = self.limits.max_age * (0.8 + 0.2 * self._timing.random())
        ways = self._ways if hear is None else self._ways._replace(hear=hear)
        socket = Socket(transport, ways, client, expires_at=now + max_age)
        self._open[socket] = closed
        self._metrics.websockets.set(len(self._open))
        return socket

    def hello(self, socket: Socket) -> bytes:
        """What a client is told first."""
        max_age = round(socket.expires_at - self._timing.now(), 1)
        return tell("hello", {"heartbeat": self.limits.heartbeat, "max_age": max_age})

    def show(self, subscription: Subscription) -> None:
        """Show something on its socket, although the client did not ask for it by a message."""
        subscription.socket.subscriptions[subscription.key] = subscription
        self._subscribing.open(subscription)

    def drain(self, seconds: float) -> None:
        """Let every socket go within so many seconds, each at a time of its own."""
        self._draining = True
        now = self._timing.now()
        for socket in self._open:
            socket.expires_at = min(socket.expires_at, now + seconds * self._timing.random())
            socket.due = now

    def _gone(self, socket: Socket) -> None:
        self._open.pop(socket)(socket.ended_by)
        self._metrics.websockets.set(len(self._open))

    # Commands.

    def _commanded(self, socket: Socket, asked: GiveCommand) -> None:
        """Give a command, unless its socket has many under way."""
        if self._subscribing.tasks is None:
            return
        if socket.commands >= COMMANDS_MAX:
            refuse(socket, asked)
            return
        socket.commands += 1
        self._subscribing.tasks.create_task(
            carry_out(socket, asked, self.give), name="give a command"
        )

    # The sweep.

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            self.sweep()

    def sweep(self) -> None:
        """One look at the sockets that are due."""
        now = self._timing.now()
        for socket in [socket for socket in self._open if socket.due <= now]:
            self._look_at(socket, now)

    def _look_at(self, socket: Socket, now: float) -> None:
        heartbeat = self.limits.heartbeat
        if socket.closing_at is not None:
            if now - socket.closing_at > CLOSING:
                socket.abort(socket.ended_by)
        elif now >= socket.expires_at:
            socket.close(Close.GOING_AWAY)
            socket.ended_by = "drain" if self._draining else "max_age"
        elif socket.held:
            if socket.stuck_for(now) > self.limits.stall_timeout:
                socket.close(Close.TOO_SLOW)
        elif now < (latest := max(socket.heard_at, socket.pinged_at)) + heartbeat:
            socket.due = min(socket.expires_at, latest + heartbeat)
        elif socket.heard_at < socket.pinged_at:
            socket.close(Close.TOO_SLOW)
        else:
            socket.write(PING)
            socket.pinged_at = now
            socket.due = min(socket.expires_at, now + heartbeat)


async def _nothing_to_give(client: str, key: RunKey, order: Order) -> str:
    raise StreamUnavailable("give a command", "the gateway is starting")


def _hear(
    wanted: Callable[[Subscription], None],
    commanded: Callable[[Socket, GiveCommand], None],
    socket: Socket,
    text: bytes,
) -> None:
    hear(socket, text, wanted, commanded)
