"""What a client of a WebSocket says: which runs and lists it wants to be shown, and which not."""

from collections.abc import Callable
from typing import Final

import msgspec

from broker.gateway.http.line_queries import Asked, asked_by
from broker.gateway.sockets.list_subscription import ListSubscription
from broker.gateway.sockets.socket import Socket
from broker.gateway.sockets.subscription import Subscription
from broker.hub.run_hub import RunHub
from broker.model.subjects import DEFAULT_TENANT, RunKey
from broker.protocol.close import Close
from broker.protocol.conversation import (
    BadMessage,
    GiveCommand,
    Ping,
    RunMessages,
    Subscribe,
    SubscribeList,
    Unsubscribe,
    read,
    tell,
)
from broker.protocol.sse import Framing
from broker.views.message import Story, View
from broker.views.native import VIEWS

SUBSCRIPTIONS_MAX: Final = 1_000
LOGS_VIEW: Final = "logs"
_OF_LINES: Final = ("tail", "level", "step", "attempt", "q")
PATIENCE: Final = 10
"""Messages that are refused before the socket is closed."""


class RunSubscription(Subscription):
    """One run in one view."""

    __slots__ = ("cursor", "hub", "run", "view")

    def __init__(self, socket: Socket, asked: Subscribe, view: View | Story | Asked) -> None:
        super().__init__(socket, asked.run, asked.view, asked.run if asked.id is None else asked.id)
        self.run = RunKey(DEFAULT_TENANT, asked.run)
        self.view = view
        """What is shown: a view of the run, or the lines of its log that are asked for."""
        self.cursor = asked.cursor
        self.hub: RunHub | None = None
        """The run, once it is open."""

    @property
    def messages(self) -> Framing:
        """How the run's messages are framed for it."""
        return RunMessages(self.run.run, self.id)

    def is_meant_by(self, asked: Unsubscribe) -> bool:
        return asked.list is None and asked.run in (None, self.run.run) and self.has_id(asked.id)

    def hello(self, said: dict[str, object]) -> bytes:
        """The first message: where it begins."""
        return self.messages.message("hello", msgspec.json.encode(said))


def hear(
    socket: Socket,
    text: bytes,
    opened: Callable[[Subscription], None],
    commanded: Callable[[Socket, GiveCommand], None],
) -> None:
    """Do what a message asks; `opened` is called with a subscription that wants its run."""
    try:
        asked = read(text)
        if isinstance(asked, Subscribe):
            _subscribe(socket, _run_subscription(socket, asked), opened)
        elif isinstance(asked, SubscribeList):
            _subscribe(socket, ListSubscription(socket, asked), opened)
        elif isinstance(asked, Unsubscribe):
            _unsubscribe(socket, asked)
        elif isinstance(asked, GiveCommand):
            commanded(socket, asked)
        elif isinstance(asked, Ping):
            socket.write(tell("pong", None, id=asked.id))
    except BadMessage as bad:
        error = {"name": "bad-message", "detail": str(bad)}
        socket.write(tell("error", error, run=bad.run, id=bad.id))
        _lose_patience(socket, Close.BAD_MESSAGE)


def _run_subscription(socket: Socket, asked: Subscribe) -> RunSubscription:
    """Raises BadMessage."""
    view = asked_by(asked) if asked.view == LOGS_VIEW else VIEWS.get(asked.view)
    if view is None:
        names = ", ".join([*VIEWS, LOGS_VIEW])
        raise BadMessage(f"the view is one of {names}", asked.run, asked.id)
    of_lines = [name for name in _OF_LINES if getattr(asked, name) is not None]
    if of_lines and asked.view != LOGS_VIEW:
        raise BadMessage(f"`{of_lines[0]}` is for the view {LOGS_VIEW}", asked.run, asked.id)
    return RunSubscription(socket, asked, view)


def _subscribe(
    socket: Socket, subscription: Subscription, opened: Callable[[Subscription], None]
) -> None:
    if subscription.key in socket.subscriptions:
        subscription.refuse("bad-message", "this is subscribed under this id")
        _lose_patience(socket, Close.BAD_MESSAGE)
        return
    if len(socket.subscriptions) >= SUBSCRIPTIONS_MAX:
        socket.hit("subscriptions_per_socket")
        subscription.refuse(
            "too-many-subscriptions",
            f"a socket has at most {SUBSCRIPTIONS_MAX} subscriptions: end one, or open another",
            limit="subscriptions_per_socket",
            value=SUBSCRIPTIONS_MAX,
        )
        _lose_patience(socket, Close.TOO_MANY)
        return
    socket.subscriptions[subscription.key] = subscription
    opened(subscription)


def _unsubscribe(socket: Socket, asked: Unsubscribe) -> None:
    for subscription in list(socket.subscriptions.values()):
        if subscription.is_meant_by(asked):
            subscription.close()


def _lose_patience(socket: Socket, code: Close) -> None:
    socket.bad += 1
    if socket.bad >= PATIENCE:
        socket.close(code)
