"""What serves log lines, joined: the LOGS stream followed, and hubs of its own on it."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from broker.gateway.logs.ends import Endings, StatusOf
from broker.gateway.logs.joins import Logs
from broker.hub.limits import RegistryLimits
from broker.hub.ports import Timing
from broker.hub.registry import Registry
from broker.logs import Failures
from broker.metrics import Metrics
from broker.model.cursor import epoch_of
from broker.stream.connection import Connection
from broker.stream.lines import LiveLines
from broker.stream.live import LiveRuns
from broker.stream.topology import LOGS, StreamSettings, created_at, mend

log = logging.getLogger(__name__)

BATCHES: Final = 256
"""The newest batches that a hub keeps ..."""
BYTES: Final = 256 * 1024
"""... and their bytes: what it frames for a late viewer in one go."""


@asynccontextmanager
async def following_logs(
    live: Connection,
    reads: Connection,
    writes: Connection,
    *,
    streams: StreamSettings,
    limits: RegistryLimits,
    timing: Timing,
    metrics: Metrics,
    status_of: StatusOf,
) -> AsyncIterator[Logs]:
    """Log lines, served as long as the block. Raises StreamUnavailable."""
    failures = Failures(log)

    async def verify() -> str:
        return epoch_of(await mend(writes, streams, LOGS, failures))

    metrics = metrics.of_logs()
    hub = msgspec.structs.replace(limits.hub, ring_records=BATCHES, ring_bytes=BYTES)
    limits = msgspec.structs.replace(limits, hub=hub, empty=True)
    epoch = epoch_of(await created_at(writes, LOGS))
    async with LiveRuns.running(
        live, reads, epoch=epoch, verify=verify, metrics=metrics, stream=LOGS
    ) as runs:
        source = LiveLines(runs)
        async with (
            Registry.running(source, limits=limits, timing=timing, metrics=metrics) as hubs,
            Endings.running(hubs, status_of, timing.now) as endings,
        ):
            runs.on_new_epoch = hubs.renew
            yield Logs(source, hubs, endings, reads)
