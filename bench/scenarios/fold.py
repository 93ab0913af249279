"""`fold`: decode and evolve stored `step.progress` events, with few and with many steps.

The payloads are what the SDK sends (`id`, `time`, `attempt`) and the smallest a producer can send.
The plan is folded before the clock starts.
"""

import gc
import time
from datetime import UTC, datetime

import msgspec

from bench.harness import Figure
from broker.model.evolve import Fold
from broker.model.record import Record
from broker.model.state import initial

PAGE = 2048
"""Records folded at a time, as a replay delivers them."""

_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
_SENT = b'"id":"01JD6V1QZ7E0Q4J2Y3N5T8W9XA","time":"2026-11-21T06:23:45.123Z","attempt":1,'


async def measure(smoke: bool) -> list[Figure]:
    count = 20_000 if smoke else 1_000_000
    figures = []
    for name, fields in (("smallest", b""), ("as the SDK sends", _SENT)):
        few, many = (_best(count, steps, fields) for steps in (10, 10_000))
        least = 1_000_000.0 if name == "smallest" else None
        figures += [
            Figure(f"10 steps, {name}", few, "events/s", ">=", least),
            Figure(f"10,000 steps, {name}", many, "events/s", ">=", least),
            Figure(f"cost of many steps over few, {name}", few / many, "x"),
        ]
    return figures


def _best(count: int, steps: int, fields: bytes) -> float:
    """Events per second, the best of three: what disturbs only ever slows down."""
    plan = msgspec.json.encode(
        {"type": "run.started", "plan": [{"step": f"step-{n}"} for n in range(steps)]}
    )
    total = count // steps
    records = [
        Record(
            n + 2,
            _MOMENT,
            b'{"type":"step.progress",%b"step":"step-%d","current":%d,"total":%d}'
            % (fields, n % steps, n // steps, total),
        )
        for n in range(count)
    ]
    return max(_once(records, Record(1, _MOMENT, plan)) for _ in range(3))


def _once(records: list[Record], plan: Record) -> float:
    folding = Fold(initial("default", "bench"))
    folding.extend([plan])
    gc.collect()
    began = time.perf_counter()
    for begin in range(0, len(records), PAGE):
        folding.extend(records[begin : begin + PAGE])
    took = time.perf_counter() - began
    if folding.state.events != len(records) + 1:
        raise AssertionError("not every event was folded")
    return len(records) / took
