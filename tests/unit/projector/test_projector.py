"""Whatever projectors do, in whatever order, and wherever they die, the checkpoints are the folds.

A world of our own stands in for the streams: marks are told to any projector, and again when nobody
acknowledged them; writes meet; what is stored is not always heard of; a projector dies anywhere.
"""

import asyncio
import random
import selectors
from collections.abc import AsyncIterator, Container, Iterable, Sequence
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.errors import StreamUnavailable, Superseded
from broker.metrics import Metrics
from broker.model.checkpoint import Checkpoint, unpack
from broker.model.evolve import fold
from broker.model.record import Mark, Record
from broker.model.state import initial
from broker.model.subjects import RunKey
from broker.model.summary import Summary
from broker.runs.ports import Clocks
from broker.runs.projector import Projector, ProjectorLimits
from tests import strategies as some
from tests.faults import until
from tests.unit.runs import exactly

RUNS = [RunKey("default", run) for run in ("a", "b")]
ACK_WAIT = 10.0
LIMITS = ProjectorLimits(visits=2, marks=8, folds=4, together=2)


class World:
    """The streams. Marks that nobody has acknowledged stay in `marks`, by sequence."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.epoch = "e1"
        self.records: dict[RunKey, list[Record]] = {key: [] for key in RUNS}
        self.stored: dict[RunKey, tuple[str, Checkpoint]] = {}
        """Each with the epoch in its summary's cursor."""
        self.marks: dict[int, Mark] = {}
        self.living: list[Gateway] = []
        self._seq = 0

    def append(self, key: RunKey, record: Record) -> None:
        """Store an event, and tell somebody."""
        self._seq += 1
        self.records[key].append(Record(self._seq, record.stored_at, record.payload))
        token = b"%s %d" % (self.epoch.encode(), self._seq)
        mark = Mark(key, self._seq, record.stored_at.timestamp(), token)
        self.marks[self._seq] = mark
        self.tell(mark)

    def tell(self, mark: Mark) -> None:
        """Any gateway hears of it, now and then two."""
        for gateway in self.chance.choices(self.living, k=self.chance.choice([1, 1, 2, 3])):
            gateway.told.append(mark)

    def acknowledge(self, token: bytes) -> None:
        epoch, seq = token.split()
        if epoch == self.epoch.encode():
            self.marks.pop(int(seq), None)

    def make_anew(self) -> None:
        """The stream is deleted and made again; checkpoints are elsewhere, and stay."""
        self.epoch += "x"
        self._seq = 0
        self.marks.clear()
        self.records = {key: [] for key in RUNS}
        for gateway in self.living:
            gateway.told.clear()
            gateway.projector.renew()

    def wrong(self) -> list[str]:
        """The runs whose checkpoint is not the fold of their events."""
        return [
            key.run for key, records in self.records.items() if records and not self._right(key)
        ]

    def _right(self, key: RunKey) -> bool:
        epoch, found = self.stored.get(key, ("", Checkpoint()))
        whole = fold(self.records[key], initial(*key))
        return epoch == self.epoch and exactly(unpack(found.packed)) == exactly(whole)


