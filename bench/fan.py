"""One fan-out: a server, a load generator and a publisher, and what the three of them saw."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from bench.harness import quantile
from bench.plans import Fed, Feed, Load, Loaded
from bench.processes import Cost, Helper, Server
from broker.stream.connection import Connection

GRACE = 20.0
"""Seconds that the last event has to reach everyone."""


class Side(NamedTuple):
    """A server that is measured and how it is used."""

    name: str
    server: Server
    feed: str
    """`nats` or `http`."""
    port: int
    """Where events are sent to."""
    paths: list[str]
    targets: list[str]
    first: str = ""
    """What a connection asks for before its stream."""
    event: str = "progress"
    """Which events it is fed, and of how many bytes each."""
    size: int = 256


class Seen(NamedTuple):
    """What came of one fan-out."""

    load: Loaded
    fed: Fed
    before: Cost
    after: Cost
    seconds: float
    """From the first event sent to the last one read."""

    @property
    def rate(self) -> float:
        """Deliveries a second."""
        return self.load.deliveries / self.load.seconds

    @property
    def core(self) -> float:
        """The share of a core that the server used, in percent."""
        return (self.after.seconds - self.before.seconds) / self.seconds * 100

    @property
    def joined(self) -> float:
        """Events per write to a socket, so that joining them cannot hide."""
        return self.load.deliveries / max(1, self.after.writes - self.before.writes)

    def milliseconds(self, share: float) -> float:
        """A quantile of the latencies."""
        return quantile(self.load.latencies, share)

    def check(self) -> None:
        """Raise unless every event reached everyone once."""
        if self.load.missed or self.load.doubled or self.load.behind:
            raise AssertionError(
                f"{self.load.missed} events missed, {self.load.doubled} doubled, "
                f"{self.load.behind} connections without the last one"
            )


def broker_side(server: Server, runs: Sequence[str], view: str = "events") -> Side:
    """The gateway, fed through NATS."""
    return Side(
        "progress-broker",
        server,
        "nats",
        server.nats_port,
        [f"/v1/runs/{run}/events?view={view}" for run in runs],
        [f"progress.default.{run}" for run in runs],
    )


async def begun(nats_url: str, runs: Sequence[str]) -> None:
    """Store the first event of each run: nobody can watch a run that does not exist."""
    async with Connection.connect(nats_url, name="bench") as connection:
        for run in runs:
            await connection.request(f"progress.default.{run}", b'{"type":"run.started"}')


async def fan_out(
    side: Side,
    *,
    connections: int,
    seconds: float,
    rate: float = 0.0,
    window: int = 0,
    warm: float = 1.0,
    exact: bool = True,
    entry: int = 0,
    grace: float = GRACE,
    meanwhile: Callable[[Helper], Awaitable[None]] | None = None,
    **more: Any,
) -> Seen:
    """Open connections, publish for a while, wait until everyone has everything.

    With a `window` so many events at most are on their way at any time, and the rate is a limit.
    `entry` is the port where connections are opened if that is not the server's.
    """
    async with _pipe(bool(window)) as (read, write):
        plan = Load(
            port=entry or side.server.port,
            connections=connections,
            paths=side.paths,
            first=side.first,
            exact=exact,
            permits=write,
            **more,
        )
        async with Helper.running("bench.load", plan, write) as load:
            await load.hear(str, 120.0)
            await asyncio.sleep(warm)
            before = side.server.cost()
            load.tell("begin")
            feed = Feed(
                kind=side.feed,
                port=side.port,
                targets=side.targets,
                rate=rate,
                seconds=seconds,
                permits=read,
                window=window,
                event=side.event,
                size=side.size,
            )
            began = asyncio.get_running_loop().time()
            async with Helper.running("bench.publish", feed, read) as publisher:
                if meanwhile is not None:
                    await meanwhile(load)
                fed = await publisher.hear(Fed, seconds + 60.0)
            load.tell(f"end {fed.rounds} {grace}")
            loaded = await load.hear(Loaded, grace + 60.0)
            after = side.server.cost()
            took = asyncio.get_running_loop().time() - began
    return Seen(loaded, fed, before, after, took)


@asynccontextmanager
async def _pipe(wanted: bool) -> AsyncIterator[tuple[int, int]]:
    """A pipe for permits; (-1, -1) if there is none."""
    ends = os.pipe() if wanted else (-1, -1)
    try:
        yield ends
    finally:
        for end in ends:
            if end >= 0:
                os.close(end)
