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

import msgspec
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
from broker.stream.unbroken import Unbroken
from tests import strategies as some
from tests.faults import until
from tests.unit.runs import exactly

RUNS = [RunKey("default", "a"), RunKey("default", "b"), RunKey("acme", "a")]
ACK_WAIT = 10.0
LIMITS = ProjectorLimits(visits=2, marks=8, backlog=8, folds=4, together=2)


class World:
    """The streams. Marks that nobody has acknowledged stay in `marks`, by sequence."""

    def __init__(self, chance: random.Random, same: float = 0.0) -> None:
        self.chance = chance
        self.same = same
        """How often one and the same gateway is told, and nobody else."""
        self.lost = 0.0
        """How often what is told gets lost on the way."""
        self.limits = LIMITS
        self.epoch = "e1"
        self.records: dict[RunKey, list[Record]] = {key: [] for key in RUNS}
        self.stored: dict[RunKey, tuple[str, Checkpoint]] = {}
        """Each with the epoch in its summary's cursor."""
        self.earlier: dict[RunKey, tuple[str, Checkpoint]] = {}
        """Those before them."""
        self.stale = 0.0
        """How often a server of the cluster answers that is behind the others."""
        self.marks: dict[int, Mark] = {}
        self.living: list[Gateway] = []
        self.reads = 0
        self._seq = 0
        self._deliveries = 0
        self._delivered: set[int] = set()
        self._all_marks: list[Mark] = []

    def append(self, key: RunKey, record: Record) -> None:
        """Store an event, and tell somebody."""
        self._seq += 1
        stored = Record(self._seq, record.stored_at, record.payload)
        self.records[key].append(stored)
        token = b"%s %d" % (self.epoch.encode(), self._seq)
        mark = Mark(key, stored, record.stored_at.timestamp(), token, 0)
        self.marks[self._seq] = mark
        self._all_marks.append(mark)
        self.tell(mark)

    def stray(self) -> None:
        """Store what is of no run: a gateway hears of it, and nothing comes of it."""
        self._seq += 1
        self._deliver(self.chance.choice(self.living), self._seq)

    def tell(self, mark: Mark) -> None:
        """Any gateway hears of it, now and then two; or the same one again and again."""
        hearing = self.chance.choices(self.living, k=self.chance.choice([1, 1, 2, 3]))
        if self.chance.random() < self.same:
            hearing = self.living[-1:]
        for gateway in hearing:
            if self.chance.random() < self.lost:
                self._deliveries += 1
                self._delivered.add(mark.record.seq)
                continue
            since = self._deliver(gateway, mark.record.seq)
            gateway.told.append(mark._replace(since=since))

    def _deliver(self, gateway: "Gateway", seq: int) -> int:
        """Hand a message out; gives from where on this gateway has heard everything."""
        self._deliveries += 1
        since = gateway.unbroken.since(self._deliveries, seq, again=seq in self._delivered)
        self._delivered.add(seq)
        return since

    def tell_anew(self) -> None:
        """The consumer is made anew: its numbers begin again, and it tells everything again."""
        self._deliveries = 0
        self._delivered.clear()
        for gateway in self.living:
            gateway.unbroken.end()
        for mark in self._all_marks:
            self.marks[mark.record.seq] = mark
            self.tell(mark)

    def acknowledge(self, token: bytes) -> None:
        epoch, seq = token.split()
        if epoch == self.epoch.encode():
            self.marks.pop(int(seq), None)

    def make_anew(self) -> None:
        """The stream is deleted and made again; checkpoints are elsewhere, and stay."""
        self.epoch += "x"
        self._seq = self._deliveries = 0
        self._delivered.clear()
        self._all_marks.clear()
        self.marks.clear()
        self.records = {key: [] for key in RUNS}
        for gateway in self.living:
            gateway.told.clear()
            gateway.unbroken.end()
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
        self.unbroken = Unbroken()
        self.dead = asyncio.Event()
        self.projector: Projector
        self.limits = world.limits
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
        self._world.reads += 1
        records = [record for record in self._world.records[key] if record.seq > after]
        if self._world.chance.random() < self._world.stale:
            records = records[: self._world.chance.randrange(len(records) + 1)]
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
        stored = self._world.stored
        if self._world.chance.random() < self._world.stale:
            stored = self._world.earlier
        epoch, found = stored.get(key, ("", Checkpoint()))
        return found if epoch == self.epoch else Checkpoint(found.revision)

    async def store(self, key: RunKey, summary: Summary, packed: bytes, revision: int) -> int:
        await self._turn()
        _, stored = self._world.stored.get(key, ("", Checkpoint()))
        if revision != stored.revision:
            raise Superseded(key.run)
        epoch, _, seq = summary.cursor.partition("-")
        if key in self._world.stored:
            self._world.earlier[key] = self._world.stored[key]
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
        gateway, gateway, limits=gateway.limits, clocks=clocks, metrics=Metrics()
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
            if world.chance.random() < 0.1:
                world.tell_anew()
            for record in batch:
                world.append(world.chance.choice(RUNS), record)
                if world.chance.random() < 0.1:
                    world.stray()
                if world.chance.random() < 0.05:
                    world.chance.choice(world.living).unbroken.end()
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
    same=st.sampled_from([0.0, 0.7, 0.95]),
    stale=st.sampled_from([0.0, 0.3]),
    lost=st.sampled_from([0.0, 0.1]),
    marks_bytes=st.sampled_from([300, 2**26]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=100)
