"""Where a viewer of log lines begins, and what it gets before it joins the others."""

from collections.abc import Callable
from typing import NamedTuple

from broker.errors import NotFound
from broker.gateway.logs.ends import Endings
from broker.gateway.runs.cursors import LAG
from broker.hub.registry import Registry
from broker.hub.run_hub import RunHub
from broker.model.loglines import BEGINNING, WHOLE, Address, Chosen, Line, Position, lines_after
from broker.model.subjects import RunKey
from broker.protocol.sse import Framing
from broker.stream.connection import Connection
from broker.stream.lines import LiveLines
from broker.stream.replay import last_sequences
from broker.stream.tail import begin_of_tail, first_batch
from broker.views.lines import LinesView


class Joining(NamedTuple):
    """How a viewer joins: with the `rest` of the batch `begin`, then with all that comes after it.

    `resumed` tells whether this continues from the cursor that it came with.
    """

    hub: RunHub
    view: LinesView
    begin: int
    rest: list[Line]
    resumed: bool


class Logs(NamedTuple):
    """The log lines of all runs: stored ones, and hubs for those to come."""

    source: LiveLines
    hubs: Registry
    endings: Endings
    events: Connection
    """Where to ask for the events of a run that has not logged."""

    async def last(self, key: RunKey) -> int:
        """The run's newest batch; 0 where it has not logged yet.

        Raises NotFound where there is no such run, StreamUnavailable.
        """
        last = await self.source.last(key)
        if not last and not await last_sequences(self.events, [key.subject]):
            raise NotFound(key.run)
        return last

    async def join(
        self,
        key: RunKey,
        chosen: Chosen,
        cursor: str | None,
        tail: int | None,
        shown: Callable[[Chosen], LinesView] = LinesView,
    ) -> Joining:
        """Begin behind the cursor; where it leads nowhere, so many lines before the end, or first.

        Raises NotFound, StreamUnavailable, Overloaded.
        """
        await self.last(key)
        hub = await self.hubs.hub(key)
        view = shown(chosen)
        at = await self._known(hub, cursor) if cursor is not None else None
        resumed = at is not None
        if at is None and tail is not None:
            end = Position(hub.seq)
            at = await begin_of_tail(self.source.reads, key.log_subject, end, chosen, tail)
        if at is None:
            at = BEGINNING
        if at.place == WHOLE:
            return Joining(hub, view, at.seq, [], resumed)
        if at.place < 0:
            return Joining(hub, view, at.seq - 1, [], resumed)
        batch = await self.source.batch(key, at.seq)
        rest = [] if batch is None else lines_after(batch, chosen, at)
        return Joining(hub, view, at.seq, rest, resumed)

    def over(self, joining: Joining) -> bool:
        """Whether a viewer has all lines of a run that has ended."""
        at_end = joining.resumed and not joining.rest and joining.begin == joining.hub.seq
        return at_end and self.endings.over(joining.hub) is not None

    async def _known(self, hub: RunHub, cursor: str) -> Position | None:
        """Where a cursor leads, if all that came after it is still there.

        Another gateway may have shown the client what has not arrived here yet: that is waited for.
        """
        address = Address.parse(cursor)
        if address is None or address.epoch != hub.epoch:
            return None
        if address.seq > hub.seq:
            stored = address.seq <= await self.source.last(hub.key)
            if not stored or not await hub.beyond(address.seq - 1, LAG):
                return None
        if address.seq < hub.records.begin:
            first = await first_batch(self.source.reads, hub.key.log_subject)
            if address.seq < first:
                return None
        return address.behind


def beginning(
    framing: Framing, joining: Joining, cursor: str | None, **rhythm: float
) -> Callable[[bool], bytes]:
    """The first frames of a viewer: the hello, and what is left of the batch it had a part of."""
    said: dict[str, object] = {"resumed": joining.resumed}
    if cursor is not None:
        said["from"] = cursor[:64]
    said |= {"head": str(joining.hub.cursor), **rhythm}
    view = joining.view
    messages = [*view.hello(said), *view.messages(joining.rest, joining.hub.epoch)]
    first = b"".join(
        [
            framing.message(kind, data, None if address is None else str(address))
            for kind, data, address in messages
        ]
    )
    return lambda continues: first
