"""What the list of runs stands on, joined: the summaries, their index, and the watched lists."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from broker.gateway.lists.live_lists import ListLimits, LiveLists
from broker.hub.ports import Timing
from broker.metrics import Metrics
from broker.model.state import RunStatus
from broker.model.subjects import RunKey
from broker.runs.index import Feed, Index
from broker.stream.connection import Connection
from broker.stream.summaries import Summaries


class ListParts(NamedTuple):
    """The running parts; `runs` is the index of them."""

    runs: Index
    summaries: Summaries
    lists: LiveLists

    def renew(self, epoch: str) -> None:
        """PROGRESS was made anew: what was stored of runs is void, and read again."""
        self.runs.epoch = epoch
        self.runs.clear()
        self.summaries.renew()

    def status_of(self, key: RunKey) -> RunStatus | None:
        """The status of a run, as far as it is known here; None where it is not."""
        summary = self.runs.get(key.run, key.tenant)
        return None if summary is None else summary.status

    def why_not_ready(self) -> str | None:
        """Why lists cannot be had yet; None when they can."""
        if self.runs.built:
            return None
        return f"the index of runs is being built ({len(self.runs):,} so far)"


@asynccontextmanager
async def listing_runs(
    connection: Connection,
    *,
    epoch: str,
    most: int,
    limits: ListLimits,
    timing: Timing,
    metrics: Metrics,
    feeds: Sequence[Feed] = (),
) -> AsyncIterator[ListParts]:
    """Index every run, the newest `most`, and let lists be watched, as long as the block.

    The `feeds` hear of every run from the first one on.
    """
    index = Index(most=most, now=time.time, metrics=metrics, epoch=epoch)
    for feed in feeds:
        index.subscribe(feed)
    async with (
        LiveLists.running(index, limits=limits, timing=timing, metrics=metrics) as lists,
        Summaries.running(connection, index, metrics=metrics) as summaries,
    ):
        yield ListParts(index, summaries, lists)
