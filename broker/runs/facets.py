"""What rows are filtered and counted by, as roaring bitmaps."""

from pyroaring import BitMap

from broker.model.summary import Summary
from broker.runs.fields import ABSENT, began, labels_of, parent_of
from broker.runs.hours import Hours
from broker.runs.postings import Postings, Vocabulary
from broker.runs.query import STATUSES, Query


class Facets:
    """The rows with each tenant, status, pipeline, label and parent, and of each hour."""

    def __init__(self) -> None:
        self.pipelines = Vocabulary()
        self.labels = Vocabulary()
        self._tenants = Postings()
        self._parents = Postings()
        self._statuses = {status: BitMap() for status in STATUSES}
        self._began = Hours()

    def add(self, slot: int, summary: Summary) -> str:
        """Note what a row has; gives its pipeline as it is kept, or ""."""
        pipeline = summary.pipeline or ""
        self._tenants.add(summary.tenant, slot)
        self._statuses[summary.status].add(slot)
        if pipeline:
            pipeline = self.pipelines.add(pipeline, slot)
        for label in labels_of(summary):
            self.labels.add(label, slot)
        parent = parent_of(summary)
        if parent is not None:
            self._parents.add(parent, slot)
        self._began.put(slot, began(summary))
        return pipeline

    def discard(self, slot: int, summary: Summary) -> None:
        """A row has no longer what it had."""
        self._tenants.discard(summary.tenant, slot)
        self._statuses[summary.status].discard(slot)
        if summary.pipeline:
            self.pipelines.discard(summary.pipeline, slot)
        for label in labels_of(summary):
            self.labels.discard(label, slot)
        parent = parent_of(summary)
        if parent is not None:
            self._parents.discard(parent, slot)
        self._began.put(slot, ABSENT)

    def found(self, query: Query, *others: BitMap) -> BitMap:
        """The rows that pass all filters but the one by status, and are in all others.

        Not to be changed.
        """
        wanted = [self._tenants.having(query.tenant), *others]
        if query.pipelines:
            wanted.append(_any_of([self.pipelines.having(name) for name in query.pipelines]))
        wanted += [self.labels.having(label) for label in query.labels]
        if query.parent is not None:
            wanted.append(self._parents.having(query.parent))
        if query.since is not None or query.until is not None:
            wanted.append(self._began.within(query.since, query.until))
        fewest, *more = sorted(wanted, key=len)
        return fewest.intersection(*more) if more else fewest

    def with_status(self, query: Query, rows: BitMap) -> BitMap:
        """Those of the rows that pass the filter by status; not to be changed."""
        if not query.statuses:
            return rows
        return rows & _any_of([self._statuses[status] for status in query.statuses])

    def counts(self, rows: BitMap) -> dict[str, int]:
        """How many of the rows have each status."""
        return {
            status: rows.intersection_cardinality(having)
            for status, having in self._statuses.items()
        }

    def by_pipeline(self, most: int, tenant: str) -> dict[str, dict[str, int]]:
        """The counts of each pipeline, by name: of so many, those with the most rows."""
        ours, counts = self._tenants.having(tenant), {}
        for name in sorted(self.pipelines.commonest(most)):
            rows = self.pipelines.having(name) & ours
            if rows:
                counts[name] = self.counts(rows)
        return counts


def _any_of(rows: list[BitMap]) -> BitMap:
    first, *others = rows
    return first.union(*others) if others else first
