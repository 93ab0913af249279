"""How a run is read again: a while at a time, however long one of its events takes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from broker.gateway.runs.attempts import Attempts
from broker.metrics import Metrics
from broker.model.bounds import Bounds
from broker.model.evolve import Fold
from broker.model.record import Record
from broker.model.state import initial
from broker.model.subjects import RunKey

KEY = RunKey("default", "r1")
LONGEST = 0.012
"""Seconds of a turn: what it may take, the event that goes beyond that, and looks at the clock."""
RECORDS = [
    Record(seq, datetime(2026, 1, 31, tzinfo=UTC), b'{"type":"run.started","attempt":%d}' % seq)
    for seq in range(1, 201)
]


class Stored:
    """A run that is stored whole, on one page."""

    epoch = "e1"

    async def read(self, key: RunKey, after: int) -> AsyncIterator[list[Record]]:
        yield RECORDS

    async def count(self, key: RunKey) -> int:
        return len(RECORDS)


@pytest.mark.parametrize("what", ["attempt", "moment"])
async def test_events_that_take_long_are_folded_few_at_a_time(what: str) -> None:
    """Each begins an attempt of very many steps, say, which takes two milliseconds."""
    time, since_turn, longest = 0.0, 0.0, 0.0

    def now() -> float:
        nonlocal time, longest
        time += 0.002
        longest = max(longest, time - since_turn)
        return time

    attempts = Attempts(Stored(), bounds=Bounds(), now=now, metrics=Metrics())  # type: ignore[arg-type]
    fold = Fold(initial(*KEY))
    fold.extend(RECORDS)
    if what == "attempt":
        reading = asyncio.create_task(attempts.past(KEY, 190, fold.state))
    else:
        reading = asyncio.create_task(attempts.at(KEY, 190, 200, 200))
    rounds = 0
    while not reading.done():
        await asyncio.sleep(0)
        since_turn = time
        rounds += 1
    cursor, _ = await reading
    assert 190 == cursor.seq
    assert rounds > 40
    assert longest <= LONGEST
