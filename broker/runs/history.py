"""How long the last runs of each pipeline took, as a whole and step by step. Pure and bounded."""

import math
from array import array
from bisect import insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

import msgspec

from broker.metrics import Metrics
from broker.model.summary import DURATIONS, Summary, worked

RUNS: Final = 100
"""Completed runs that are remembered of a pipeline."""
STEPS: Final = 200
"""Steps of a pipeline whose durations are remembered."""

Column: TypeAlias = "array[float]"
"""Seconds by remembered run; NaN where the run has no such figure."""


class HistoryLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`columns` bounds the steps of all pipelines together, of 100 figures each."""

    pipelines: int = 2_000
    columns: int = 50_000


class _Place(NamedTuple):
    """Where a remembered run stands in the columns, and when it ended."""

    ended_at: float
    run: str
    row: int


class History:
    """The last completed runs of one pipeline.

    What failed or was cancelled says little of how long a run takes that does its work. Nor does
    the time for which one was paused.
    """

    __slots__ = ("_order", "_rows", "_whole", "steps", "totals")

    def __init__(self) -> None:
        self.totals: Column = array("d")
        self.steps: dict[str, Column] = {}
        self._whole = bytearray()
        """By row: whether the durations of all steps are known."""
        self._order: list[_Place] = []
        """The one that ended first is first."""
        self._rows: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._order)

    @property
    def whole(self) -> bool:
        """Whether step by step is all there is: no run had steps that are not remembered."""
        return bool(self.steps) and all(self._whole)

    def quantiles(self, *levels: float) -> list[float]:
        """How long runs took, in seconds, at each level; there must be one at least."""
        ordered = sorted(self.totals)
        return [quantile(ordered, level) for level in levels]

    def step(self, name: str) -> list[float]:
        """How long a step took, in ascending order; empty where it is not known."""
        return sorted(known(self.steps.get(name, ())))

    def add(self, summary: Summary) -> None:
        """Remember a completed run; one that is known already in place of what was known."""
        if summary.duration is None or summary.ended_at is None:
            return
        ended_at = summary.ended_at.timestamp()
        row = self._row_for(summary.run, ended_at)
        if row is None:
            return
        self._rows[summary.run] = row
        place, order = _Place(ended_at, summary.run, row), self._order
        if order and order[-1].ended_at < ended_at:
            order.append(place)  # as nearly always
        else:
            insort(order, place)
        self.totals[row] = worked(summary.duration, summary.paused_seconds)
        steps, told = self.steps, True
        if steps.keys() != summary.durations.keys():
            for column in steps.values():
                column[row] = math.nan
        for name, seconds in summary.durations.items():
            kept = steps.get(name)
            if kept is not None:
                kept[row] = seconds
            else:
                told &= self._begin(name, row, seconds)
        durations = len(summary.durations)
        self._whole[row] = told and (durations < DURATIONS or durations >= summary.counts.completed)

    def _row_for(self, run: str, ended_at: float) -> int | None:
        """Where a run goes: its own row, a new one, or that of the oldest; None if it is older."""
        row = self._rows.get(run)
        if row is not None:
            self._order = [place for place in self._order if place.run != run]
            return row
        if len(self._order) < RUNS:
            self.totals.append(math.nan)
            self._whole.append(False)
            for column in self.steps.values():
                column.append(math.nan)
            return len(self.totals) - 1
        if ended_at < self._order[0].ended_at:
            return None
        oldest = self._order.pop(0)
        del self._rows[oldest.run]
        return oldest.row

    def _begin(self, name: str, row: int, seconds: float) -> bool:
        """Remember a step that was not known; whether there is room."""
        if len(self.steps) >= STEPS:
            self._forget_unused()
        if len(self.steps) >= STEPS:
            return False
        column = self.steps[name] = array("d", [math.nan]) * len(self.totals)
        column[row] = seconds
        return True

    def _forget_unused(self) -> None:
        """Drop the steps that no remembered run has any more."""
        unused = [n for n, column in self.steps.items() if next(known(column), None) is None]
        for name in unused:
            del self.steps[name]


class Histories:
    """The histories of the pipelines that completed a run last."""

    def __init__(self, *, limits: HistoryLimits, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        self._histories: OrderedDict[tuple[str, str], History] = OrderedDict()
        self._columns = 0

    def __len__(self) -> int:
        return len(self._histories)

    def get(self, tenant: str, pipeline: str | None) -> History | None:
        """What is known of a pipeline; None where no run of it completed of late."""
        return None if pipeline is None else self._histories.get((tenant, pipeline))

    def hear(self, summaries: Iterable[Summary]) -> None:
        """Take in how runs stand now."""
        for summary in summaries:
            if summary.status == "completed" and summary.pipeline is not None:
                self._add(summary, summary.pipeline)
        self._metrics.history_pipelines.set(len(self))

    def clear(self) -> None:
        """Forget everything."""
        self._histories.clear()
        self._columns = 0

    def _add(self, summary: Summary, pipeline: str) -> None:
        key = (summary.tenant, pipeline)
        history = self._histories.get(key)
        if history is None:
            history = self._histories[key] = History()
        else:
            self._histories.move_to_end(key)
        before = len(history.steps)
        history.add(summary)
        if not len(history):
            del self._histories[key]
            return
        self._columns += len(history.steps) - before
        limits = self._limits
        while len(self) > limits.pipelines or (self._columns > limits.columns and len(self) > 1):
            _, oldest = self._histories.popitem(last=False)
            self._columns -= len(oldest.steps)
            self._metrics.history_evicted.inc()


def known(column: Iterable[float]) -> Iterator[float]:
    """The figures that are there."""
    return (seconds for seconds in column if seconds == seconds)


def quantile(ordered: Sequence[float], level: float) -> float:
    """The quantile of ascending values, linear between two of them; there must be one at least."""
    at = level * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)
