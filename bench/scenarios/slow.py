"""`slow`: 1,000 clients of one run's state, of which 500 stop reading for a minute.

200 events a second. The others' latency is compared with that of the same 1,000 clients who all
read. When they wake, each sleeper's stream must fold to the state that a snapshot gives.
`--stall-timeout` is longer than the sleep: by default they would be closed after 30 s.
"""

import asyncio
import json

from bench.fan import begun, broker_side, fan_out
from bench.harness import Client, Figure
from bench.processes import Cost, Helper, Server, gateway, nats

RATE = 200.0


async def measure(smoke: bool) -> list[Figure]:
    clients, seconds = (100, 1.0) if smoke else (1_000, 60.0)
    costs: list[Cost] = []

    async with nats() as url, gateway("--stall-timeout=600", nats_url=url) as server:
        await begun(url, ["awake", "slow"])

        async def fall_asleep(load: Helper) -> None:
            load.tell("sleep")
            for _ in range(10):
                await asyncio.sleep(seconds / 10)
                costs.append(server.cost())
            load.tell("wake")

        side = broker_side(server, ["awake"], "state")
        without = await fan_out(
            side, connections=clients, rate=RATE, seconds=seconds / 4, exact=False
        )
        seen = await fan_out(
            broker_side(server, ["slow"], "state"),
            connections=clients,
            rate=RATE,
            seconds=seconds,
            exact=False,
            asleep=clients // 2,
            meanwhile=fall_asleep,
        )
        truth = await _snapshot(server, "slow")
    right = seen.load.states.get(truth, 0)
    p99, alone = seen.milliseconds(0.99), without.milliseconds(0.99)
    grown = costs[-1].memory - costs[len(costs) // 5].memory
    return [
        Figure("p99 of those who read", p99, "ms"),
        Figure("p99 when all read", alone, "ms"),
        Figure("times that when all read", p99 / alone, "x", "<=", 1.5),
        Figure("memory grown while they sleep", grown / 2**20, "MiB", "<=", 4.0),
        Figure("sleepers with the true state", right, "", ">=", clients // 2),
        Figure("readers without the last event", seen.load.behind, "", "<=", 0),
        Figure("core", seen.core, "%"),
    ]


async def _snapshot(server: Server, run: str) -> str:
    async with Client.connected(server) as client:
        return json.dumps(json.loads(await client.get(f"/v1/runs/{run}")), sort_keys=True)