class Gateway:
    """What one projector has of the world, until it dies after so many calls."""

    def __init__(self, world: World, life: float) -> None:
        self.pending: int | None = None
        self.told: list[Mark] = []
        self.dead = asyncio.Event()
        self.projector: Projector
        self._world = world
        self._life = life

    @property
    def epoch(self) -> str:
        return self._world.epoch

    async def _turn(self, *, may_fail: bool = True) -> None:
        """Somebody else may act now, NATS may be away, and the process may be killed."""
        await asyncio.sleep(self._world.chance.choice([0, 0, 0.001, 0.3]))
        self._life -= 1
        if self._life <= 0:
            self.dead.set()
            await asyncio.Event().wait()
        if may_fail and self._world.chance.random() < 0.05:
            raise StreamUnavailable("do anything", "NATS is away")

    async def open(self) -> None:
        await self._turn()

    async def take(self, most: int) -> Sequence[Mark]:
        await self._turn()
        if not self.told:
            await asyncio.sleep(0.5)
        self.pending = self._world.chance.choice([0, 100])
        told, self.told = self.told[:most], self.told[most:]
        return told

    async def acknowledge(self, tokens: Iterable[bytes]) -> None:
        for token in tokens:
            await self._turn()
            self._world.acknowledge(token)

    async def hold(self, tokens: Iterable[bytes]) -> None:
        """Here everything is told again after a while."""

    async def close(self, tokens: Iterable[bytes]) -> None:
        """Here everything is told again after a while."""

    async def read(self, key: RunKey, after: int) -> AsyncIterator[Sequence[Record]]:
        await self._turn()
        records = [record for record in self._world.records[key] if record.seq > after]
        for begin in range(0, len(records), 3):
            yield records[begin : begin + 3]
            await self._turn()

    async def next_after(self, key: RunKey, seq: int) -> int | None:
        await self._turn()
        return next((r.seq for r in self._world.records[key] if r.seq > seq), None)

    async def scan(
        self, after: int, wanted: Container[RunKey]
    ) -> AsyncIterator[tuple[int, Sequence[tuple[RunKey, Record]]]]:
        await self._turn()
        everything = [
            (key, record)
            for key, records in self._world.records.items()
            for record in records
            if record.seq > after
        ]
        everything.sort(key=lambda found: found[1].seq)
        for begin in range(0, len(everything), 4):
            page = everything[begin : begin + 4]
            yield len(page), [(key, record) for key, record in page if key in wanted]
            await self._turn()

    async def load(self, key: RunKey) -> Checkpoint:
        await self._turn()
        epoch, found = self._world.stored.get(key, ("", Checkpoint()))
        return found if epoch == self.epoch else Checkpoint(found.revision)

    async def store(self, key: RunKey, summary: Summary, packed: bytes, revision: int) -> int:
        await self._turn()
        _, stored = self._world.stored.get(key, ("", Checkpoint()))
        if revision != stored.revision:
            raise Superseded(key.run)
        epoch, _, seq = summary.cursor.partition("-")
        self._world.stored[key] = (epoch, Checkpoint(revision + 1, int(seq), packed))
        await self._turn()  # it may be stored, and nobody hear of it
        return revision + 1


class _Skipping(selectors.DefaultSelector):
    """Where everybody waits for time to pass, it has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.moment += max(0.0, timeout or 0.0)
        return super().select(0)


class Timeless(asyncio.SelectorEventLoop):
    """A loop whose pauses cost nothing."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.moment


async def _live(gateway: Gateway) -> None:
    """Run a projector until it is killed."""
    clocks = Clocks(asyncio.get_running_loop().time, lambda: 0.0)
    async with Projector.running(
        gateway, gateway, limits=LIMITS, clocks=clocks, metrics=Metrics()
    ) as projector:
        gateway.projector = projector
        await gateway.dead.wait()


async def _history(
    world: World, batches: Sequence[Sequence[Record]], lives: Sequence[int], anew: int
) -> None:
    """Batches of events come while gateways die; the last two live on, and work all off."""
    async with asyncio.timeout(3600), asyncio.TaskGroup() as group:
        world.living = [Gateway(world, life) for life in [*lives, inf, inf]]
        tasks = [group.create_task(_live(gateway)) for gateway in world.living]
        await asyncio.sleep(0)
        for number, batch in enumerate(batches):
            if number == anew:
                world.make_anew()
            for record in batch:
                world.append(world.chance.choice(RUNS), record)
                await asyncio.sleep(world.chance.choice([0, 0, 0.1, 0.3]))
            await asyncio.sleep(world.chance.choice([0, 0.1, 0.4, 1, 20]))
        while world.marks:
            await asyncio.sleep(world.chance.random() * ACK_WAIT)
            world.living = [gateway for gateway in world.living if not gateway.dead.is_set()]
            for mark in list(world.marks.values()):
                world.tell(mark)
        for task in tasks:
            task.cancel()


