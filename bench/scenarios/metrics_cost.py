"""`metrics-cost`: a run's fan-out with the metrics of a gateway, and with some that count nothing.

The two take turns, so that what else goes on on the machine meets both; told is the median of the
ratios of neighbours. From a message as NATS sends it, every event a frame of its own, to a write of
the system to each client's socket. These are datagrams to one that nobody reads, so that nothing
needs a reader; a write to a TCP connection takes longer, and the share would be smaller.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from statistics import median
from typing import Any, Self, cast

from prometheus_client import generate_latest

from bench.harness import Figure
from bench.marks import progress
from broker.hub.ports import Timing
from broker.hub.run_hub import HubLimits, RunHub
from broker.hub.subscriber import Subscriber
from broker.metrics import Metrics
from broker.model.record import Record
from broker.model.subjects import RunKey
from broker.protocol.sse import CHUNKED
from broker.stream.client import Handler
from broker.stream.follower import Follower
from broker.views.native import VIEWS

CLIENTS = (1, 100, 1_000)
SIZE = 256


class _Mute:
    """Metrics that count nothing: whatever is asked of them."""

    def __getattr__(self, name: str) -> "_Mute":
        setattr(self, name, self)
        return self

    def __call__(self, *values: object, **labels: object) -> "_Mute":
        return self


class _Sink:
    """A client that takes everything."""

    def __init__(self, sending: socket.socket) -> None:
        self.write: Any = sending.send

    def pending(self) -> int:
        return 0

    def close(self) -> None:
        """Stay."""

    abort = close


class _Runs:
    """What a follower needs: nothing is stored, and messages are put in by hand."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.live: Any = self
        self.spawn: Any = None
        self.failures: Any = None

    async def subscribe(self, subject: str, handler: Handler) -> None:
        self.put = handler

    async def flush(self) -> None:
        """Nothing is on its way."""

    async def pages(self, subject: str, after: int) -> AsyncIterator[list[Record]]:
        """Nothing."""
        for _ in range(0):
            yield []

    def forget(self, follower: Follower) -> None:
        """It is followed to the end."""


async def measure(smoke: bool) -> list[Figure]:
    figures = []
    with socket.socket(type=socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        for view in ("events", "state"):
            for clients in CLIENTS:
                share = await _share(view, clients, nobody.getsockname(), smoke)
                name = f"{view}, {clients:,} client{'s' * (clients > 1)}"
                figures.append(Figure(f"{name}: share of the metrics", share * 100, "%", "<=", 2.0))
    metrics = Metrics()
    moment = datetime.now(UTC)
    took = _seconds(lambda: _count(metrics, moment), 2_000 if smoke else 200_000)
    figures.append(Figure("one frame counted", took * 1e6, "µs"))
    took = _seconds(lambda: generate_latest(metrics.registry), 5 if smoke else 200)
    return [*figures, Figure("one scrape", took * 1e3, "ms")]


async def _share(view: str, clients: int, target: tuple[str, int], smoke: bool) -> float:
    """By how much of its time without metrics a fan-out takes longer with them.

    Made anew several times, since where things lie in memory makes as much of a difference.
    """
    makes, pairs, seconds = (1, 3, 0.01) if smoke else (10, 20, 0.02)
    ratios = []
    with socket.socket(type=socket.SOCK_DGRAM) as sending:
        sending.connect(target)
        for _ in range(makes):
            counted = await _Fan.of(Metrics(), view, clients, sending)
            mute = await _Fan.of(cast(Any, _Mute()), view, clients, sending)
            count = max(5, int(seconds / (counted.takes(20) / 20)))
            mute.takes(count)
            for pair in range(pairs):
                first, second = (counted, mute) if pair % 2 else (mute, counted)
                took = {first: first.takes(count), second: second.takes(count)}
                ratios.append(took[counted] / took[mute])
    return median(ratios) - 1.0


class _Fan:
    """A followed run with clients."""

    def __init__(self, runs: _Runs) -> None:
        self._runs = runs
        self._seq = 0

    @classmethod
    async def of(cls, metrics: Metrics, view: str, clients: int, sending: socket.socket) -> Self:
        loop, runs = asyncio.get_running_loop(), _Runs(metrics)
        hub = RunHub(
            RunKey("default", "bench"),
            "e1",
            limits=HubLimits(tick=0.0),
            timing=Timing(loop.time, loop.call_at, lambda: 0.5),
            metrics=metrics,
            behind=lambda hub, client: None,
        )
        await Follower("progress.default.bench", runs, hub.deliver, last=0).open()
        fan = cls(runs)
        fan.takes(1)
        for _ in range(clients):
            client = Subscriber(_Sink(sending), now=0.0, expires_at=1e9)
            hub.join(client, VIEWS[view], CHUNKED, hub.seq, lambda resumed: b"")
        return fan

    def takes(self, count: int) -> float:
        """Seconds of this thread that so many events take to reach all clients."""
        messages = [self._message() for _ in range(count)]
        put = self._runs.put
        began = time.thread_time()
        for headers, payload in messages:
            put(b"live.progress.default.bench", b"", payload, headers)
        return time.thread_time() - began

    def _message(self) -> tuple[bytes, bytes]:
        """The next event of the run, stored just now."""
        before, self._seq = self._seq, self._seq + 1
        stored = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "000Z")
        headers = (
            f"NATS/1.0\r\nNats-Stream: PROGRESS\r\nNats-Subject: progress.default.bench\r\n"
            f"Nats-Sequence: {self._seq}\r\nNats-Time-Stamp: {stored}\r\n"
            f"Nats-Last-Sequence: {before}\r\n\r\n"
        )
        return headers.encode(), progress(SIZE, time.monotonic_ns(), self._seq)


def _count(metrics: Metrics, moment: datetime) -> None:
    """All that is counted of one frame."""
    metrics.deliveries.fanned_out("event", SIZE, 1_000, 1, moment.timestamp())


def _seconds(work: Callable[[], object], count: int) -> float:
    """What one of many takes, the best of five tries."""
    tries = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(count):
            work()
        tries.append((time.perf_counter() - began) / count)
    return min(tries)
