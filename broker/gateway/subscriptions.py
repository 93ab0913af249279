"""What a client of a WebSocket asks for: runs, each in a view and from a cursor on."""

from collections.abc import Callable
from typing import Final

import msgspec

from broker.gateway.line_queries import Asked, asked_by
from broker.gateway.socket import Socket
from broker.hub.run_hub import RunHub
from broker.hub.subscriber import Subscriber
from broker.model.subjects import DEFAULT_TENANT, RunKey
from broker.protocol.close import Close
from broker.protocol.conversation import (
    BadMessage,
    GiveCommand,
    Id,
    Ping,
    RunMessages,
    Subscribe,
    Unsubscribe,
    read,
    tell,
)
from broker.protocol.problem import Problem
from broker.protocol.sse import Framing
from broker.views.message import Story, View
from broker.views.native import VIEWS

SUBSCRIPTIONS_MAX: Final = 1_000
LOGS_VIEW: Final = "logs"
PATIENCE: Final = 10
"""Messages that are refused before the socket is closed."""

Key = tuple[str, str, str]
"""The run, the view, and the id as JSON: 1 and "1" are two."""


class Subscription:
    """One run in one view on a socket: the sink of a hub's client, which is of the hub alone.

    `close` ends the subscription, not the socket.
    """

    __slots__ = ("client", "cursor", "hub", "id", "key", "run", "socket", "view", "write")

    def __init__(self, socket: Socket, asked: Subscribe, view: View | Story | Asked) -> None:
        self.socket = socket
        self.run = RunKey(DEFAULT_TENANT, asked.run)
        self.view = view
        """What is shown: a view of the run, or the lines of its log that are asked for."""
        self.id: Id = asked.run if asked.id is None else asked.id
        self.key: Key = (asked.run, asked.view, _text(self.id))
        self.cursor = asked.cursor
        self.write = socket.write
        self.client: Subscriber | None = None
        """None until the run is open."""
        self.hub: RunHub | None = None
        """The run, once it is open."""

    @property
    def wanted(self) -> bool:
        """Whether it was not ended meanwhile."""
        return self.socket.subscriptions.get(self.key) is self

    def refuse(self, name: str, detail: str, **more: object) -> None:
        """Tell the client why it does not get this."""
        error = {"name": name, "detail": detail, **more}
        self.write(tell("error", error, run=self.run.run, id=self.id))

    def fail(self, problem: Problem) -> None:
        """End, because the run cannot be shown."""
        self.close()
        self.refuse(problem.name, problem.detail, **problem.extra)

    @property
    def messages(self) -> Framing:
        """How the run's messages are framed for it."""
        return RunMessages(self.run.run, self.id)

    def hello(self, said: dict[str, object]) -> bytes:
        """The first message: where it begins."""
        return self.messages.message("hello", msgspec.json.encode(said))

    def pending(self) -> int:
        """Bytes that the socket has not taken."""
        return self.socket.pending()

    def close(self) -> None:
        """Leave the run."""
        self.socket.subscriptions.pop(self.key, None)
        if self.client is not None:
            self.client.gone()

    def abort(self) -> None:
        """The socket takes nothing: it goes, with every subscription."""
        self.socket.abort()


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
            _subscribe(socket, asked, opened)
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


def _subscribe(socket: Socket, asked: Subscribe, opened: Callable[[Subscription], None]) -> None:
    view = asked_by(asked) if asked.view == LOGS_VIEW else VIEWS.get(asked.view)
    if view is None:
        names = ", ".join([*VIEWS, LOGS_VIEW])
        raise BadMessage(f"the view is one of {names}", asked.run, asked.id)
    subscription = Subscription(socket, asked, view)
    if subscription.key in socket.subscriptions:
        raise BadMessage(
            "the run is subscribed in this view under this id", asked.run, subscription.id
        )
    if len(socket.subscriptions) >= SUBSCRIPTIONS_MAX:
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
    named = None if asked.id is None else _text(asked.id)
    for (run, _, id), subscription in list(socket.subscriptions.items()):
        if asked.run in (None, run) and named in (None, id):
            subscription.close()


def _lose_patience(socket: Socket, code: Close) -> None:
    socket.bad += 1
    if socket.bad >= PATIENCE:
        socket.close(code)


def _text(id: Id) -> str:
    return msgspec.json.encode(id).decode()
