"""What a list holds for those who watch it."""

import asyncio
import tracemalloc
from typing import Any

from broker.gateway.lists.live_lists import ListLimits, LiveLists
from broker.hub.ports import Timing
from broker.hub.subscriber import Subscriber
from broker.metrics import Metrics
from broker.protocol.conversation import ListMessages
from broker.runs.query import Query
from tests.unit.index.rows import an_index, apply, summary

LIMITS = ListLimits(ttl=30, heartbeat=15, idle_timeout=300, stall_timeout=30)


class Reader:
    """A client that has read everything at once."""

    def write(self, data: bytes) -> None:
        pass

    def pending(self) -> int:
        return 0

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


def test_what_is_kept_does_not_grow_with_the_ids_that_clients_choose() -> None:
    """Each has a snapshot of 60 KB framed for it alone."""
    index = an_index()
    apply(index, *(summary(f"r{n}", n, message="x" * 100) for n in range(200)))
    for _ in index.finish():
        pass
    timing = Timing(lambda: 0.0, lambda at, call: asyncio.TimerHandle, float)  # type: ignore[arg-type,return-value]
    lists = LiveLists(index, limits=LIMITS, timing=timing, metrics=Metrics())
    watched = lists.watched(Query(limit=200))

    def come(id: Any) -> None:
        client = Subscriber(Reader(), now=0.0, expires_at=0.0)
        watched.join(client, ListMessages("", id), b"")

    come("first")
    tracemalloc.start()
    try:
        for id in range(200):
            come(id)
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()
