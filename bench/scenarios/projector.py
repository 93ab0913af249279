"""`projector`: checkpoints kept up under load, caught up from a standstill, and opened from.

The gateway has its core to itself; nobody watches a run. The lag is what the gateway itself tells,
looked at twice a second, and the time from the last event to the last checkpoint.
"""

import asyncio
import time
from collections.abc import Iterator

from bench.harness import Client, Figure, median
from bench.processes import Server, gateway, nats
from bench.scenarios.replay import cold, event_of, projected, run_of, store
from broker.stream.connection import Connection
from broker.stream.topology import CHECKPOINTS, StreamSettings, api, ensure

RUNS = 1_000
RATE = 6_000
"""Events offered a second, each of the next run in turn ..."""
WANTED = 5_000
"""... and how many must be done, counted up to the last acknowledgement."""
BURST = 50
"""Events that are stored together: the publisher is not what is measured."""


async def measure(smoke: bool) -> list[Figure]:
    return [
        *await _under_load(2 if smoke else 20),
        *await _from_standstill(10_000 if smoke else 500_000, 200 if smoke else 5_000),
        await _cold_open(5_000 if smoke else 100_000),
    ]


async def _under_load(seconds: int) -> list[Figure]:
    async with (
        nats() as url,
        gateway(nats_url=url) as server,
        Connection.connect(url, name="bench") as connection,
    ):
        await store(connection, (event_of(f"r-{n}", 0, RATE) for n in range(RUNS)))
        await projected(connection)
        written = await _metric(server, "checkpoints_written_total")
        lags: list[float] = []
        before, began = server.cost(), time.perf_counter()
        watching = asyncio.create_task(_watch(server, lags))
        await _publish(connection, seconds)
        published = time.perf_counter()
        await projected(connection)
        took, after = time.perf_counter() - began, server.cost()
        watching.cancel()
        written = await _metric(server, "checkpoints_written_total") - written
    return [
        Figure(f"events of {RUNS:,} runs", RATE * seconds / took, "1/s", ">=", WANTED),
        Figure("highest lag told", max(lags), "s", "<=", 2),
        Figure("last event to last checkpoint", took - (published - began), "s", "<=", 2),
        Figure("core", 100 * (after.seconds - before.seconds) / took, "%", "<=", 100),
        Figure("checkpoints written", written / took, "1/s"),
    ]


async def _publish(connection: Connection, seconds: int) -> None:
    """Store events at the rate, in bursts."""
    began = time.perf_counter()
    for burst in range(RATE * seconds // BURST):
        numbers = range(burst * BURST, (burst + 1) * BURST)
        await store(connection, (event_of(f"r-{n % RUNS}", n // RUNS, RATE) for n in numbers))
        await asyncio.sleep(max(0, began + (burst + 1) * BURST / RATE - time.perf_counter()))


async def _watch(server: Server, lags: list[float]) -> None:
    """Note the lag that the gateway tells, twice a second."""
    while True:
        lags.append(await _metric(server, "projector_lag_seconds"))
        await asyncio.sleep(0.5)  # each look takes time from what is measured


async def _metric(server: Server, name: str) -> float:
    async with Client.connected(server) as client:
        lines = (await client.get("/metrics")).decode().split("\n")
    return next(
        float(line.split()[-1]) for line in lines if line.startswith(f"progress_broker_{name} ")
    )


async def _from_standstill(events: int, runs: int) -> list[Figure]:
    """Stored while no gateway ran, spread evenly over the runs."""
    async with nats() as url, Connection.connect(url, name="bench") as connection:
        await ensure(connection, StreamSettings())
        await store(connection, _spread(events, runs))
        began = time.perf_counter()
        async with gateway(nats_url=url) as server:
            await _all_kept(connection, runs)
            kept = time.perf_counter() - began
            await projected(connection)
            took = time.perf_counter() - began
            busy = server.cost().seconds
    return [
        Figure(f"{events:,} events of {runs:,} runs from a standstill", runs / kept, "runs/s"),
        Figure("start until each run has its checkpoint", kept, "s"),
        Figure("start until every event is acknowledged", took, "s"),
        Figure("core meanwhile", 100 * busy / took, "%"),
    ]


async def _all_kept(connection: Connection, runs: int) -> None:
    """Wait until so many runs have a checkpoint: each is caught up to its head at once."""
    async with asyncio.timeout(300):
        while True:
            info = await api(connection, f"STREAM.INFO.{CHECKPOINTS}")
            if info["state"]["messages"] >= runs:
                return
            await asyncio.sleep(0.05)  # the server tells of this only when asked


def _spread(events: int, runs: int) -> Iterator[tuple[str, bytes]]:
    for n in range(events):
        yield event_of(f"r-{n % runs}", n // runs, events // runs)


async def _cold_open(events: int) -> Figure:
    async with gateway() as server:
        async with Connection.connect(server.nats_url, name="bench") as connection:
            for n in range(5):
                await store(connection, run_of(f"large-{n}", events))
            await projected(connection)
        took = [await cold(server, f"large-{n}", events) for n in range(5)]
    return Figure(f"a run of {events:,} events opened cold, median", median(took), "ms", "<=", 20)
