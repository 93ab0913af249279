"""`many-runs`: 5,000 runs with two clients each, two events a second in each run."""

from bench.fan import begun, broker_side, fan_out
from bench.harness import Figure
from bench.processes import gateway, nats


async def measure(smoke: bool) -> list[Figure]:
    runs, seconds = (50, 1.0) if smoke else (5_000, 20.0)
    names = [f"many-{n}" for n in range(runs)]
    async with nats() as url, gateway(nats_url=url) as server:
        await begun(url, names)
        seen = await fan_out(
            broker_side(server, names), connections=2 * runs, rate=2.0 * runs, seconds=seconds
        )
    lost = seen.load.missed + seen.load.doubled + seen.load.behind
    return [
        Figure("events missed or doubled", lost, "", "<=", 0),
        Figure("p99", seen.milliseconds(0.99), "ms", "<=", 250),
        Figure("p50", seen.milliseconds(0.5), "ms"),
        Figure("delivered", seen.rate, "events/s"),
        Figure("core", seen.core, "%"),
        Figure("generator's core", seen.load.busy * 100, "%"),
    ]