def test_any_projectors_give_the_fold(
    log: list[Record],
    cuts: list[int],
    lives: list[int],
    anew: int,
    same: float,
    stale: float,
    lost: float,
    marks_bytes: int,
    seed: int,
) -> None:
    """Interleaved, told twice, overtaken, cut off and killed; with a stream made anew meanwhile."""
    world = World(random.Random(seed), same)
    world.stale = stale
    world.lost = lost
    world.limits = msgspec.structs.replace(LIMITS, marks_bytes=marks_bytes)
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


async def _tells_one_gateway() -> int:
    world = World(random.Random(1), same=1.0)
    gateway = Faulty(world)
    gateway.healed = True
    world.living = [gateway]
    loop = asyncio.get_running_loop()
    clocks, metrics = Clocks(loop.time, lambda: 0.0), Metrics()

    async def settled() -> bool:
        return not world.marks

    async with Projector.running(gateway, gateway, limits=LIMITS, clocks=clocks, metrics=metrics):
        for _ in range(20):
            for key in RUNS:
                world.append(key, Record(0, some.BEGINNING, b'{"type":"run.started"}'))
            await until(settled)
    assert [] == world.wrong()
    return world.reads


def test_who_is_told_everything_reads_each_run_once() -> None:
    """To find a run's events among all others costs the server more than everything else."""
    with asyncio.Runner(loop_factory=Timeless) as runner:
        reads = runner.run(_tells_one_gateway())
    assert len(RUNS) == reads


class Behind(Faulty):
    """A server of the cluster answers it that does not have the newest records yet."""

    async def read(self, key: RunKey, after: int) -> AsyncIterator[Sequence[Record]]:
        async for page in Gateway.read(self, key, after):
            if self.healed:
                yield page


async def _reads_too_early() -> list[str]:
    world = World(random.Random(1), same=1.0)
    gateway = Behind(world)
    world.living = [gateway]
    clocks = Clocks(asyncio.get_running_loop().time, lambda: 0.0)

    async def settled() -> bool:
        return not world.marks

    async with Projector.running(gateway, gateway, limits=LIMITS, clocks=clocks, metrics=Metrics()):
        world.append(RUNS[0], Record(0, some.BEGINNING, b'{"type":"run.started"}'))
        await asyncio.sleep(3)  # the visit has given up
        gateway.healed = True
        world.append(RUNS[0], Record(0, some.BEGINNING, b'{"type":"run.heartbeat"}'))
        await asyncio.sleep(3)
        for mark in list(world.marks.values()):
            world.tell(mark)
        await until(settled)
    return world.wrong()


def test_a_run_that_was_read_too_early_does_not_go_on_with_its_next_mark() -> None:
    """What is between was told, but is in no fold."""
    with asyncio.Runner(loop_factory=Timeless) as runner:
        assert [] == runner.run(_reads_too_early())
