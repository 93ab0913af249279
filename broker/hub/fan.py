"""Clients that get the same bytes over the same transport."""

from collections.abc import Callable

from broker.hub.subscriber import Subscriber
from broker.protocol.sse import Framing


class Fan:
    """Writes shared bytes to every client that keeps up."""

    __slots__ = ("_members", "_writes", "framing", "wrote_at")

    def __init__(self, framing: Framing, *, now: float) -> None:
        self.framing = framing
        self.wrote_at = now
        self._members: dict[Subscriber, bool] = {}
        self._writes: tuple[Callable[[bytes], None], ...] | None = ()

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
        self._members[client] = keeps_up
        self._writes = None

    def remove(self, client: Subscriber) -> None:
        """Let a client go."""
        if self._members.pop(client, None) is not None:
            self._writes = None

    @property
    def idle(self) -> bool:
        """Whether nobody keeps up, so that there is nobody to write to."""
        return True not in self._members.values()

    def keeps_up(self, client: Subscriber) -> bool:
        """Whether the client gets what the others get."""
        return self._members.get(client, False)

    def write(self, data: bytes, now: float) -> int:
        """Write shared bytes to the clients that keep up; gives how many these are."""
        writes = self._writes
        if writes is None:
            writes = self._writes = tuple([c.write for c, ready in self._members.items() if ready])
        self.wrote_at = now
        for write in writes:
            write(data)
        return len(writes)
