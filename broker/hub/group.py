"""The clients of a run that see the same view over the same transport, and so the same bytes."""

from collections.abc import Iterable

from broker.hub.fan import Fan
from broker.hub.ring import Ring
from broker.hub.subscriber import Subscriber
from broker.metrics.deliveries import Deliveries
from broker.model.state import RunState
from broker.protocol.sse import Framing
from broker.views.lines import LinesView
from broker.views.message import Change, Message, Moment, Story, View


class Group(Fan):
    """Frames each change once and writes it to every client that keeps up."""

    __slots__ = ("_deliveries", "_kind", "_snapshot", "_told", "patches", "seq", "view")

    def __init__(
        self,
        view: View | Story,
        framing: Framing,
        *,
        seq: int,
        now: float,
        patches: Ring[bytes],
        deliveries: Deliveries,
    ) -> None:
        super().__init__(framing, now=now)
        self.view = view
        self._deliveries = deliveries
        self._kind = _kind_of(view)
        self.seq = seq
        """Up to where the clients that keep up were written."""
        self.patches = patches
        """Recent frames, for clients that come back; a contiguous view is read from the records."""
        self.patches.clear(seq)
        self._told: list[Message] = []
        """What a story has told since the last flush."""
        self._snapshot: tuple[int, bytes] | None = None
        """The last one made, and of which sequence: those who join together share it."""

    def put(self, client: Subscriber, *, keeps_up: bool) -> None:
        """Take a client in, or note whether it keeps up."""
        client.group = self
        super().put(client, keeps_up=keeps_up)

    def remove(self, client: Subscriber) -> None:
        """Let a client go."""
        client.group = None
        super().remove(client)

    def frame(self, messages: Iterable[Message]) -> bytes:
        """The messages as bytes on the wire."""
        message = self.framing.message
        return b"".join(
            [
                message(kind, data, None if cursor is None else str(cursor))
                for kind, data, cursor in messages
            ]
        )

    def tell(self, moment: Moment, state: RunState, epoch: str) -> None:
        """Take what an event adds to a story; it is written with the next flush."""
        if isinstance(self.view, Story):
            self._told += self.view.tell(moment, state, epoch)

    def advance(self, change: Change, now: float, stored: float) -> None:
        """Frame a change and write it to the clients that keep up.

        `stored` is when its oldest event was, in seconds since 1970.
        """
        if isinstance(self.view, Story):
            told, self._told = self._told, []
            data = self.frame(told)
        else:
            data = self.frame(self.view.changes(change))
        self._snapshot = None
        if not self.view.contiguous:
            self.patches.append(self.seq, change.state.seq, len(data), data)
        self.seq = change.state.seq
        if data:
            clients = self.write(data, now)
            events = len(change.reports)
            self._deliveries.fanned_out(self._kind, len(data), clients, events, stored)

    def again(self, change: Change) -> bytes:
        """What a contiguous view showed of records, framed for one who missed it."""
        if isinstance(self.view, Story):
            return b""
        data = self.frame(self.view.changes(change))
        self._deliveries.encoded(self._kind, len(data))
        return data

    def snapshot(self, state: RunState, epoch: str) -> bytes:
        """What stands for everything up to the state."""
        if self._snapshot is None or self._snapshot[0] != state.seq:
            self._snapshot = (state.seq, self.frame(self.view.snapshot(state, epoch)))
            self._deliveries.encoded("snapshot", len(self._snapshot[1]))
        return self._snapshot[1]


def _kind_of(view: View | Story) -> str:
    """What the frames of a view are counted as."""
    if isinstance(view, Story):
        return "story"
    if isinstance(view, LinesView):
        return "log"
    return "patch" if view.patched else "event"
