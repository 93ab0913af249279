"""One event stream of many runs: the protocol of a connection taken over from aiohttp, its parts.

It has no timer and no queue of its own, and a task only while runs are opened for it. While its
client does not read it gets nothing, and then one snapshot for each run that it missed.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

from broker.gateway.http.carrier import Carrier
from broker.gateway.many.part import Part
from broker.hub.ports import Timing
from broker.model.heads import digest
from broker.model.subjects import RunKey
from broker.protocol.sse import Framing
from broker.runs.query import Query


class Ways(NamedTuple):
    """What every bundle shares."""

    over: Callable[[Part], None]
    """Called with a run that has ended, once its end is written."""
    interrupted: Callable[["Bundle"], None]
    """Called when a run is taken away although it has not ended."""
    whole: Callable[["Bundle"], object]
    """Called when a client that was behind has everything again."""
    released: Callable[[Iterable[Part]], None]
    """Called with runs that are not shown any more."""
    gone: Callable[["Bundle"], None]
    """Called when the connection is closed."""
    timing: Timing


class Bundle(Carrier[Part]):
    """Writes what its parts' hubs have framed, and tells them whether its client keeps up."""

    __slots__ = (
        "_members",
        "changed_at",
        "committed",
        "departed",
        "events",
        "failed",
        "parts",
        "query",
        "ways",
        "wrote_at",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        events: Framing,
        ways: Ways,
        *,
        query: Query | None,
        expires_at: float,
    ) -> None:
        now = ways.timing.now()
        super().__init__(transport, now, expires_at=expires_at)
        self.ways = ways
        self.events = events
        self.query = query
        """What selects its runs; None where they were named."""
        self.parts: dict[RunKey, Part] = {}
        self.departed: set[RunKey] = set()
        """Runs not selected any more, of which the client has not been told."""
        self.failed = 0
        """Runs that could not be opened and are to be tried again."""
        self.committed = (0, "")
        """The sequence and digest that the client was told last."""
        self.changed_at = self.wrote_at = now
        """When a look last found something new, and when one last wrote something."""
        self._members: str | None = None

    @property
    def served(self) -> dict[RunKey, Part]:
        """The runs that it shows."""
        return self.parts

    @property
    def members(self) -> str:
        """The digest of the runs that a filter selected; empty where they were named."""
        if self.query is None:
            return ""
        if self._members is None:
            self._members = digest(run.subject for run in self.parts)
        return self._members

    def add(self, part: Part) -> None:
        """Show a run more."""
        self.parts[part.run] = part
        self.departed.discard(part.run)
        self._members = None

    def remove(self, part: Part) -> None:
        """Show a run no more."""
        part.leave()
        if part.failed:
            part.failed = False
            self.failed -= 1
        del self.parts[part.run]
        self._members = None
        self.ways.released([part])

    @property
    def behind(self) -> bool:
        """Whether the client lacks something of some run that is known here."""
        return self.held or bool(self.tasks) or bool(self.waiting) or self.failed > 0

    @property
    def head(self) -> int:
        """The highest sequence shown, of any of the runs."""
        return max((part.head for part in self.parts.values()), default=0)

    # The connection.

    def data_received(self, data: bytes) -> None:
        """What a client sends into a running stream is of no interest."""

    def pause_writing(self) -> None:
        self._hold(self.ways.timing.now())

    def resume_writing(self) -> None:
        """Let the runs go on in turn, until one of them fills the socket again."""
        if self._go_on():
            self.ways.whole(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing_at = self.ways.timing.now()
        self.let_go()
        self.ways.gone(self)

    def finish(self, last_words: bytes, *, why: str) -> None:
        """Leave every run, say the last, and close once that is sent."""
        if self.closing_at is not None:
            return
        self.ended_by = why
        self.closing_at = self.due = self.moved_at = self.ways.timing.now()
        self.let_go()
        if not self._transport.is_closing():
            self.write(last_words)
            self._transport.close()

    def let_go(self) -> None:
        """Leave every run."""
        parts, self.parts = self.parts, {}
        for part in parts.values():
            part.leave()
        self.ways.released(parts.values())
        self._open_no_more()
