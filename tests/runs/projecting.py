"""Projectors on a real server, and whether what they store is true."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from broker.metrics import Metrics
from broker.model.checkpoint import unpack
from broker.model.cursor import epoch_of
from broker.model.evolve import fold
from broker.model.state import initial
from broker.model.subjects import RunKey, run_of
from broker.runs.ports import Clocks
from broker.runs.projector import Projector, ProjectorLimits
from broker.stream.checkpoints import load
from broker.stream.connection import Connection
from broker.stream.live import LiveRuns
from broker.stream.marks import CONSUMER, Marks
from broker.stream.replay import read
from broker.stream.storage import Storage
from broker.stream.topology import PROGRESS, api, created_at
from tests.faults import until
from tests.stream.serving import Nats
from tests.unit.runs import exactly

QUICK = ProjectorLimits(window=0.02, window_most=0.05)
"""A window that costs tests no time."""


@asynccontextmanager
async def projecting(
    connection: Connection, runs: LiveRuns, limits: ProjectorLimits = QUICK
) -> AsyncIterator[Projector]:
    """Run a projector, as a gateway does. Its metrics are those of `runs`."""
    clocks = Clocks(asyncio.get_running_loop().time, time.time)
    async with Projector.running(
        Marks(connection, runs, runs.metrics),
        Storage(connection, runs),
        limits=limits,
        clocks=clocks,
        metrics=runs.metrics,
    ) as projector:
        runs.on_new_epoch = projector.renew
        yield projector


def counted(metrics: Metrics, name: str) -> float:
    """The value of a metric."""
    return metrics.registry.get_sample_value(f"progress_broker_{name}") or 0.0


async def everything_is_acknowledged(connection: Connection, seconds: float = 30) -> None:
    """Wait until every stored event stands in a checkpoint, as the server has heard."""

    async def finished() -> bool:
        names = await api(connection, f"CONSUMER.NAMES.{PROGRESS}")
        if CONSUMER not in (names["consumers"] or []):
            return False
        info = await api(connection, f"CONSUMER.INFO.{PROGRESS}.{CONSUMER}")
        return (0, 0) == (info["num_pending"], info["num_ack_pending"])

    await until(finished, seconds)


async def differing(connection: Connection, keys: set[RunKey]) -> dict[RunKey, str]:
    """The runs whose checkpoint is not the fold of their events, and how it differs."""
    epoch = epoch_of(await created_at(connection, PROGRESS))
    wrong: dict[RunKey, str] = {}
    for key in keys:
        records = [r async for page in read(connection, key.subject, 0) for r in page]
        found = await load(connection, key, epoch)
        if not found.packed:
            wrong[key] = f"{len(records)} events, and no checkpoint"
            continue
        state = unpack(found.packed)
        if exactly(state) != exactly(fold(records, initial(*key))):
            wrong[key] = f"at {state.seq} of {records[-1].seq}"
        elif found.seq != state.seq:
            wrong[key] = f"the summary says {found.seq}, the state {state.seq}"
    return wrong


async def keys_of(server: Nats) -> set[RunKey]:
    """Every run that has events."""
    return {run_of(subject) for subject in await server.subjects()}
