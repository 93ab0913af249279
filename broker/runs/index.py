"""Every run that is kept, in memory: pages, counts, and a feed of what changes.

Beside the packed summaries stand bitmaps of the rows with each status, pipeline, label and
trigram, and the rows in order. ADR 0008 says why, and what it costs.
"""

from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from pyroaring import BitMap

from broker.metrics import Metrics
from broker.model.checkpoint import UNREADABLE
from broker.model.subjects import DEFAULT_TENANT
from broker.model.summary import Summary, decode_summary
from broker.runs.columns import Columns
from broker.runs.facets import Facets
from broker.runs.query import Query
from broker.runs.rows import pack_row, unpack_row
from broker.runs.search import Search

KEPT_FOR: Final = 30 * 86_400.0
"""Seconds that a checkpoint stays in its bucket; a row is no older."""

LABEL_BYTES: Final = 200
"""What a label takes beside its row, if no other row has it."""
ROW_BYTES: Final = 1536
"""Bytes of a row with its labels, on average; where rows are longer, fewer are kept."""

Feed: TypeAlias = Callable[[Sequence[Summary]], None]


class Row(NamedTuple):
    """A run of a page. `version` is the stream sequence of its checkpoint: another, another row."""

    version: int
    summary: Summary
    """Without `durations`."""


class Page(NamedTuple):
    """Rows in order, what asks for those after them, and how many runs have each status.

    The counts are of the runs that pass all filters but the one by status.
    """

    rows: list[Row]
    next: str | None
    counts: dict[str, int]


