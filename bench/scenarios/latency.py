"""`latency`: from the call that publishes an event to the frame in the client's hands, one client.

Publisher and client are one process, so one clock; the gateway and NATS are two others. Events come
at random times, 200 in a second on average.
"""

import asyncio
import random
import time

from bench.harness import Client, Figure, quantile
from bench.processes import gateway
from broker.stream.connection import Connection

RATE = 200.0
SUBJECT = "progress.default.latency"


async def measure(smoke: bool) -> list[Figure]:
    count = 200 if smoke else 5_000
    figures = []
    async with gateway() as server, Connection.connect(server.nats_url, name="bench") as nats:
        await nats.request(SUBJECT, b'{"type":"run.started"}')
        for view in ("state", "events"):
            async with Client.connected(server) as client:
                await client.send(f"/v1/runs/latency/events?view={view}")
                marker = b"event: snapshot" if view == "state" else b"event: run.started"
                while marker not in await client.reader.readline():
                    pass
                took = await _delays(nats, client, count)
            figures += [
                Figure(f"{view} view, p50", quantile(took, 0.5), "ms", "<=", 1),
                Figure(f"{view} view, p99", quantile(took, 0.99), "ms", "<=", 5),
                Figure(f"{view} view, max", max(took), "ms"),
            ]
    return figures


async def _delays(nats: Connection, client: Client, count: int) -> list[float]:
    """Milliseconds from each publish to the frame that shows it."""
    chance = random.Random(7)
    sent: list[float] = []
    took: list[float] = []
    base = int(time.time() * 1000)

    async def receive() -> None:
        while len(took) < count:
            line = await client.reader.readline()
            if not line:
                raise RuntimeError("the stream ended")
            now = time.perf_counter()
            if not line.startswith(b"data: ") or b'"current":' not in line:
                continue
            begin = line.index(b'"current":') + 10
            digits = line[begin : begin + 20].split(b",")[0].split(b"}")[0]
            shown = int(digits) - base
            # A frame that joins several events shows the last: the earlier ones arrive with it.
            took.extend((now - sent[n]) * 1000 for n in range(len(took), shown + 1))

    receiving = asyncio.create_task(receive())
    for n in range(count):
        payload = b'{"type":"step.progress","step":"a","current":%d}' % (base + n)
        sent.append(time.perf_counter())
        await nats.publish(SUBJECT, payload)
        await asyncio.sleep(chance.expovariate(RATE))
    async with asyncio.timeout(10):
        await receiving
    return took
