"""`websocket-…`: the fan-outs with 1,000 WebSockets, and with SSE, in turn in one invocation.

Of each figure the median of three rounds of both is compared, so that what the machine does
meanwhile meets both alike. The ratio is of what is better the larger, and for latencies and
processor time, which are better the smaller, the other way round: SSE's divided by WebSocket's.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from bench.fan import Seen, Side, fan_out
from bench.harness import Figure, median
from bench.scenarios.sides import measured, ours

CLIENTS: Final = 1_000
ROUNDS: Final = 3
LEAST: Final = 0.9
"""What a WebSocket must reach of what SSE does."""

Both = dict[str, list[Seen]]


async def latency(smoke: bool) -> list[Figure]:
    both = await _both(smoke, seconds=7.0, rate=50.0)
    return [
        *_compared(both, "p50", "ms", lambda seen: seen.milliseconds(0.5), smaller=True),
        *_compared(both, "p99", "ms", lambda seen: seen.milliseconds(0.99), smaller=True),
        *_compared(both, "core", "%", lambda seen: seen.core),
    ]


async def rate(smoke: bool) -> list[Figure]:
    both = await _both(smoke, "--tick=0", seconds=4.0, window=4, nap=0.002)
    return [
        *_compared(both, "deliveries", "/s", lambda seen: seen.rate, larger=True),
        *_compared(both, "deliveries per second of its core", "", _per_second, larger=True),
        *_compared(both, "events per write", "", lambda seen: seen.joined),
    ]


async def batched(smoke: bool) -> list[Figure]:
    both = await _both(smoke, seconds=7.0, rate=1_000.0, nap=0.001)
    return [
        *_compared(both, "delivered", "events/s", lambda seen: seen.rate, larger=True),
        *_compared(both, "core", "%", lambda seen: seen.core, smaller=True),
        *_compared(both, "p99", "ms", lambda seen: seen.milliseconds(0.99), smaller=True),
        *_compared(both, "events per write", "", lambda seen: seen.joined),
    ]


async def _both(smoke: bool, *flags: str, seconds: float, **how: Any) -> Both:
    """Each in turn, each time with a gateway of its own."""
    both: Both = {"sse": [], "ws": []}
    for _ in range(1 if smoke else ROUNDS):
        for transport, seen in both.items():
            measure = _measure(smoke, seconds=seconds, transport=transport, **how)
            seen.append((await measured(ours(*flags), measure))[1])
    return both


def _measure(smoke: bool, *, seconds: float, **how: Any) -> Callable[[Side], Awaitable[Seen]]:
    async def measure(side: Side) -> Seen:
        return await fan_out(
            side,
            connections=100 if smoke else CLIENTS,
            seconds=0.3 if smoke else seconds,
            warm=0.1 if smoke else 1.0,
            **how,
        )

    return measure


def _per_second(seen: Seen) -> float:
    """Tells more than the rate where the load generator is the slower of the two."""
    return seen.load.deliveries / (seen.after.seconds - seen.before.seconds)


def _compared(
    both: Both,
    name: str,
    unit: str,
    value: Callable[[Seen], float],
    *,
    larger: bool = False,
    smaller: bool = False,
) -> list[Figure]:
    """A figure of both; the ratio where one is better than the other."""
    sse, ws = [median([value(seen) for seen in both[transport]]) for transport in ("sse", "ws")]
    figures = [Figure(f"SSE: {name}", sse, unit), Figure(f"WebSocket: {name}", ws, unit)]
    if larger or smaller:
        ratio = ws / sse if larger else sse / ws
        figures.append(Figure(f"times SSE: {name}", ratio, "x", ">=", LEAST))
    return figures
