"""Opening the runs that clients of WebSockets subscribe to, and their logs."""

import asyncio
import logging
import math
from typing import Final

from broker.errors import BrokerError, StreamUnavailable
from broker.gateway.carrier import Turns
from broker.gateway.cursors import seq_of, still_kept
from broker.gateway.line_queries import Asked
from broker.gateway.log_joins import Logs, beginning
from broker.gateway.middleware import problem_of
from broker.gateway.rounds import Rounds
from broker.gateway.socket import Socket
from broker.gateway.subscriptions import Subscription
from broker.hub.ports import Timing
from broker.hub.registry import Registry
from broker.hub.run_hub import RunHub
from broker.hub.subscriber import Subscriber
from broker.metrics import Metrics
from broker.protocol.close import Close
from broker.stream.live import LiveRuns
from broker.views.message import Story, View

log = logging.getLogger(__name__)

_TRIES: Final = 3
_ROUND: Final = 64
"""Subscriptions that join in one round of the loop: of runs that are open nothing else stops them.
Also the logs that are looked up at a time, for all sockets."""


class Subscribing(Turns[Socket, Subscription]):
    """Makes subscriptions clients of their runs' hubs."""

    def __init__(
        self, registry: Registry, runs: LiveRuns, logs: Logs, *, timing: Timing, metrics: Metrics
    ) -> None:
        super().__init__()
        self._registry = registry
        self._runs = runs
        self._logs = logs
        self._timing = timing
        self._metrics = metrics
        self._rounds = Rounds(_ROUND)
        self._looking_up = asyncio.Semaphore(_ROUND)

    def open(self, subscription: Subscription) -> None:
        """Open the run of a subscription, or let it wait until others of its socket are open."""
        self.queue(subscription.socket, subscription)

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
                subscription.fail(problem_of(error))
        except Exception:
            log.exception("opening a run for a WebSocket")
            socket.close(Close.INTERNAL)

    async def _joined(self, subscription: Subscription) -> bool:
        """Let a subscription join its run; False if the run was closed meanwhile."""
        view, text = subscription.view, subscription.cursor
        if isinstance(view, Asked):
            return await self._joined_log(subscription, view)
        hub = await self._registry.hub(subscription.run)
        seq = await seq_of(text, hub, self._runs) if text is not None else None
        begin = seq if text is not None else (0 if view.contiguous else None)
        if begin and view.contiguous and not await still_kept(begin, hub, self._runs):
            begin = None
        await self._rounds.turn()
        await subscription.socket.drained()
        if not subscription.wanted:
            return True
        if not self._registry.holds(hub):
            return False
        self._join(subscription, hub, view, begin)
        return True

    async def _joined_log(self, subscription: Subscription, asked: Asked) -> bool:
        """The same for the lines of a run."""
        cursor = subscription.cursor
        async with self._looking_up:
            joining = await self._logs.join(
                subscription.run, asked.chosen, cursor, asked.tail, asked.shown
            )
        await self._rounds.turn()
        await subscription.socket.drained()
        if not subscription.wanted:
            return True
        if not self._logs.hubs.holds(joining.hub):
            return False
        if cursor is not None:
            self._metrics.resumes.labels("resumed" if joining.resumed else "anew").inc()
        messages = subscription.messages
        client = self._client(subscription, "logs")
        subscription.hub = joining.hub
        self._logs.endings.watch(joining.hub)
        joining.hub.join(
            client, joining.view, messages, joining.begin, beginning(messages, joining, cursor)
        )
        return True

    def _join(
        self, subscription: Subscription, hub: RunHub, view: View | Story, begin: int | None
    ) -> None:
        messages = subscription.messages
        came_with = subscription.cursor

        def hello(resumed: bool) -> bytes:
            said: dict[str, object] = {"resumed": resumed and came_with is not None}
            if came_with is not None:
                self._metrics.resumes.labels("resumed" if resumed else "snapshot").inc()
                said["from"] = came_with[:64]
            said["head"] = str(hub.cursor)
            return subscription.hello(said)

        subscription.hub = hub
        hub.join(self._client(subscription, view.name), view, messages, begin, hello)

    def _client(self, subscription: Subscription, view: str) -> Subscriber:
        client = Subscriber(subscription, now=self._timing.now(), expires_at=math.inf)
        subscription.client = client
        subscription.cursor = None
        self._metrics.opens.labels("ws", view).inc()
        return client
