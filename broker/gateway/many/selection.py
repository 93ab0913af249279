"""Which runs the filters of streams select, as it changes: runs enter, come back, and leave."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from broker.gateway.many.bundle import Bundle
from broker.gateway.many.part import Part
from broker.model.cursor import Cursor
from broker.model.subjects import RunKey
from broker.model.summary import Summary
from broker.runs.index import Index
from broker.runs.query import Query


class Moves(NamedTuple):
    """What is done when a stream's selection changes."""

    enter: Callable[[Bundle, RunKey], None]
    """A run is to be shown that was not."""
    resume: Callable[[Part], None]
    """A run that had ended has gone on."""
    leave: Callable[[Part], None]
    """A run is not to be shown any more."""


class Selections:
    """The filters in use. A run is judged once for each, however many streams have it."""

    def __init__(self, index: Index, moves: Moves) -> None:
        self._index = index
        self._moves = moves
        self._streams: dict[Query, set[Bundle]] = {}

    def follow(self) -> Callable[[], None]:
        """Hear of what changes from now on; gives how to stop it."""
        return self._index.subscribe(self._fed)

    def selected(self, query: Query, most: int) -> list[RunKey]:
        """The runs that a filter selects now, `most` of them at most."""
        return [RunKey(query.tenant, run) for run in self._index.matching(query, most)]

    def add(self, bundle: Bundle, query: Query) -> None:
        """Keep the runs of a stream as its filter selects them."""
        self._streams.setdefault(query, set()).add(bundle)

    def remove(self, bundle: Bundle) -> None:
        """Let a stream be; one without a filter is none of these."""
        if bundle.query is None:
            return
        streams = self._streams.get(bundle.query, set())
        streams.discard(bundle)
        if not streams:
            self._streams.pop(bundle.query, None)

    def _fed(self, changed: Sequence[Summary]) -> None:
        for query, bundles in list(self._streams.items()):
            for summary in changed:
                admitted = query.admits(summary)
                for bundle in list(bundles):
                    self._judged(bundle, summary, admitted=admitted)

    def _judged(self, bundle: Bundle, summary: Summary, *, admitted: bool) -> None:
        key = RunKey(summary.tenant, summary.run)
        part = bundle.parts.get(key)
        if part is None:
            if admitted and bundle.closing_at is None:
                self._moves.enter(bundle, key)
        elif not admitted:
            self._moves.leave(part)
        elif part.seen:
            cursor = Cursor.parse(summary.cursor)
            if cursor is not None and cursor.seq > part.seen:
                self._moves.resume(part)
