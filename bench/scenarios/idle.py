"""`idle`: 15,000 SSE clients, each on one of 1,000 runs in which nothing happens; `websocket-idle`:
the same with a WebSocket each, which answers the gateway's pings.

Memory is what the gateway's process grew by from before the first client, the 1,000 hubs included;
the kernel's buffers of a socket are not in it. The processor time holds the heartbeats.
"""

import asyncio

from bench.fan import begun, broker_side
from bench.harness import Figure
from bench.plans import Load
from bench.processes import Helper, gateway, nats


async def measure(smoke: bool) -> list[Figure]:
    return await _measure(smoke, "sse", 3 * 1024)


async def websocket(smoke: bool) -> list[Figure]:
    return await _measure(smoke, "ws", 4 * 1024)


async def _measure(smoke: bool, transport: str, most: int) -> list[Figure]:
    clients, runs, seconds = (300, 20, 1.0) if smoke else (15_000, 1_000, 45.0)
    names = [f"idle-{n}" for n in range(runs)]
    async with nats() as url, gateway(nats_url=url) as server:
        await begun(url, names)
        paths = broker_side(server, names, "state").paths
        alone = Load(port=server.port, connections=runs, paths=paths, transport=transport)
        whole = Load(port=server.port, connections=clients - runs, paths=paths, transport=transport)
        before = server.cost()
        async with Helper.running("bench.load", alone) as first:
            await first.hear(str, 120.0)
            hubs = server.cost()
            async with Helper.running("bench.load", whole) as rest:
                await rest.hear(str, 120.0)
                await asyncio.sleep(1.0)
                begin = server.cost()
                await asyncio.sleep(seconds)
                after = server.cost()
    grown = after.memory - before.memory
    each = (after.memory - hubs.memory) / (clients - runs)
    return [
        Figure("memory per client, hubs included", grown / clients, "B", "<=", most),
        Figure("memory of a further client of a run", each, "B"),
        Figure("core", (after.seconds - begin.seconds) / seconds * 100, "%", "<=", 3.0),
    ]