class Index:
    """Rows of the newest runs. Nothing in here awaits; a page costs a few milliseconds at most."""

    def __init__(
        self, *, most: int, now: Callable[[], float], metrics: Metrics, epoch: str | None = None
    ) -> None:
        self.version = 0
        """Grows with every change."""
        self.built = False
        """Whether every run that was stored at the start is in it."""
        self.epoch = epoch
        """That of PROGRESS: a summary of another one is void. None: whatever it is."""
        self._most = most
        self._now = now
        self._metrics = metrics
        self._feeds: list[Feed] = []
        self._reset()

    def _reset(self) -> None:
        self._slots: dict[Hashable, int] = {}
        self._free: list[int] = []
        self._bytes = 0
        self._rows: list[bytes] = []
        self._versions = array("Q")
        self._columns = Columns()
        self._facets = Facets()
        self._search = Search(self._columns.texts, self._facets.pipelines, self._facets.labels)

    def __len__(self) -> int:
        return len(self._slots)

    def subscribe(self, feed: Feed) -> Callable[[], None]:
        """Have `feed` called with the runs of each batch that was applied; gives how to stop it.

        While the index is built it hears of every run that is stored. It must not raise.
        """
        self._feeds.append(feed)
        return lambda: self._feeds.remove(feed)

    def apply(self, batch: Iterable[tuple[int, bytes]]) -> None:
        """Take encoded summaries in their order in the stream, each with its sequence.

        What cannot be read is counted and left out: it was written by hand, or by a later release.
        """
        changed = []
        for version, encoded in batch:
            try:
                summary = decode_summary(encoded)
            except UNREADABLE:
                self._metrics.checkpoints_unreadable.inc()
                continue
            if self.epoch is not None and summary.cursor.partition("-")[0] != self.epoch:
                continue
            self._put(summary, version)
            changed.append(summary)
        if self.built or self._is_full():
            self._evict()
        self._tell(changed)

    def remove(self, run: str, tenant: str = DEFAULT_TENANT) -> None:
        """Forget a run whose checkpoint was deleted."""
        slot = self._slots.get(_key(tenant, run))
        if slot is not None:
            self._drop(slot)
            self._tell([])

    def clear(self) -> None:
        """Forget everything: the streams were made anew."""
        self.built = False
        self._metrics.index_built.set(0)
        self._reset()
        self._tell([])

    def finish(self) -> Iterator[None]:
        """Make the orders, one with each step, and be built."""
        columns = self._columns
        for _ in columns.arrange():
            yield
        if columns is self._columns:
            self.built = True
            self._metrics.index_built.set(1)
            self._tell([])  # who could not ask meanwhile asks now

    def _tell(self, changed: list[Summary]) -> None:
        self.version += 1
        self._metrics.index_runs.set(len(self))
        for feed in list(self._feeds):
            feed(changed)

    def get(self, run: str, tenant: str = DEFAULT_TENANT) -> Summary | None:
        """A run's summary, without `durations`; None where it is not kept."""
        slot = self._slots.get(_key(tenant, run))
        return None if slot is None else unpack_row(self._rows[slot])

    def page(self, query: Query) -> Page:
        """The page that a query asks for."""
        self._evict()
        found = self._found(query)
        counts = self._facets.counts(found)
        found = self._facets.with_status(query, found)
        slots = self._columns.select(query, found, query.limit + 1)
        more, slots = len(slots) > query.limit, slots[: query.limit]
        token = query.token(self._columns.position(query.sort, slots[-1])) if more else None
        rows = [Row(self._versions[slot], unpack_row(self._rows[slot])) for slot in slots]
        return Page(rows, token, counts)

    def matching(self, query: Query, most: int) -> list[str]:
        """The runs that pass the filters, in the query's order; `most` of them at most."""
        self._evict()
        found = self._facets.with_status(query, self._found(query))
        return [self._columns.runs[slot] for slot in self._columns.select(query, found, most)]

    def pipelines(self, most: int, tenant: str = DEFAULT_TENANT) -> dict[str, dict[str, int]]:
        """How many runs of each pipeline have each status, by name.

        Where there are more than `most` pipelines, those with the most runs.
        """
        self._evict()
        return self._facets.by_pipeline(most, tenant)

    def _found(self, query: Query) -> BitMap:
        """The rows that pass all filters but the one by status; not to be changed."""
        return self._facets.found(query, *map(self._search.holding, query.terms))

    def _put(self, summary: Summary, version: int) -> None:
        key = _key(summary.tenant, summary.run)
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = self._free.pop() if self._free else self._new()
        else:
            self._take_out(slot)
        pipeline = self._facets.add(slot, summary)
        self._columns.put(slot, summary, pipeline)
        self._search.put(slot, summary)
        self._rows[slot] = pack_row(summary)
        self._versions[slot] = version
        self._bytes += self._size(slot, summary)

    def _new(self) -> int:
        self._rows.append(b"")
        self._versions.append(0)
        return len(self._rows) - 1

    def _take_out(self, slot: int) -> Summary:
        """Let what a row has be as if no row had it; gives the row."""
        summary = unpack_row(self._rows[slot])
        self._facets.discard(slot, summary)
        self._bytes -= self._size(slot, summary)
        return summary

    def _size(self, slot: int, summary: Summary) -> int:
        return len(self._rows[slot]) + LABEL_BYTES * len(summary.labels)

    def _drop(self, slot: int) -> None:
        summary = self._take_out(slot)
        self._columns.drop(slot)
        self._search.drop(slot)
        self._rows[slot] = b""
        del self._slots[_key(summary.tenant, summary.run)]
        self._free.append(slot)

    def _is_full(self) -> bool:
        return len(self) > self._most or self._bytes > self._most * ROW_BYTES

    def _evict(self) -> None:
        """Let go what is too old, and the oldest of what is too much."""
        oldest = self._now() - KEPT_FOR
        gone = 0
        while self._slots:
            slot, updated = self._columns.oldest()
            if updated >= oldest and not self._is_full():
                break
            self._drop(slot)
            gone += 1
        if gone:
            self.version += 1
            self._metrics.index_evicted.inc(gone)
            self._metrics.index_runs.set(len(self))


def _key(tenant: str, run: str) -> Hashable:
    """What a run is found by; nearly all are of one tenant, and need no pair."""
    return run if tenant == DEFAULT_TENANT else (tenant, run)
