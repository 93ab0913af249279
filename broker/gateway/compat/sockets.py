"""A WebSocket that tells one run in a form of its own."""

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from broker.gateway.compat.expected import Expected
from broker.gateway.endpoints.websocket import upgrade
from broker.gateway.keys import EXPECTED, SOCKETS, run_key
from broker.gateway.sockets.socket import Socket
from broker.gateway.sockets.subscriptions import PATIENCE, RunSubscription
from broker.protocol.close import Close
from broker.protocol.conversation import Subscribe
from broker.protocol.problem import Problem
from broker.protocol.sse import Framing
from broker.protocol.texts import TEXTS
from broker.protocol.websocket import text_frame
from broker.views.message import Story

Complaint = Callable[[str], bytes]
"""Says what is wrong in the form of the interface, as JSON."""


def socket(
    story: Story, complaint: Complaint, *, unknown: str | None = None, waits: bool = False
) -> Handler:
    """A handler that turns the connection into a socket on which the run of the path is told.

    `unknown` is what is said of a run that nobody knows, where the interface has words for it.
    With `waits` that is said only after a while in which nothing came.
    """

    async def handler(request: web.Request) -> web.StreamResponse:
        key = run_key(request)
        sockets = request.app[SOCKETS]

        def hear(socket: Socket, text: bytes) -> None:
            refuse(socket, complaint, "this socket only tells: it takes no messages")

        def begin(socket: Socket) -> None:
            expected = request.app[EXPECTED] if waits else None
            sockets.show(OneRun(socket, key.run, story, complaint, unknown, expected))

        return upgrade(request, begin, hear)

    return handler


def refuse(socket: Socket, complaint: Complaint, detail: str) -> None:
    """Say what is wrong with a message; after too many the socket is closed."""
    socket.write(text_frame(complaint(detail)))
    socket.bad += 1
    if socket.bad >= PATIENCE:
        socket.close(Close.BAD_MESSAGE)


class OneRun(RunSubscription):
    """The one run that a socket tells: with it the socket ends."""

    __slots__ = ("_complaint", "_expected", "_unknown", "until")

    def __init__(
        self,
        socket: Socket,
        run: str,
        story: Story,
        complaint: Complaint,
        unknown: str | None,
        expected: Expected | None = None,
    ) -> None:
        super().__init__(socket, Subscribe(run=run, view=story.name), story)
        self._complaint = complaint
        self._unknown = unknown
        self._expected = expected
        """Where it waits for a run that is not known; None where it does not."""
        self.until: float | None = None
        """When it has waited long enough; None before it waits."""

    @property
    def messages(self) -> Framing:
        return TEXTS

    def hello(self, said: dict[str, object]) -> bytes:
        """Nothing: the run's own first message is the first."""
        return b""

    def close(self) -> None:
        """End the socket too: well where the run has ended, else so that the client comes back."""
        super().close()
        ended = self.hub is not None and self.hub.state.ended
        self.socket.close(Close.NORMAL if ended else Close.RESTART)

    def fail(self, problem: Problem) -> None:
        unknown = problem.status == 404
        if unknown and self._expected is not None and self._expected.add(self):
            return
        detail = self._unknown if unknown and self._unknown else problem.detail
        self.socket.write(text_frame(self._complaint(detail)))
        self.socket.close(Close.UNKNOWN_RUN if unknown else Close.INTERNAL, problem.title)
