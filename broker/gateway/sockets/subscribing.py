"""Opening what clients of WebSockets subscribe to: runs, their logs, and lists."""

import asyncio
import logging
import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import msgspec

from broker.errors import BrokerError, RateLimited, StreamUnavailable
from broker.gateway.http.carrier import Turns
from broker.gateway.http.line_queries import Asked
from broker.gateway.lists.live_lists import LiveLists
from broker.gateway.logs.joins import Logs, beginning
from broker.gateway.middleware import problem_of
from broker.gateway.process.rounds import Rounds
from broker.gateway.runs.cursors import seq_of, still_kept
from broker.gateway.sockets.list_subscription import ListSubscription
from broker.gateway.sockets.socket import Socket
from broker.gateway.sockets.subscription import Subscription
from broker.gateway.sockets.subscriptions import RunSubscription
from broker.hub.ports import Timing
from broker.hub.registry import Registry
from broker.hub.run_hub import RunHub
from broker.hub.subscriber import Subscriber
from broker.logs import about
from broker.metrics import Metrics
from broker.protocol.close import Close
from broker.protocol.problem import Problem
from broker.stream.live import LiveRuns
from broker.views.message import Story, View

log = logging.getLogger(__name__)

_TRIES: Final = 3
_RETRY_MIN: Final = 1.0
_RETRY_MAX: Final = 5.0
_ROUND: Final = 64
"""Subscriptions that join in one round of the loop: of runs that are open nothing else stops them.
Also the logs that are looked up at a time, for all sockets."""


class Subscribing(Turns[Socket, Subscription]):
    """Makes subscriptions clients of what they show."""

    def __init__(
        self,
        registry: Registry,
        runs: LiveRuns,
        logs: Logs,
        lists: LiveLists,
        *,
        admit: Callable[[str], None],
        timing: Timing,
        metrics: Metrics,
    ) -> None:
        super().__init__()
        self._registry = registry
        self._runs = runs
        self._logs = logs
        self._lists = lists
        self._admit = admit
        self._timing = timing
        self._metrics = metrics
        self._rounds = Rounds(_ROUND)
        self._rounds_of_lists = Rounds(1)
        self._looking_up = asyncio.Semaphore(_ROUND)

    def open(self, subscription: Subscription) -> None:
        """Open what a subscription shows, or let it wait until others of its socket are open."""
        self.queue(subscription.socket, subscription)

    async def _serve(self, subscription: Subscription) -> None:
        socket = subscription.socket
        try:
            if isinstance(subscription, ListSubscription):
                await self._join_list(subscription)
            elif isinstance(subscription, RunSubscription):
                await self._join_run(subscription)
        except BrokerError as error:
            await socket.drained()
            if subscription.wanted:
                subscription.fail(self._with_pause(error))
        except Exception:
            log.exception("opening a subscription of a WebSocket", extra=about("open_failed"))
            socket.close(Close.INTERNAL)

    def _with_pause(self, error: BrokerError) -> Problem:
        """What may be gone in a while says when to try again, each client at a time of its own."""
        problem = problem_of(error)
        if problem.status not in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
            return problem
        least = max(_RETRY_MIN, error.wait) if isinstance(error, RateLimited) else _RETRY_MIN
        pause = round(least + (_RETRY_MAX - _RETRY_MIN) * self._timing.random(), 1)
        return msgspec.structs.replace(problem, extra={**problem.extra, "retry_after": pause})

    async def _join_run(self, subscription: RunSubscription) -> None:
        for _ in range(_TRIES):
            if await self._joined(subscription):
                return
        raise StreamUnavailable("open a run", "it was closed meanwhile")

    async def _join_list(self, subscription: ListSubscription) -> None:
        """Let a subscription join its list. To ask for it takes milliseconds: one in a round."""
        socket = subscription.socket
        self._admit(socket.client)
        await self._rounds_of_lists.turn()
        query = subscription.query()
        await socket.drained()
        if subscription.wanted:
            watched, messages = self._lists.watched(query), subscription.messages
            hello = messages.message("hello", b'{"resumed":false}')
            client = self._client(subscription, "list")
            watched.join(client, messages, hello)
            self._hold_too(client, socket)

    async def _joined(self, subscription: RunSubscription) -> bool:
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

    async def _joined_log(self, subscription: RunSubscription, asked: Asked) -> bool:
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
        subscription.cursor = None
        subscription.hub = joining.hub
        self._logs.endings.watch(joining.hub)
        joining.hub.join(
            client, joining.view, messages, joining.begin, beginning(messages, joining, cursor)
        )
        self._hold_too(client, subscription.socket)
        return True

    def _join(
        self, subscription: RunSubscription, hub: RunHub, view: View | Story, begin: int | None
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
        client = self._client(subscription, view.name)
        subscription.cursor = None
        hub.join(client, view, messages, begin, hello)
        self._hold_too(client, subscription.socket)

    def _hold_too(self, client: Subscriber, socket: Socket) -> None:
        """Hold a client that joined while what it watches wrote to others of a socket, and so
        filled it: the socket says so once, to those that it serves by then."""
        if socket.held:
            client.hold(self._timing.now())

    def _client(self, subscription: Subscription, view: str) -> Subscriber:
        client = Subscriber(subscription, now=self._timing.now(), expires_at=math.inf)
        subscription.client = client
        self._metrics.opens.labels("ws", view).inc()
        return client
