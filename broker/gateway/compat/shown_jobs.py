"""A job, and its log, on a socket that shows many: what ends them leaves the socket open."""

from collections.abc import Callable
from typing import Final

import msgspec

from broker.gateway.http.line_queries import Asked
from broker.gateway.sockets.socket import Socket
from broker.gateway.sockets.subscriptions import LOGS_VIEW, RunSubscription
from broker.model.cursor import Cursor
from broker.model.loglines import EVERY
from broker.protocol.close import Close
from broker.protocol.conversation import Subscribe
from broker.protocol.problem import Problem
from broker.protocol.sse import Framing
from broker.protocol.texts import TEXTS
from broker.protocol.websocket import text_frame
from broker.views.job_lines import lines_of_job
from broker.views.jobs import JobsStory

STORY: Final = JobsStory()

Left = Callable[[str, Cursor | None], None]
"""Called when a job is not shown any more, with how far it was; None where it is not there."""


class ShownJob(RunSubscription):
    """A job. An interruption ends the socket, so that its client comes back."""

    __slots__ = ("_left",)

    def __init__(self, socket: Socket, job: str, left: Left) -> None:
        super().__init__(socket, Subscribe(run=job, view=STORY.name), STORY)
        self._left = left

    @property
    def messages(self) -> Framing:
        return TEXTS

    @property
    def over(self) -> bool:
        """Whether all there is of it was told."""
        return self.hub is not None and self.hub.state.ended

    def hello(self, said: dict[str, object]) -> bytes:
        """Nothing: a job's own first message is the first."""
        return b""

    def close(self) -> None:
        over, upto = self.over, None if self.hub is None else self.hub.cursor
        super().close()
        if over:
            self._left(self.run.run, upto)
        else:
            self.socket.close(Close.RESTART)

    def fail(self, problem: Problem) -> None:
        """End: of a job that is not there nothing is shown."""
        if problem.status == 404:
            super().close()
            self._left(self.run.run, None)
        else:
            self.socket.write(text_frame(complaint(problem.detail)))
            self.socket.close(Close.RESTART, problem.title)


class ShownLog(ShownJob):
    """The lines of a job's log, behind a cursor or the last few; of `tail` None all."""

    __slots__ = ("_has_ended",)

    def __init__(
        self,
        socket: Socket,
        job: str,
        left: Left,
        *,
        after: Cursor | None,
        tail: int | None,
        has_ended: Callable[[str], bool],
    ) -> None:
        super().__init__(socket, job, left)
        self.view = Asked(EVERY, None, None, tail, lines_of_job(job))
        self.key = (job, LOGS_VIEW, self.key[2])
        self.cursor = None if after is None else str(after)
        self._has_ended = has_ended

    @property
    def over(self) -> bool:
        return self._has_ended(self.run.run)


def complaint(detail: str, **more: object) -> bytes:
    """What a client is told of its mistake, or of a limit."""
    return msgspec.json.encode({"type": "error", "payload": {"message": detail, **more}})
