"""`storm`: two gateways on one NATS; the one that serves 5,000 clients is killed (SIGKILL).

All of them come back at once to the other, which serves 1,000 already, with their last event's id,
as `EventSource` does, but without its pause. 100 runs, two events a second in each. No event may be
missing or come twice, with those who came and with those who were there.
"""

import asyncio
import os
import signal

from bench.fan import GRACE, begun, broker_side, fan_out
from bench.harness import Figure, quantile
from bench.plans import Load, Loaded
from bench.processes import Helper, gateway, nats


async def measure(smoke: bool) -> list[Figure]:
    clients, runs, seconds = (200, 10, 3.0) if smoke else (5_000, 100, 20.0)
    names = [f"storm-{n}" for n in range(runs)]
    async with nats() as url, gateway(nats_url=url) as first, gateway(nats_url=url) as other:
        await begun(url, names)

        async def kill(load: Helper) -> None:
            await asyncio.sleep(seconds / 3)
            os.kill(first.pid, signal.SIGKILL)

        staying = Load(
            port=other.port,
            connections=clients // 5,
            paths=broker_side(other, names).paths,
        )
        async with Helper.running("bench.load", staying) as stay:
            await stay.hear(str, 60.0)
            seen = await fan_out(
                broker_side(other, names),
                entry=first.port,
                other_port=other.port,
                connections=clients,
                rate=2.0 * runs,
                seconds=seconds,
                meanwhile=kill,
            )
            stay.tell(f"end {seen.fed.rounds} {GRACE}")
            stayed = await stay.hear(Loaded, GRACE + 60.0)
    both = (seen.load, stayed)
    return [
        Figure("clients that came back", len(seen.load.recovered), "", ">=", clients),
        Figure("events missed", sum(load.missed for load in both), "", "<=", 0),
        Figure("events doubled", sum(load.doubled for load in both), "", "<=", 0),
        Figure("clients without the last event", sum(load.behind for load in both), "", "<=", 0),
        Figure("half are back", quantile(seen.load.recovered, 0.5), "s"),
        Figure("99 % are back", quantile(seen.load.recovered, 0.99), "s"),
    ]
