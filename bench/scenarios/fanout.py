"""`fanout-…`: 1,000 SSE clients of one run, events of 256 bytes; the gateway and what it is
compared with, in one invocation, each with core 0 for itself.

`latency`: 50 events a second, as Durable Streams' ds-bench does. From the call that publishes (to
NATS; to the peers by POST) to the bytes in the client's hands.

`rate`: events as fast as they go, and no batching (`--tick 0`): four events are on their way at any
time, the next is sent when one has reached everyone. "events per write" shows that none was joined.

`batched`: 1,000 events a second, batching as by default. The peers do not get so far: for them 64
events are on their way at most, and what they deliver is told.
"""

from bench.fan import Seen, Side, fan_out
from bench.harness import Figure
from bench.scenarios.sides import measured, ours, peers

CLIENTS = 1_000


async def latency(smoke: bool) -> list[Figure]:
    clients, seconds = (100, 0.3) if smoke else (CLIENTS, 20.0)

    async def measure(side: Side) -> Seen:
        return await fan_out(
            side, connections=clients, rate=50.0, seconds=seconds, warm=_warm(smoke)
        )

    name, seen = await measured(ours(), measure)
    figures = [
        Figure("p50", seen.milliseconds(0.5), "ms", "<=", 3.5),
        Figure("p99", seen.milliseconds(0.99), "ms", "<=", 7.0),
        *_common(seen),
    ]
    for side in peers(smoke):
        name, other = await measured(side, measure)
        figures += [
            Figure(f"{name}: p50", other.milliseconds(0.5), "ms"),
            Figure(f"{name}: p99", other.milliseconds(0.99), "ms"),
            Figure(f"{name}: core", other.core, "%"),
        ]
    return figures


async def rate(smoke: bool) -> list[Figure]:
    clients, seconds = (100, 0.3) if smoke else (CLIENTS, 10.0)

    async def measure(side: Side) -> Seen:
        return await fan_out(
            side, connections=clients, window=4, seconds=seconds, nap=0.002, warm=_warm(smoke)
        )

    _, seen = await measured(ours("--tick=0"), measure)
    figures = [
        Figure("deliveries", seen.rate, "/s", ">=", 150_000),
        *_common(seen),
    ]
    for side in peers(smoke):
        name, other = await measured(side, measure)
        least = 1.5 if name == "nchan" else 2.5
        figures += [
            Figure(f"{name}: deliveries", other.rate, "/s"),
            Figure(f"{name}: core", other.core, "%"),
            Figure(f"{name}: events per write", other.joined, ""),
            Figure(f"times {name}", seen.rate / other.rate, "x", ">=", least),
        ]
    return figures


async def batched(smoke: bool) -> list[Figure]:
    clients, seconds = (100, 0.3) if smoke else (CLIENTS, 20.0)

    async def measure(side: Side) -> Seen:
        window = 0 if side.feed == "nats" else 64
        return await fan_out(
            side,
            connections=clients,
            rate=1_000.0,
            window=window,
            seconds=seconds,
            nap=0.001,
            warm=_warm(smoke),
        )

    _, seen = await measured(ours(), measure)
    figures = [
        Figure("delivered", seen.rate, "events/s", ">=", 0.99 * 1_000 * clients),
        Figure("core", seen.core, "%", "<=", 40.0),
        Figure("p99", seen.milliseconds(0.99), "ms", "<=", 60.0),
        Figure("p50", seen.milliseconds(0.5), "ms"),
        *_common(seen)[1:],
    ]
    for side in peers(smoke):
        name, other = await measured(side, measure)
        figures += [
            Figure(f"{name}: delivered", other.rate, "events/s"),
            Figure(f"{name}: core", other.core, "%"),
            Figure(f"{name}: p99", other.milliseconds(0.99), "ms"),
            Figure(f"times {name}", seen.rate / other.rate, "x"),
        ]
    return figures


def _warm(smoke: bool) -> float:
    return 0.1 if smoke else 1.0


def _common(seen: Seen) -> list[Figure]:
    return [
        Figure("core", seen.core, "%"),
        Figure("events per write", seen.joined, ""),
        Figure("generator's core", seen.load.busy * 100, "%"),
    ]
