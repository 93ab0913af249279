"""Which runs the streams of many show: named or selected, opened, ended, waited for."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from broker.errors import Overloaded
from broker.gateway.many.bundle import Bundle
from broker.gateway.many.dormant import Dormant
from broker.gateway.many.opening import Opening
from broker.gateway.many.part import Part
from broker.gateway.many.selection import Moves, Selections
from broker.hub.ports import Timing
from broker.hub.registry import Registry
from broker.metrics import Metrics
from broker.model.heads import Heads
from broker.model.subjects import RunKey
from broker.runs.index import Index
from broker.stream.live import LiveRuns

RUNS_MAX: Final = 1_000
"""Runs of one stream."""
PARTS_MAX: Final = 200_000
"""Runs of all streams together, each counted once for each stream."""


class Endings(NamedTuple):
    """How a stream goes on or ends because of what its runs do."""

    whole: Callable[[Bundle], object]
    """Every run has been opened."""
    ended: Callable[[Bundle, Heads], None]
    """The last of the runs named has ended."""
    cut: Callable[[Bundle, str], None]
    """It must be opened anew; the reason is one of a few words."""


class Showing:
    """Puts runs into bundles and takes them out."""

    def __init__(
        self,
        registry: Registry,
        runs: LiveRuns,
        index: Index,
        *,
        endings: Endings,
        timing: Timing,
        metrics: Metrics,
    ) -> None:
        self._runs = runs
        self._endings = endings
        self._metrics = metrics
        self._count = 0
        self._opening = Opening(registry, absent=self._wait, whole=endings.whole, timing=timing)
        self._dormant = Dormant(runs, self._opening.open)
        self.selections = Selections(
            index, Moves(enter=self._enter, resume=self._opening.open, leave=self._leave)
        )

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Open runs and look for those that wait, until cancelled."""
        self._opening.tasks = tasks
        stop = self.selections.follow()
        try:
            await self._dormant.look_forever()
        finally:
            self._opening.tasks = None
            stop()

    def require_room(self, count: int) -> None:
        """Raise Overloaded unless so many runs more can be shown."""
        if self._count + count > PARTS_MAX:
            self._metrics.limited.labels("stream_runs_total").inc()
            raise Overloaded("stream_runs_total", PARTS_MAX)

    def show(self, bundle: Bundle, heads: Mapping[RunKey, int], upto: int) -> None:
        """Show runs, given with their last sequences; one without any is shown once it begins.

        Of what was stored up to `upto` the client has everything. Where a filter selected them,
        others will enter and leave.
        """
        if bundle.query is not None:
            self.selections.add(bundle, bundle.query)
        self._count += len(heads)
        for run, head in heads.items():
            part = Part(bundle, run, upto)
            bundle.add(part)
            if head:
                self._opening.open(part)
            else:
                part.missing = True
                self._wait(part, 0)

    def over(self, part: Part) -> None:
        """A run has ended; with the last of those named the stream has."""
        bundle = part.bundle
        if bundle.query is not None:
            return  # the index tells of it when it goes on
        if all(other.seen for other in bundle.parts.values()):
            heads = {other.run.subject: other.seen for other in bundle.parts.values()}
            self._endings.ended(bundle, Heads.at_end(self._runs.epoch, heads))
        else:
            self._wait(part, part.seen)

    def released(self, parts: Iterable[Part]) -> None:
        """Runs are not shown any more."""
        for part in parts:
            self._count -= 1
            self._dormant.remove(part)

    def _wait(self, part: Part, seq: int) -> None:
        self._dormant.add(part, seq)

    def _enter(self, bundle: Bundle, run: RunKey) -> None:
        """A filter selects one run more; with one too many the stream ends, and is refused then."""
        if len(bundle.parts) >= RUNS_MAX or self._count >= PARTS_MAX:
            self._endings.cut(bundle, "full")
            return
        part = Part(bundle, run, 0)
        bundle.add(part)
        self._count += 1
        self._opening.open(part)

    def _leave(self, part: Part) -> None:
        """A filter does not select a run any more."""
        bundle = part.bundle
        bundle.remove(part)
        bundle.departed.add(part.run)
        if len(bundle.departed) > RUNS_MAX:
            self._endings.cut(bundle, "slow")
        elif not bundle.held:
            tell_departed(bundle)


def tell_departed(bundle: Bundle) -> None:
    """Tell a client which runs its filter does not select any more."""
    departed, bundle.departed = bundle.departed, set()
    for run in departed:
        bundle.write(bundle.events.message("left", msgspec.json.encode({"run": run.run})))
