"""`logs`: the last page of a run of a million lines, and a line from its publisher to its viewer.

The stream holds three runs, its cap on batches of one run lifted: `long` has its million lines in
batches of 20, `single` in batches of one, and `spread` has 1,000 batches, one among a thousand of
`single`. Each page is asked for again and again, since nothing of it is kept.
"""

import asyncio
import json
import random
import time
from collections.abc import Iterator

from bench.harness import Client, Figure, median, quantile
from bench.processes import Server, gateway
from bench.scenarios.replay import store
from broker.stream.connection import Connection

PAGE = 200
BATCH = 20
RATE = 200.0


async def measure(smoke: bool) -> list[Figure]:
    lines = 20_000 if smoke else 1_000_000
    pages = 5 if smoke else 100
    async with (
        gateway("--log-batches=0") as server,
        Connection.connect(server.nats_url, name="bench") as nats,
    ):
        await store(nats, _messages(lines))
        last = f"tail={PAGE}"
        long = await _pages(server, "long", last, pages, lines - 1)
        single = await _pages(server, "single", last, pages, lines - 1)
        spread = await _pages(server, "spread", last, pages, lines // 1_000 * BATCH - 1)
        rare = await _pages(server, "long", f"{last}&level=error", pages, lines - 100)
        before = await _pages(server, "long", f"limit={PAGE}&before={{}}", pages, lines // 2 - 1)
        took = await _delays(server, nats, 200 if smoke else 2_000)
    return [
        Figure(f"last {PAGE} of {lines:,} lines, median", median(long), "ms", "<=", 20),
        Figure(f"last {PAGE} of {lines:,} lines, p90", quantile(long, 0.9), "ms"),
        Figure("the same, a batch per line, median", median(single), "ms", "<=", 20),
        Figure("the same, a batch in a thousand, median", median(spread), "ms", "<=", 20),
        Figure(f"the last {PAGE} of one line in a hundred, median", median(rare), "ms"),
        Figure(f"{PAGE} lines before the middle, median", median(before), "ms"),
        Figure("a line to its viewer, p50", quantile(took, 0.5), "ms"),
        Figure("a line to its viewer, p99", quantile(took, 0.99), "ms"),
    ]


def _messages(lines: int) -> Iterator[tuple[str, bytes]]:
    """All batches in the order they are stored."""
    for begin in range(0, lines, BATCH):
        yield _batch("long", begin, BATCH)
    for n in range(lines):
        yield _batch("single", n, 1)
        if n % 1_000 == 0:
            yield _batch("spread", n // 1_000 * BATCH, BATCH)


def _batch(run: str, begin: int, count: int) -> tuple[str, bytes]:
    said = b",".join(
        [
            b'{"text":"line %d: 1000 rows read, 7 of them without an address",'
            b'"time":"2026-11-21T06:23:45.123Z","level":"%b"}'
            % (n, b"error" if n % 100 == 0 else b"info")
            for n in range(begin, begin + count)
        ]
    )
    return f"logs.default.{run}", b'{"type":"log.appended","attempt":1,"lines":[%b]}' % said


async def _pages(server: Server, run: str, query: str, count: int, last: int) -> list[float]:
    """Milliseconds to each of so many pages, whose last line is `last`.

    `{}` in the query is the address of the line after that.
    """
    took = []
    async with Client.connected(server) as client:
        if "{}" in query:
            batches = json.loads(await client.get(f"/v1/runs/{run}/logs?limit=1"))
            epoch, first = batches["items"][0]["cursor"].split("-")
            query = query.format(f"{epoch}-{int(first) + (last + 1) // BATCH}.0")
        for _ in range(count):
            began = time.perf_counter()
            body = await client.get(f"/v1/runs/{run}/logs?{query}")
            took.append((time.perf_counter() - began) * 1000)
            items = json.loads(body)["items"]
            if len(items) != PAGE or not items[-1]["text"].startswith(f"line {last}:"):
                raise AssertionError(f"{run}?{query} is not the page it should be")
    return took


async def _delays(server: Server, nats: Connection, count: int) -> list[float]:
    """Milliseconds from publishing a line of the long run to the frame that shows it."""
    chance = random.Random(7)
    sent: list[float] = []
    took: list[float] = []
    async with Client.connected(server) as client:
        await client.send("/v1/runs/long/logs?tail=1", "Accept: text/event-stream")
        while b"event: log" not in await client.reader.readline():
            pass

        async def receive() -> None:
            while len(took) < count:
                line = await client.reader.readline()
                if not line:
                    raise RuntimeError("the stream ended")
                if line.startswith(b"data: ") and b'"@' in line:
                    took.append((time.perf_counter() - sent[len(took)]) * 1000)

        receiving = asyncio.create_task(receive())
        for n in range(count):
            sent.append(time.perf_counter())
            await nats.publish(
                "logs.default.long", b'{"type":"log.appended","lines":[{"text":"@%d"}]}' % n
            )
            await asyncio.sleep(chance.expovariate(RATE))
        async with asyncio.timeout(10):
            await receiving
    return took
