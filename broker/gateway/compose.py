"""What a gateway stands on, joined: connections, streams, followed runs, hubs and sockets.

This and `app.py` are the composition root: hubs, runs and streams meet nowhere else.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, NamedTuple

import msgspec

from broker.errors import StreamUnavailable
from broker.gateway.lists.live_lists import ListLimits
from broker.gateway.lists.parts import ListParts, listing_runs
from broker.gateway.logs.joins import Logs
from broker.gateway.logs.parts import following_logs
from broker.gateway.many.bundles import BundleLimits, Bundles
from broker.gateway.process.outage import Outage
from broker.gateway.sockets.sockets import SocketLimits, Sockets
from broker.hub.limits import RegistryLimits
from broker.hub.ports import Timing
from broker.hub.registry import Registry
from broker.logs import Failures
from broker.metrics import Metrics
from broker.model.cursor import epoch_of
from broker.model.decode import encode
from broker.model.events import RunLost
from broker.model.state import RunStatus
from broker.model.subjects import RunKey
from broker.runs.history import Histories, HistoryLimits
from broker.runs.ports import Clocks
from broker.runs.projector import Projector, ProjectorLimits
from broker.runs.silence import SilenceLimits
from broker.runs.watchdog import Append, Watchdog
from broker.stream.connection import Connection
from broker.stream.fitness import inspect
from broker.stream.live import LiveRuns
from broker.stream.marks import Marks
from broker.stream.publish import Message, publish
from broker.stream.storage import Storage
from broker.stream.topology import PROGRESS, StreamSettings, ensure, mend, streams
from broker.stream.vitals import told

log = logging.getLogger(__name__)

CATCH_UP: Final = 1.0
"""Seconds that the start waits for projector and index, so that who listens is ready as a rule."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the parts are to be."""

    streams: StreamSettings
    registry: RegistryLimits
    sockets: SocketLimits
    bundles: BundleLimits
    projector: ProjectorLimits
    lists: ListLimits
    index_max: int
    silence: SilenceLimits = SilenceLimits()
    history: HistoryLimits = HistoryLimits()


class Parts(NamedTuple):
    """The running parts of a gateway below HTTP."""

    timing: Timing
    live: Connection
    """What live events come over; other messages must not wait for stored ones behind it."""
    reads: Connection
    """What stored events are read over, in pages."""
    writes: Connection
    foreign: Connection
    """What messages of dialects come over."""
    runs: LiveRuns
    registry: Registry
    sockets: Sockets
    bundles: Bundles
    logs: Logs
    projector: Projector
    listed: ListParts
    histories: Histories

    @property
    def away(self) -> float:
        """Seconds since NATS was lost; 0 while it is there."""
        return max(self.live.away, self.reads.away, self.writes.away)


@asynccontextmanager
async def composed(
    nats_url: str,
    wanted: Wanted,
    timing: Timing,
    metrics: Metrics,
    outage: Outage,
) -> AsyncIterator[Parts]:
    """The parts, running as long as the block. Must be left by the task that entered it.

    Raises StreamUnavailable where NATS does not answer, NatsRefused, NatsUnfit, TopologyMismatch
    and StreamRefused where it is not as it must be.
    """
    async with AsyncExitStack() as stack:
        live, reads, writes, foreign, folding, summaries = [
            await stack.enter_async_context(
                Connection.connect(
                    nats_url,
                    name=f"progress-broker {purpose}",
                    on_change=changed,
                    on_error=lambda kind: metrics.nats_errors.labels(kind).inc(),
                    on_failure=failed,
                )
            )
            for purpose, changed, failed in (
                ("live", _noting(metrics, outage), outage.failed),
                ("reads", None, None),
                ("writes", None, None),
                ("dialects", None, None),
                ("projector", None, None),
                ("summaries", None, None),
            )
        ]
        stack.enter_context(outage.watched())
        await inspect(writes)

        epoch = epoch_of(await ensure(writes, wanted.streams))
        failures = Failures(log)

        async def verify() -> str:
            return epoch_of(await mend(writes, wanted.streams, PROGRESS, failures))

        names = [stream["name"] for stream in streams(wanted.streams)]
        await stack.enter_async_context(told(reads, names, metrics, timing.random))
        runs = await stack.enter_async_context(
            LiveRuns.running(live, reads, epoch=epoch, verify=verify, metrics=metrics)
        )
        registry = await stack.enter_async_context(
            Registry.running(runs, limits=wanted.registry, timing=timing, metrics=metrics)
        )
        histories = Histories(limits=wanted.history, metrics=metrics)
        watchdog = await stack.enter_async_context(
            Watchdog.running(
                appending(writes),
                limits=wanted.silence,
                now=timing.now,
                epoch=lambda: runs.epoch,
                metrics=metrics,
            )
        )
        writes.on_reconnect(watchdog.reconnected)
        listed = await stack.enter_async_context(
            listing_runs(
                summaries,
                epoch=epoch,
                most=wanted.index_max,
                limits=wanted.lists,
                timing=timing,
                metrics=metrics,
                feeds=(histories.hear, watchdog.hear),
            )
        )

        def status_of(key: RunKey) -> RunStatus | None:
            summary = listed.runs.get(key.run, key.tenant)
            return None if summary is None else summary.status

        logs = await stack.enter_async_context(
            following_logs(
                live,
                reads,
                writes,
                streams=wanted.streams,
                limits=wanted.registry,
                timing=timing,
                metrics=metrics,
                status_of=status_of,
            )
        )
        sockets = await stack.enter_async_context(
            Sockets.running(
                registry,
                runs,
                logs,
                listed.lists,
                limits=wanted.sockets,
                timing=timing,
                metrics=metrics,
            )
        )
        bundles = await stack.enter_async_context(
            Bundles.running(
                registry, runs, listed.runs, limits=wanted.bundles, timing=timing, metrics=metrics
            )
        )
        projector = await stack.enter_async_context(
            Projector.running(
                Marks(folding, runs, metrics),
                Storage(folding, runs),
                limits=wanted.projector,
                clocks=Clocks(timing.now, time.time),
                metrics=metrics,
            )
        )

        def renew() -> None:
            bundles.renew()
            registry.renew()
            projector.renew()
            histories.clear()
            watchdog.renew()
            listed.renew(runs.epoch)

        runs.on_new_epoch = renew
        await projector.caught_up(CATCH_UP)
        await listed.summaries.caught_up(CATCH_UP)
        yield Parts(
            timing,
            live,
            reads,
            writes,
            foreign,
            runs,
            registry,
            sockets,
            bundles,
            logs,
            projector,
            listed,
            histories,
        )


def appending(writes: Connection) -> Append:
    """How a watchdog appends to runs."""

    async def append(key: RunKey, event: RunLost, last: int) -> None:
        if not writes.connected:
            # What is sent now would go out after the outage, before producers can be heard again.
            raise StreamUnavailable("tell that a run is lost", "NATS is not connected")
        message = Message(key.subject, encode(event), event.id)
        await publish(writes, message, expected_last=last)

    return append


def loop_timing() -> Timing:
    """The time of the running loop."""
    loop = asyncio.get_running_loop()
    return Timing(loop.time, loop.call_at, random.random)


def _noting(metrics: Metrics, outage: Outage) -> Callable[[bool], None]:
    """Keep the metrics of the connection that live events come over, and tell of outages."""
    seen = False

    def changed(connected: bool) -> None:
        nonlocal seen
        outage.changed(connected)
        metrics.nats_connected.set(connected)
        if connected and seen:
            metrics.nats_reconnects.inc()
        seen = seen or connected

    return changed
