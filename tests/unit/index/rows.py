"""Summaries for an index, and a list of them that is simple enough to be right."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from broker.metrics import Metrics
from broker.model.events import Parent
from broker.model.state import Counts, Progress
from broker.model.summary import Summary, encode_summary
from broker.runs.index import Index
from broker.runs.query import STATUSES, Query

BEGINNING = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=12)
"""Not long ago: a gateway lists no run that was updated more than thirty days before today."""


def at(seconds: float) -> datetime:
    """A time, counted from the beginning."""
    return BEGINNING + timedelta(seconds=seconds)


def summary(run: str, updated: float = 0, **fields: Any) -> Summary:
    """A row; times are seconds from the beginning."""
    parent = fields.pop("parent", None)
    times: dict[str, Any] = {
        name: None if fields[name] is None else at(fields[name])
        for name in ("queued_at", "started_at", "ended_at")
        if name in fields
    }
    given: dict[str, Any] = {
        "run": run,
        "tenant": "default",
        "cursor": "e1-1",
        "status": "running",
        "attempt": 1,
        "progress": Progress(),
        "counts": Counts(),
        "updated_at": at(updated),
        **fields,
        **times,
        "parent": None if parent is None else Parent(run=parent),
    }
    return Summary(**given)


def an_index(most: int = 1_000, now: Callable[[], float] | None = None, **more: Any) -> Index:
    """An index a day after the beginning."""
    later = at(86_400).timestamp()
    return Index(most=most, now=now or (lambda: later), metrics=Metrics(), **more)


def apply(index: Index, *summaries: Summary, version: int = 1) -> None:
    """Put rows into an index."""
    index.apply([(version, encode_summary(each)) for each in summaries])


class Naive:
    """Every row, looked at one by one."""

    def __init__(self) -> None:
        self.rows: dict[str, Summary] = {}

    def found(self, query: Query) -> list[str]:
        """The runs that a query finds, from its position on."""
        rows = [row for row in self.rows.values() if self._admits(query, row)]
        keyed = sorted([(self._key(query, row), row.run) for row in rows])
        if query.descending:
            keyed.reverse()
        return [run for _, run in keyed]

    def counts(self, query: Query) -> dict[str, int]:
        """How many have each status, whatever status is asked for."""
        statuses = [row.status for row in self.rows.values() if self._passes(query, row)]
        return {status: statuses.count(status) for status in STATUSES}

    def _admits(self, query: Query, row: Summary) -> bool:
        return (not query.statuses or row.status in query.statuses) and self._passes(query, row)

    def _passes(self, query: Query, row: Summary) -> bool:
        labels = [f"{key}:{value}" for key, value in row.labels.items()]
        texts = [row.run, row.name or "", row.pipeline or "", *labels]
        began = row.queued_at or row.started_at
        return (
            (not query.pipelines or row.pipeline in query.pipelines)
            and all(label in labels for label in query.labels)
            and (query.parent is None or (row.parent and row.parent.run) == query.parent)
            and all(any(term in text.casefold() for text in texts) for term in query.terms)
            and (query.since is None or (began is not None and began.timestamp() >= query.since))
            and (query.until is None or (began is not None and began.timestamp() < query.until))
        )

    def _key(self, query: Query, row: Summary) -> Any:
        if query.sort == "status":
            return STATUSES.index(row.status)
        began = row.queued_at or row.started_at
        value = began if query.sort == "began_at" else getattr(row, query.sort)
        if query.sort == "name":
            return f"{value or ''}\n{row.run}".casefold()
        if query.sort == "pipeline":
            return value or ""
        if isinstance(value, datetime):
            return value.timestamp()
        return -1.0 if value is None else value
