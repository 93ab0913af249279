"""`replay`: a run nobody watches, read from a stream that holds a million other events.

Timed from the request to the whole answer of `GET /v1/runs/{run}`, each run once: after that it is
in memory.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator

import msgspec

from bench.harness import Client, Figure, median, quantile
from bench.processes import Server, gateway
from broker.stream.connection import Connection
from broker.stream.topology import api

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
            await _store(connection, _messages(others, large, runs))
            await _inspected(connection)
        stretch = [await _cold(server, f"stretch-{n}", EVENTS) for n in range(runs)]
        spread = [await _cold(server, f"spread-{n}", EVENTS) for n in range(runs)]
        whole = [await _cold(server, f"large-{n}", large) for n in range(3)]
    return [
        Figure("1,000 events in one stretch, median", median(stretch), "ms", "<=", 20),
        Figure("1,000 events in one stretch, p90", quantile(stretch, 0.9), "ms"),
        Figure("1,000 events spread evenly, median", median(spread), "ms", "<=", 60),
        Figure("1,000 events spread evenly, p90", quantile(spread, 0.9), "ms"),
        Figure(f"{large:,} events, median", median(whole), "ms", "<=", 1_000),
    ]


async def _cold(server: Server, run: str, events: int) -> float:
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
        yield from _run(f"stretch-{n}", EVENTS)
    spread = {n: _run(f"spread-{n}", EVENTS) for n in range(runs)}
    for n in range(others):
        yield _event(f"other-{n % 1_000}", n // 1_000, others // 1_000)
        if n % every == 0:
            for events in spread.values():
                yield from next_of(events)
    for events in spread.values():
        yield from events
    for n in range(3):
        yield from _run(f"large-{n}", large)


def next_of(events: Iterator[tuple[str, bytes]]) -> Iterable[tuple[str, bytes]]:
    """The next event, as a sequence of one, or of none at the end."""
    event = next(events, None)
    return [] if event is None else [event]


def _run(run: str, events: int) -> Iterator[tuple[str, bytes]]:
    for n in range(events):
        yield _event(run, n, events)


def _event(run: str, n: int, events: int) -> tuple[str, bytes]:
    return (
        f"progress.default.{run}",
        b'{"type":"step.progress","id":"%s-%d","time":"2026-11-21T06:23:45.123Z",'
        b'"attempt":1,"step":"step-%d","current":%d,"total":%d}'
        % (run.encode(), n, n % 10, n, events),
    )


async def _store(connection: Connection, messages: Iterable[tuple[str, bytes]]) -> None:
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


async def _inspected(connection: Connection) -> None:
    """Wait until the gateway has looked at all of it for malformed events."""
    async with asyncio.timeout(300):
        while True:
            info = await api(connection, "CONSUMER.INFO.PROGRESS.malformed")
            if not info["num_pending"] and not info["num_ack_pending"]:
                return
            await asyncio.sleep(0.2)  # the server tells of this only when asked
