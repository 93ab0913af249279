"""`list`: `GET /v1/runs` of a gateway with 200,000 runs, over one connection, one after another.

The runs have five labels, one of them of another value in each run and one of 20,000 values; few
names are alike, and 85 of 100 runs have completed. Words are new ones each time, so that each is
looked for; a word that is asked for again is answered like a filter.
"""

import asyncio
import random
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, get_args
from urllib.parse import urlencode

import msgspec

from bench.harness import Client, Figure, median, quantile
from bench.processes import Server, gateway, nats
from broker.model.cursor import epoch_of
from broker.model.state import Counts, Progress, RunStatus
from broker.model.subjects import RunKey
from broker.model.summary import Summary, encode_summary
from broker.stream.connection import Connection
from broker.stream.publish import Message, publish, publish_all
from broker.stream.topology import StreamSettings, ensure

RUNS: Final = 200_000
STATUSES: Final[Sequence[RunStatus]] = get_args(RunStatus)
WEIGHTS: Final = (20, 30, 5, 850, 75, 15, 5)
"""Of so many runs each status, in the order above."""
WORDS: Final = (
    *("customers", "orders", "invoices", "parcels", "weather", "images", "embeddings", "nightly"),
    *("hourly", "reindex", "cleanup", "scoring", "report", "export", "features"),
)

Asked = Mapping[str, str | Sequence[str]]

FILTERS: Final[Sequence[tuple[str, Asked]]] = (
    ("status", {"status": "running"}),
    ("status of most", {"status": "completed"}),
    ("pipeline", {"pipeline": "pipeline-1"}),
    ("pipeline and status", {"pipeline": "pipeline-1", "status": "failed"}),
    ("label of most", {"label": "env:prod"}),
    ("two labels", {"label": ["env:prod", "region:eu"]}),
    ("label of few", {"label": "customer:c77"}),
    ("everything by -started_at", {"sort": "-started_at"}),
    ("label of most by name", {"label": "env:prod", "sort": "name"}),
)


async def measure(smoke: bool) -> list[Figure]:
    count, times = (2_000, 5) if smoke else (RUNS, 100)
    chance = random.Random(1)
    async with nats() as url:
        async with gateway(nats_url=url) as server:
            empty = server.cost().memory
        async with Connection.connect(url, name="bench") as connection:
            await store(connection, chance, count)
            async with gateway(nats_url=url) as server, Client.connected(server) as client:
                build = await built(client)
                rows = (server.cost().memory - empty) / 1e6
                filters = [
                    Figure(f"by {name}, {which}", value, "ms", "<=", 5 if which == "p50" else None)
                    for name, query in FILTERS
                    for which, value in _spread(await _timed(client, [query] * times))
                ]
                words = await _timed(client, [{"q": word} for word in _words(chance, times)])
                fresh = [await _fresh(server, connection, n) for n in range(3 if smoke else 30)]
    return [
        Figure("indexed at start", count / build, "runs/s", ">=", 20_000),
        Figure("memory of the index", rows, "MB", "<=", 300),
        *filters,
        Figure("by a new word, p50", median(words), "ms", "<=", 30),
        Figure("by a new word, p90", quantile(words, 0.9), "ms"),
        Figure("event to live list, p50", median(fresh), "ms"),
        Figure("event to live list, worst", max(fresh), "ms", "<=", 1_000),
    ]


def _spread(values: Sequence[float]) -> Iterable[tuple[str, float]]:
    return (("p50", median(values)), ("p99", quantile(values, 0.99)))


async def _timed(client: Client, queries: Sequence[Asked]) -> list[float]:
    """Milliseconds from each request to its whole answer."""
    taken = []
    for query in queries:
        began = time.perf_counter()
        await client.get(f"/v1/runs?{urlencode(query, doseq=True)}")
        taken.append((time.perf_counter() - began) * 1000)
    return taken


async def built(client: Client) -> float:
    """Seconds that the gateway took to index what is stored."""
    while True:
        text = (await client.get("/metrics")).decode()
        if "progress_broker_index_built 1.0" in text:
            found = re.search(r"progress_broker_index_build_seconds (\d\S*)", text)
            return float(found[1]) if found else 0.0
        await asyncio.sleep(0.5)  # each look takes time from what is measured


async def _fresh(server: Server, connection: Connection, number: int) -> float:
    """Milliseconds from an acknowledged event to the row of its run in a live list."""
    pipeline = f"fresh-{number}"
    event = msgspec.json.encode({"type": "run.started", "pipeline": pipeline})
    async with Client.connected(server) as client:
        await client.send(f"/v1/runs?pipeline={pipeline}", "Accept: text/event-stream")
        await client.reader.readuntil(b"event: snapshot")
        await publish(connection, Message(RunKey("default", pipeline).subject, event))
        began = time.perf_counter()
        await client.reader.readuntil(b"event: patch")
        return (time.perf_counter() - began) * 1000


def _words(chance: random.Random, count: int) -> list[str]:
    """Words that many rows hold and words that few do, each of them once."""
    common = [word[:length] for word in WORDS for length in range(4, len(word) + 1)]
    rare = [f"c{number}" for number in range(1_000, 1_000 + count)]
    words = list(dict.fromkeys([*common, *rare]))
    chance.shuffle(words)
    return words[:count]


async def store(connection: Connection, chance: random.Random, count: int) -> None:
    """Store the checkpoints of so many runs, without their events."""
    epoch = epoch_of(await ensure(connection, StreamSettings()))
    for begin in range(0, count, 1_000):
        rows = [_row(chance, epoch, n, count) for n in range(begin, min(count, begin + 1_000))]
        await publish_all(connection, rows)


def _row(chance: random.Random, epoch: str, number: int, count: int) -> Message:
    status = chance.choices(STATUSES, WEIGHTS)[0]
    ended = status in ("completed", "failed", "cancelled")
    at = datetime.now(UTC) - timedelta(seconds=2 * (count - number) + chance.random() * 30)
    summary = Summary(
        run=f"01J{chance.getrandbits(110):023X}"[:26],
        tenant="default",
        cursor=f"{epoch}-{number + 1}",
        status=status,
        attempt=1,
        pipeline=f"pipeline-{int(chance.paretovariate(0.8)) % 200}",
        name=f"{chance.choice(WORDS)} of {chance.choice(WORDS)} {number % 5_000}",
        message="wrote part 17 of 20",
        progress=Progress(current=17, total=20, fraction=0.85),
        counts=Counts(total=10, completed=8, running=1, pending=1),
        active=[] if ended else ["fit"],
        labels={
            "env": chance.choice(("prod", "prod", "prod", "staging")),
            "team": chance.choice(("a", "b", "c", "data")),
            "region": chance.choice(("eu", "us")),
            "customer": f"c{chance.randrange(20_000)}",
            "commit": f"{chance.getrandbits(40):010x}",
        },
        worker=f"worker-{chance.randrange(50)}",
        queued_at=at - timedelta(seconds=50),
        started_at=at - timedelta(seconds=40),
        ended_at=at if ended else None,
        duration=40.0 if ended else None,
        updated_at=at,
        last_seen=at,
        durations={f"step-{n}": 1.5 for n in range(10)} if status == "completed" else {},
    )
    headers = {"Broker-Summary": encode_summary(summary).decode()}
    return Message(RunKey("default", summary.run).checkpoint_subject, b"", None, headers)
