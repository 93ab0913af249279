"""Everybody who must not notice, while one fault comes after another."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from broker.stream.topology import JOBS
from tests.cluster.clients import Client, seq_of
from tests.cluster.gateways import Gateways, gateways
from tests.cluster.judge import Judge
from tests.cluster.ledger import Ledger
from tests.cluster.plan import Plan, Report
from tests.cluster.producers import Pipelines
from tests.cluster.promises import settled
from tests.cluster.queues import ASKING, SPEAKING, WORKING, Queues
from tests.cluster.recovery import Fault
from tests.cluster.scenarios import Scenarios
from tests.cluster.servers import Cluster, cluster
from tests.faults import until
from tests.sse import ask

POSTING = 2
PATIENCE = 60.0
"""Seconds within which everyone must go on after a fault."""
LISTING = 0.25
"""Seconds between two looks at a list."""


class Chaos:
    """The world of producers, clients and faults."""

    def __init__(
        self, plan: Plan, servers: Cluster, gates: Gateways, say: Callable[[str], object]
    ) -> None:
        self.plan = plan
        self.servers = servers
        self.gates = gates
        self.urls = gates.urls
        self.ledger = Ledger()
        self.ledger.heard = self._acknowledged
        self.report = Report(plan)
        self.pipelines = Pipelines(plan.seed, servers.url("producer"), self.urls, self.ledger)
        self.queues = Queues(servers.url("producer"), self.urls, self.pipelines.over)
        self.clients = [
            Client(number, self, self._chance(f"client {number}")) for number in range(plan.clients)
        ]
        self._say = say
        self._fault: Fault | None = None
        self._begun = asyncio.Event()

    def _chance(self, who: str) -> random.Random:
        """The decisions of one actor."""
        return random.Random(f"{self.plan.seed} {who}")

    def choose(self, chance: random.Random) -> str | None:
        """A run that has not ended; None towards the end."""
        if self.pipelines.over.is_set():
            return None
        return chance.choice(self.ledger.active() or list(self.ledger.runs))

    def news(self, number: int, seq: int) -> None:
        """A client was shown something."""
        if self._fault is not None:
            self._fault.news(number, seq)

    def lost(self, number: int) -> None:
        """A client has lost its stream."""
        if self._fault is not None:
            self._fault.lost(number)

    def resumed(self, number: int) -> None:
        """A client has a stream."""
        if self._fault is not None:
            self._fault.back(number)

    def refused(self) -> int:
        """How many posts were refused so far."""
        return self.pipelines.refused

    def measure(self, name: str) -> Fault:
        """From now on it is measured how everyone goes on."""
        names = [f"p{n}" for n in range(self.plan.producers)] + [f"h{n}" for n in range(POSTING)]
        self._fault = Fault(name, names, len(self.clients), len(self.urls))
        return self._fault

    def _acknowledged(self, run: str, sent: float, seq: int) -> None:
        self._begun.set()
        if self._fault is not None:
            self._fault.acknowledged(run.split("-")[0], sent, seq)

    async def _listing(self, number: int) -> None:
        """Look at the list of a gateway, for ever."""
        while True:
            with suppress(OSError, EOFError, TimeoutError):
                items = (await ask(self.urls[number], "/v1/runs?limit=1")).json().get("items")
                if items and self._fault is not None:
                    self._fault.listed(number, seq_of(items[0]["cursor"]))
            await asyncio.sleep(LISTING)  # a look now and then is what is done here

    async def run(self) -> None:
        """Everybody works while the faults come, and then finishes."""
        with self.ledger.of_the_sdk():
            async with asyncio.TaskGroup() as group:
                for number in range(self.plan.producers):
                    group.create_task(self.pipelines.reporting(number))
                for number in range(POSTING):
                    group.create_task(self.pipelines.posting(number))
                asking = [group.create_task(self.queues.asking(n)) for n in range(ASKING)]
                for number in range(WORKING):
                    group.create_task(self.queues.working(number, partial(self._settled, asking)))
                for number in range(SPEAKING):
                    group.create_task(self.queues.speaking(number))
                await self._begun.wait()
                for client in self.clients:
                    group.create_task(client.run())
                looking = [
                    group.create_task(self._listing(number)) for number in range(len(self.urls))
                ]
                for name in ("nothing", *self.plan.faults):
                    await self._suffer(name)
                self._fault = None
                self.pipelines.over.set()
                for task in looking:
                    task.cancel()

    async def _settled(self, asking: list[asyncio.Task[None]]) -> None:
        """Wait until nobody asks for a run any more, and nobody works on one; or tell."""
        await asyncio.wait(asking)
        with suppress(TimeoutError):  # the judge will say what is left
            await settled(self.servers.url("operator"), JOBS)

    async def _suffer(self, name: str) -> None:
        """Have one fault, and wait until everyone goes on and everything is well."""
        fault, mend = await Scenarios(self).begin(name)
        self.report.recoveries.append(fault)
        try:
            async with asyncio.timeout(PATIENCE):
                await fault.over.wait()
        except TimeoutError:
            self.report.faults.append(f"{fault.name}: after {PATIENCE} s {fault.missing()}")
        await mend()
        try:
            await self.servers.healthy()
            for gate in self.gates.programs:
                await gate.ready(PATIENCE)

            async def listed() -> bool:
                return fault.lists is not None

            await until(listed, PATIENCE)
        except (TimeoutError, ProcessLookupError) as error:
            self.report.faults.append(f"{fault.name}: not whole again: {error!r}")
        fault.whole = fault.now()
        self._say(" | ".join(fault.row()))


async def chaos(
    folder: Path, plan: Plan, say: Callable[[str], object] = lambda text: None
) -> Report:
    """Run a cluster with producers and clients through faults, and judge what they saw."""
    async with (
        cluster(folder / "nats", grace=plan.grace) as servers,
        gateways(folder / "gateways", servers.url("gateway"), drain=plan.drain) as gates,
    ):
        world = Chaos(plan, servers, gates, say)
        await world.run()
        judge = Judge(servers, world.ledger, world.queues.promises, gates.urls)
        await judge.judge([seen for client in world.clients for seen in client.seen])
        report = world.report
        report.faults += [*world.pipelines.faults, *world.queues.faults, *judge.faults]
        report.counts["connections"] = sum(client.connections for client in world.clients)
        for client in world.clients:
            report.counts += client.endings
        report.counts["runs"] = len(world.ledger.runs)
        report.counts += judge.counts
        for program in (*gates.programs, *servers.servers):
            for line in program.log.splitlines():
                if any(word in line for word in ("Traceback", "Violation", "panic")):
                    report.faults.append(f"{program.name}: {line}")
        return report
