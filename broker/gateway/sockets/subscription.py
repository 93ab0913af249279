"""One thing that a client of a WebSocket wants to be shown."""

from abc import abstractmethod

import msgspec

from broker.gateway.sockets.socket import Socket
from broker.hub.subscriber import Subscriber
from broker.protocol.conversation import Id, Unsubscribe
from broker.protocol.problem import Problem
from broker.protocol.sse import Framing

Key = tuple[str, str, str]
"""The run, the view, and the id as JSON: 1 and "1" are two. A list has no run; its view is it."""


class Subscription:
    """The sink of a hub's client, which is of the hub alone.

    `close` ends the subscription, not the socket.
    """

    __slots__ = ("client", "id", "key", "socket", "write")

    def __init__(self, socket: Socket, run: str, view: str, id: Id) -> None:
        self.socket = socket
        self.id = id
        self.key: Key = (run, view, _text(id))
        self.write = socket.write
        self.client: Subscriber | None = None
        """None until what it shows is open."""

    @property
    def wanted(self) -> bool:
        """Whether it was not ended meanwhile."""
        return self.socket.subscriptions.get(self.key) is self

    @property
    @abstractmethod
    def messages(self) -> Framing:
        """How the messages about it are framed."""

    @abstractmethod
    def is_meant_by(self, asked: Unsubscribe) -> bool:
        """Whether the client wants it ended."""

    def has_id(self, id: Id | None) -> bool:
        """Whether it goes by this id; None: by whatever."""
        return id is None or _text(id) == self.key[2]

    def refuse(self, name: str, detail: str, **more: object) -> None:
        """Tell the client why it does not get this."""
        error = {"name": name, "detail": detail, **more}
        self.write(self.messages.message("error", msgspec.json.encode(error)))

    def fail(self, problem: Problem) -> None:
        """End, because it cannot be shown."""
        self.close()
        self.refuse(problem.name, problem.detail, **problem.extra)

    def pending(self) -> int:
        """Bytes that the socket has not taken."""
        return self.socket.pending()

    def close(self) -> None:
        """Leave what it shows."""
        self.socket.subscriptions.pop(self.key, None)
        if self.client is not None:
            self.client.gone()

    def abort(self) -> None:
        """The socket takes nothing: it goes, with every subscription."""
        self.socket.abort("slow")


def _text(id: Id) -> str:
    return msgspec.json.encode(id).decode()
