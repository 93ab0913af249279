"""The runs of a pipeline that began last: what a list draws beside each of its rows."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from broker.model.state import RunStatus
from broker.runs.index import Index
from broker.runs.query import Query

RUNS: Final = 10
FRESH_FOR: Final = 5.0
"""Seconds that an answer holds for all clients: of a pipeline with thousands of runs it takes
milliseconds to find."""
PIPELINES_MOST: Final = 1_000


class RecentRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of them; `duration` in seconds, once it has ended."""

    run: str
    status: RunStatus
    duration: float | None = None


class Recent(NamedTuple):
    """How many runs of a pipeline have each status, and those that began last, the latest first."""

    counts: dict[str, int]
    runs: list[RecentRun]


class RecentRuns:
    """Asks the index, and remembers for a moment what it said. `now` is monotonic, in seconds."""

    def __init__(self, index: Index, now: Callable[[], float]) -> None:
        self._index = index
        self._now = now
        self._kept: OrderedDict[str, tuple[float, Recent]] = OrderedDict()

    def of(self, pipeline: str) -> Recent | None:
        """Of a pipeline; None where it has no runs."""
        now = self._now()
        asked_at, found = self._kept.get(pipeline, (-FRESH_FOR, None))
        if found is None or now - asked_at >= FRESH_FOR:
            found = self._asked(pipeline)
            self._keep(pipeline, now, found)
        return found

    def _asked(self, pipeline: str) -> Recent | None:
        page = self._index.page(Query(pipelines=(pipeline,), sort="started_at", limit=RUNS))
        if not page.rows:
            return None
        runs = [RecentRun(row.run, row.status, row.duration) for _, row in page.rows]
        return Recent(page.counts, runs)

    def _keep(self, pipeline: str, now: float, found: Recent | None) -> None:
        self._kept.pop(pipeline, None)
        if found is not None:
            self._kept[pipeline] = now, found
        if len(self._kept) > PIPELINES_MOST:
            self._kept.popitem(last=False)
