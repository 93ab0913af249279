"""What happens to servers and gateways."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Protocol

from tests.cluster.gateways import Gateways
from tests.cluster.plan import Plan, Report
from tests.cluster.processes import Program
from tests.cluster.recovery import Fault
from tests.cluster.servers import LAME_DUCK, SERVERS, Cluster

BASELINE = 3.0
"""Seconds in which nothing is done."""

Mending = Callable[[], Awaitable[None]]


class World(Protocol):
    """Where it happens."""

    plan: Plan
    report: Report
    servers: Cluster
    gates: Gateways

    def measure(self, name: str) -> Fault:
        """From now on it is measured how everyone goes on."""

    def refused(self) -> int:
        """How many posts were refused so far."""


class Scenarios:
    """Each does one thing, and gives what is measured and what puts it right afterwards."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def begin(self, name: str) -> tuple[Fault, Mending]:
        """Do what a name says, such as `kill 0`."""
        kind, _, which = name.partition(" ")
        does: dict[str, Callable[[int], Awaitable[tuple[Fault, Mending]]]] = {
            "nothing": self._nothing,
            "kill": self._kill,
            "kill-leader": self._kill_leader,
            "stop": self._stop,
            "stop-leader": self._stop_leader,
            "lame-duck": self._lame_duck,
            "two-lost": self._two_lost,
            "gateway-kill": self._kill_gateway,
            "gateway-drain": self._drain_gateway,
        }
        return await does[kind](int(which or 0))

    async def _role(self, number: int) -> str:
        return " (leads PROGRESS)" if number == await self._world.servers.leader() else ""

    async def _nothing(self, _: int) -> tuple[Fault, Mending]:
        async def a_while() -> None:
            await asyncio.sleep(BASELINE)  # to see how it is when nothing happens

        return self._world.measure("none"), a_while

    async def _kill(self, number: int) -> tuple[Fault, Mending]:
        server = self._world.servers.servers[number]
        return await self._killed(server, await self._role(number))

    async def _kill_leader(self, _: int) -> tuple[Fault, Mending]:
        return await self._kill(await self._world.servers.leader())

    async def _killed(self, program: Program, role: str = "") -> tuple[Fault, Mending]:
        program.tell(signal.SIGKILL)
        fault = self._world.measure(f"kill -9 {program.name}{role}")
        await program.ended()
        return fault, program.start

    async def _stop(self, number: int) -> tuple[Fault, Mending]:
        """A server that is frozen: its connections stay open, and nothing comes."""
        server, cut = self._world.servers.servers[number], self._world.plan.cut
        role = await self._role(number)
        server.tell(signal.SIGSTOP)
        fault = self._world.measure(f"SIGSTOP {server.name}{role}, {cut:g} s")

        async def go_on() -> None:
            await asyncio.sleep(max(0.0, cut - fault.now()))  # it stays cut off so long
            server.tell(signal.SIGCONT)

        return fault, go_on

    async def _stop_leader(self, _: int) -> tuple[Fault, Mending]:
        return await self._stop(await self._world.servers.leader())

    async def _lame_duck(self, number: int) -> tuple[Fault, Mending]:
        """As an upgrade does it."""
        server = self._world.servers.servers[number]
        role = await self._role(number)
        server.tell(LAME_DUCK)
        return self._world.measure(f"lame duck {server.name}{role}"), _again(server)

    async def _two_lost(self, number: int) -> tuple[Fault, Mending]:
        """Without a quorum nothing is taken in, and open streams stay open."""
        world, plan = self._world, self._world.plan
        pair = [world.servers.servers[n % SERVERS] for n in (number, number + 1)]
        for server in pair:
            await server.kill()
        refused = world.refused()
        outage = world.measure("two of three lost")
        await asyncio.sleep(plan.outage)  # the outage is what is looked at
        if outage.first_ack is not None:
            world.report.faults.append(f"acknowledged without a quorum: {outage.first_ack} s")
        if outage.cut_off:
            world.report.faults.append(f"{outage.cut_off} streams ended without a quorum")
        world.report.counts["posts refused without a quorum"] += world.refused() - refused
        for server in pair:
            await server.start()
        return world.measure(f"two are back after {plan.outage:g} s"), _nothing_more

    async def _kill_gateway(self, number: int) -> tuple[Fault, Mending]:
        return await self._killed(self._world.gates.programs[number])

    async def _drain_gateway(self, number: int) -> tuple[Fault, Mending]:
        gate = self._world.gates.programs[number]
        gate.tell(signal.SIGTERM)
        name = f"SIGTERM {gate.name}, drains {self._world.plan.drain:g} s"
        return self._world.measure(name), _again(gate)


def _again(program: Program) -> Mending:
    async def again() -> None:
        await program.ended()
        await program.start()

    return again


async def _nothing_more() -> None:
    """It is put right already."""
