"""`replay`: a run nobody watches, read from a stream that holds a million other events.

Timed from the request to the whole answer of `GET /v1/runs/{run}`, each run once: after that it is
in memory. First from checkpoints, as nearly every run is opened; then, all checkpoints thrown away,
from the events.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator

import msgspec

from bench.harness import Client, Figure, median, quantile
from bench.processes import Server, gateway
from broker.stream.connection import Connection
from broker.stream.marks import CONSUMER
from broker.stream.topology import CHECKPOINTS, PROGRESS, api

RUNS = 30
EVENTS = 1_000
WINDOW = 2_000
"""Messages sent before the server's acknowledgement of the last is waited for."""


async def measure(smoke: bool) -> list[Figure]:
    others = 10_000 if smoke else 1_000_000
    large = 5_000 if smoke else 100_000
    runs = 3 if smoke else RUNS
    async with gateway() as server:
        async with Connection.connect(server.nats_url, name="bench") as connection:
            await store(connection, _messages(others, large, runs))
            await projected(connection)
            kept = [await cold(server, f"large-{n}", large) for n in range(3, 6)]
            await api(connection, f"STREAM.PURGE.{CHECKPOINTS}")
        stretch = [await cold(server, f"stretch-{n}", EVENTS) for n in range(runs)]
        spread = [await cold(server, f"spread-{n}", EVENTS) for n in range(runs)]
        whole = [await cold(server, f"large-{n}", large) for n in range(3)]
    return [
        Figure("1,000 events in one stretch, median", median(stretch), "ms", "<=", 20),
        Figure("1,000 events in one stretch, p90", quantile(stretch, 0.9), "ms"),
        Figure("1,000 events spread evenly, median", median(spread), "ms", "<=", 60),
        Figure("1,000 events spread evenly, p90", quantile(spread, 0.9), "ms"),
        Figure(f"{large:,} events, median", median(whole), "ms", "<=", 1_000),
        Figure(f"{large:,} events, from the checkpoint, median", median(kept), "ms", "<=", 20),
    ]


async def cold(server: Server, run: str, events: int) -> float:
    """Milliseconds to the snapshot of a run that is not in memory."""
    async with Client.connected(server) as client:
        began = time.perf_counter()
        body = await client.get(f"/v1/runs/{run}")
        took = time.perf_counter() - began
    if msgspec.json.decode(body)["events"] != events:
        raise AssertionError(f"{run} is not whole")
    return took * 1000


def _messages(others: int, large: int, runs: int) -> Iterator[tuple[str, bytes]]:
    """All events in the order they are stored; spread runs have one event now and then."""
    every = max(1, others // EVENTS)
    for n in range(runs):
        yield from run_of(f"stretch-{n}", EVENTS)
    spread = {n: run_of(f"spread-{n}", EVENTS) for n in range(runs)}
    for n in range(others):
        yield event_of(f"other-{n % 1_000}", n // 1_000, others // 1_000)
        if n % every == 0:
            for events in spread.values():
                yield from next_of(events)
    for events in spread.values():
        yield from events
    for n in range(6):
        yield from run_of(f"large-{n}", large)


def next_of(events: Iterator[tuple[str, bytes]]) -> Iterable[tuple[str, bytes]]:
    """The next event, as a sequence of one, or of none at the end."""
    event = next(events, None)
    return [] if event is None else [event]


def run_of(run: str, events: int) -> Iterator[tuple[str, bytes]]:
    for n in range(events):
        yield event_of(run, n, events)


def event_of(run: str, n: int, events: int) -> tuple[str, bytes]:
    return (
        f"progress.default.{run}",
        b'{"type":"step.progress","id":"%s-%d","time":"2026-11-21T06:23:45.123Z",'
        b'"attempt":1,"step":"step-%d","current":%d,"total":%d}'
        % (run.encode(), n, n % 10, n, events),
    )


async def store(connection: Connection, messages: Iterable[tuple[str, bytes]]) -> None:
    """Store at the server's pace: raw lines, of which the last of each window is acknowledged."""
    window: list[bytes] = []
    last: tuple[str, bytes] | None = None
    for subject, payload in messages:
        if last is not None:
            window.append(b"PUB %b %d\r\n%b\r\n" % (last[0].encode(), len(last[1]), last[1]))
        last = (subject, payload)
        if len(window) >= WINDOW:
            await connection.send(b"".join(window))
            window.clear()
            await connection.request(subject, payload, patience=30)
            last = None
    await connection.send(b"".join(window))
    if last is not None:
        await connection.request(*last, patience=30)


async def projected(connection: Connection) -> None:
    """Wait until every stored event is in a checkpoint."""
    async with asyncio.timeout(300):
        while True:
            names = await api(connection, f"CONSUMER.NAMES.{PROGRESS}")
            if CONSUMER in (names["consumers"] or []):
                info = await api(connection, f"CONSUMER.INFO.{PROGRESS}.{CONSUMER}")
                if not info["num_pending"] and not info["num_ack_pending"]:
                    return
            await asyncio.sleep(0.1)  # the server tells of this only when asked