@given(
    log=some.records(min_size=12, max_size=60),
    cuts=st.lists(st.integers(0, 60), min_size=2, max_size=8),
    lives=st.lists(st.integers(1, 120), max_size=3),
    anew=st.sampled_from([-1, -1, 1, 2]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=100)
def test_any_projectors_give_the_fold(
    log: list[Record], cuts: list[int], lives: list[int], anew: int, seed: int
) -> None:
    """Interleaved, told twice, overtaken, cut off and killed; with a stream made anew meanwhile."""
    world = World(random.Random(seed))
    edges = [0, *sorted(cuts), len(log)]
    batches = [log[a:b] for a, b in pairwise(edges)]
    with asyncio.Runner(loop_factory=Timeless) as runner:
        runner.run(_history(world, batches, lives, anew))
    assert [] == world.wrong()


class Faulty(Gateway):
    """What it has of the first run brings a fault of ours to light, in a read or in a pass."""

    def __init__(self, world: World, *, backlog: bool = False) -> None:
        super().__init__(world, inf)
        self.healed = False
        self.passes = 0
        self._backlog = backlog

    async def _turn(self, *, may_fail: bool = True) -> None:
        """Nothing else goes wrong."""
        await asyncio.sleep(0)

    async def take(self, most: int) -> Sequence[Mark]:
        told = await super().take(most)
        self.pending = 100 if self._backlog else 0
        return told

    async def read(self, key: RunKey, after: int) -> AsyncIterator[Sequence[Record]]:
        if key == RUNS[0] and not self.healed:
            raise ValueError("a fold cannot go on")
        async for page in super().read(key, after):
            yield page

    async def scan(
        self, after: int, wanted: Container[RunKey]
    ) -> AsyncIterator[tuple[int, Sequence[tuple[RunKey, Record]]]]:
        self.passes += 1
        if not self.healed:
            raise ValueError("a fold cannot go on")
        async for page in super().scan(after, wanted):
            yield page


async def _meets_a_fault(backlog: bool) -> None:
    world = World(random.Random(1))
    gateway = Faulty(world, backlog=backlog)
    world.living = [gateway]
    loop = asyncio.get_running_loop()
    clocks, metrics = Clocks(loop.time, lambda: 0.0), Metrics()

    def failures(doing: str) -> float:
        name = "progress_broker_projector_failures_total"
        return metrics.registry.get_sample_value(name, {"doing": doing}) or 0.0

    async def settled() -> bool:
        return not world.marks

    def event(seq: int) -> Record:
        return Record(seq, some.BEGINNING, b'{"type":"run.started"}')

    async with (
        asyncio.timeout(60),
        Projector.running(gateway, gateway, limits=LIMITS, clocks=clocks, metrics=metrics),
    ):
        for key in RUNS:
            world.append(key, event(1))
        await until(settled)
        assert ["a"] == [key.run for key in RUNS if key not in world.stored]
        assert (1, 0) == (failures("catch up"), failures("work"))
        assert backlog == bool(failures("read")) == bool(gateway.passes)
        gateway.healed = True
        world.append(RUNS[0], event(2))
        await until(settled)
    assert [] == world.wrong()


@pytest.mark.parametrize("backlog", [False, True])
def test_a_run_that_cannot_be_folded_is_given_up_until_its_next_event(backlog: bool) -> None:
    """Its marks must not come for ever, nor keep others waiting, nor end the projector."""
    with asyncio.Runner(loop_factory=Timeless) as runner:
        runner.run(_meets_a_fault(backlog))


class Refused(Faulty):
    """Its consumer cannot be made."""

    async def open(self) -> None:
        raise StreamUnavailable("consume PROGRESS", "the configuration differs")


async def _waits_to_be_ready() -> None:
    clocks = Clocks(asyncio.get_running_loop().time, lambda: 0.0)
    gateway = Refused(World(random.Random(1)))
    async with Projector.running(
        gateway, gateway, limits=LIMITS, clocks=clocks, metrics=Metrics()
    ) as projector:
        assert "the projector has not begun" == projector.why_not_ready()
        await asyncio.sleep(LIMITS.ready_within + 1)
        assert None is projector.why_not_ready()


def test_who_cannot_begin_is_ready_after_a_while() -> None:
    """Runs are shown without checkpoints too; else no gateway would be left."""
    with asyncio.Runner(loop_factory=Timeless) as runner:
        runner.run(_waits_to_be_ready())
