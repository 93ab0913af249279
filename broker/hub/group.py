"""The clients of a run that see the same view over the same transport, and so the same bytes."""

from collections.abc import Callable, Iterable

from broker.hub.ring import Ring
from broker.hub.subscriber import Subscriber
from broker.model.state import RunState
from broker.protocol.sse import Framing
from broker.views.message import Change, Message, View


class Group:
    """Frames each change once and writes it to every client that keeps up."""

    __slots__ = ("_fan", "_members", "framing", "patches", "seq", "view", "wrote_at")

    def __init__(
        self, view: View, framing: Framing, *, seq: int, now: float, patches: Ring[bytes]
    ) -> None:
        self.view = view
        self.framing = framing
        self.seq = seq
        """Up to where the clients that keep up were written."""
        self.patches = patches
        """Recent frames, for clients that come back; a contiguous view is read from the records."""
        self.patches.clear(seq)
        self.wrote_at = now
        self._members: dict[Subscriber, bool] = {}
        self._fan: tuple[Callable[[bytes], None], ...] | None = ()

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, client: Subscriber) -> bool:
        return client in self._members

    @property
    def members(self) -> list[Subscriber]:
        """Every client, those included that are behind."""
        return list(self._members)

    def put(self, client: Subscriber, *, keeps_up: bool) -> None:
        """Take a client in, or note whether it keeps up."""
        client.group = self
        self._members[client] = keeps_up
        self._fan = None

    def remove(self, client: Subscriber) -> None:
        """Let a client go."""
        client.group = None
        if self._members.pop(client, None) is not None:
            self._fan = None

    def keeps_up(self, client: Subscriber) -> bool:
        """Whether the client gets what the group gets."""
        return self._members.get(client, False)

    def frame(self, messages: Iterable[Message]) -> bytes:
        """The messages as bytes on the wire."""
        message = self.framing.message
        return b"".join(
            [
                message(kind, data, None if cursor is None else str(cursor))
                for kind, data, cursor in messages
            ]
        )

    def advance(self, change: Change, now: float) -> int:
        """Frame a change and write it to the clients that keep up; gives how many these are."""
        data = self.frame(self.view.changes(change))
        if not self.view.contiguous:
            self.patches.append(self.seq, change.state.seq, len(data), data)
        self.seq = change.state.seq
        return self.write(data, now) if data else 0

    def write(self, data: bytes, now: float) -> int:
        """Write shared bytes to the clients that keep up; gives how many these are."""
        fan = self._fan
        if fan is None:
            fan = self._fan = tuple([c.write for c, ready in self._members.items() if ready])
        self.wrote_at = now
        for write in fan:
            write(data)
        return len(fan)

    def snapshot(self, state: RunState, epoch: str) -> bytes:
        """What stands for everything up to the state."""
        return self.frame(self.view.snapshot(state, epoch))
