"""Every WebSocket of the gateway: taken over here, swept here, and its runs opened here."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Self

import msgspec

from broker.errors import BrokerError, StreamUnavailable
from broker.gateway.cursors import seq_of, still_kept
from broker.gateway.middleware import problem_of
from broker.gateway.socket import NO_TASKS, Socket, Ways
from broker.gateway.subscriptions import Subscription, hear
from broker.hub.ports import Timing
from broker.hub.registry import Registry
from broker.hub.run_hub import RunHub
from broker.hub.subscriber import Subscriber
from broker.metrics import Metrics
from broker.protocol.close import Close
from broker.protocol.conversation import tell
from broker.protocol.websocket import PING
from broker.stream.live import LiveRuns

log = logging.getLogger(__name__)

SWEEP: Final = 0.5
"""Seconds between two looks at the sockets that need one."""
OPENING_MAX: Final = 32
"""Runs being opened for one socket at a time; the others wait in order."""
CLOSING: Final = 2.0
"""Seconds that a client has to answer a close."""
_TRIES: Final = 3


class SocketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds, sizes in bytes."""

    heartbeat: float
    max_age: float
    high_water: int
    stall_timeout: float
    allowed_origins: frozenset[str]


class Sockets:
    """Owns the tasks that open runs, and the one sweep. Made by `running`."""

    def __init__(
        self,
        registry: Registry,
        runs: LiveRuns,
        *,
        limits: SocketLimits,
        timing: Timing,
        metrics: Metrics,
    ) -> None:
        self.limits = limits
        self._registry = registry
        self._runs = runs
        self._timing = timing
        self._metrics = metrics
        self._open: dict[Socket, Callable[[], None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._ways = Ways(partial(_hear, self._wanted), self._gone, timing, metrics)

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        registry: Registry,
        runs: LiveRuns,
        *,
        limits: SocketLimits,
        timing: Timing,
        metrics: Metrics,
    ) -> AsyncIterator[Self]:
        """Sockets that live as long as the block; then they are told that the gateway restarts."""
        sockets = cls(registry, runs, limits=limits, timing=timing, metrics=metrics)
        async with asyncio.TaskGroup() as tasks:
            sockets._tasks = tasks
            sweep = tasks.create_task(sockets._sweep_forever(), name="socket sweep")
            try:
                yield sockets
            finally:
                sweep.cancel()
                sockets._tasks = None
                for socket in list(sockets._open):
                    socket.close(Close.RESTART)
                    socket.finish()

    def take(self, transport: asyncio.Transport, closed: Callable[[], None]) -> Socket:
        """A socket for a connection; `closed` is called when it is gone."""
        now = self._timing.now()
        max_age = self.limits.max_age * (0.8 + 0.2 * self._timing.random())
        socket = Socket(transport, self._ways, expires_at=now + max_age)
        self._open[socket] = closed
        self._metrics.websockets.set(len(self._open))
        return socket

    def hello(self, socket: Socket) -> bytes:
        """What a client is told first."""
        max_age = round(socket.expires_at - self._timing.now(), 1)
        return tell("hello", {"heartbeat": self.limits.heartbeat, "max_age": max_age})

    def drain(self, seconds: float) -> None:
        """Let every socket go within so many seconds, each at a time of its own."""
        now = self._timing.now()
        for socket in self._open:
            socket.expires_at = min(socket.expires_at, now + seconds * self._timing.random())
            socket.due = now

    def _gone(self, socket: Socket) -> None:
        self._open.pop(socket)()
        self._metrics.websockets.set(len(self._open))

    # Runs.

    def _wanted(self, subscription: Subscription) -> None:
        """Open the run of a subscription, or let it wait until others of its socket are open."""
        socket = subscription.socket
        if self._tasks is None:
            return
        socket.waiting = socket.waiting or deque()
        socket.waiting.append(subscription)
        if len(socket.tasks) < OPENING_MAX:
            task = self._tasks.create_task(self._work(socket), name="open runs of a socket")
            socket.tasks = {*socket.tasks, task}

    async def _work(self, socket: Socket) -> None:
        """Open what waits, until nothing does."""
        while socket.waiting:
            subscription = socket.waiting.popleft()
            if subscription.wanted:
                await self._serve(subscription)
        socket.waiting = None
        # At once, not when it is done: what comes now needs another.
        socket.tasks = socket.tasks - {asyncio.current_task()} or NO_TASKS

    async def _serve(self, subscription: Subscription) -> None:
        socket = subscription.socket
        try:
            for _ in range(_TRIES):
                if await self._joined(subscription):
                    return
            raise StreamUnavailable("open a run", "it was closed meanwhile")
        except BrokerError as error:
            await socket.drained()
            if subscription.wanted:
                problem = problem_of(error)
                subscription.close()
                subscription.refuse(problem.name, problem.detail, **problem.extra)
        except Exception:
            log.exception("opening a run for a WebSocket")
            socket.close(Close.INTERNAL)

    async def _joined(self, subscription: Subscription) -> bool:
        """Let a subscription join its run; False if the run was closed meanwhile."""
        hub = await self._registry.hub(subscription.run)
        view, text = subscription.view, subscription.cursor
        seq = await seq_of(text, hub, self._runs) if text is not None else None
        begin = seq if text is not None else (0 if view.contiguous else None)
        if begin and view.contiguous and not await still_kept(begin, hub, self._runs):
            begin = None
        await subscription.socket.drained()
        if not subscription.wanted:
            return True
        if not self._registry.holds(hub):
            return False
        self._join(subscription, hub, begin)
        return True

    def _join(self, subscription: Subscription, hub: RunHub, begin: int | None) -> None:
        messages = subscription.messages
        came_with = subscription.cursor

        def hello(resumed: bool) -> bytes:
            said: dict[str, object] = {"resumed": resumed and came_with is not None}
            if came_with is not None:
                self._metrics.resumes.labels("resumed" if resumed else "snapshot").inc()
                said["from"] = came_with[:64]
            said["head"] = str(hub.cursor)
            return messages.message("hello", msgspec.json.encode(said))

        client = Subscriber(subscription, now=self._timing.now(), expires_at=math.inf)
        subscription.client = client
        subscription.cursor = None
        self._metrics.opens.labels("ws", subscription.view.name).inc()
        hub.join(client, subscription.view, messages, begin, hello)

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
                socket.abort()
        elif now >= socket.expires_at:
            socket.close(Close.GOING_AWAY)
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


def _hear(wanted: Callable[[Subscription], None], socket: Socket, text: bytes) -> None:
    hear(socket, text, wanted)
