"""`generator`: what the load generator takes, fed by the least that a program can do.

`baselines/bare.py` sends each event to 1,000 sockets by one bare call each: one event per frame,
then sixteen in each write as batching gives. What it delivers is the kernel's price, below which
nothing that writes once per client and event can come; what the generator uses for it tells how
much more it could take.
"""

from bench.fan import fan_out
from bench.harness import Figure
from bench.scenarios.sides import baseline


async def measure(smoke: bool) -> list[Figure]:
    clients, seconds = (100, 1.0) if smoke else (1_000, 10.0)
    figures = []
    for joined in (1, 16):
        async with baseline("bare", "bare", str(joined)) as side:
            seen = await fan_out(
                side,
                connections=clients,
                window=4,
                seconds=seconds,
                nap=0.002,
                exact=joined == 1,
                repeated=joined,
            )
        name = "one event a write" if joined == 1 else f"{joined} events a write"
        could = seen.rate / seen.load.busy
        figures += [
            Figure(f"{name}: deliveries", seen.rate, "/s"),
            Figure(f"{name}: writer's core", seen.core, "%"),
            Figure(f"{name}: generator's core", seen.load.busy * 100, "%"),
            Figure(f"{name}: the generator could take", could, "/s", ">=", 250_000),
        ]
    return figures
