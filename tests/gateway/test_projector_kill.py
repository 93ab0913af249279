"""Three gateways share the events; two are killed under load; no checkpoint is wrong for it."""

import asyncio
import random
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from broker.stream.publish import Message, publish_all
from broker.stream.topology import CHECKPOINTS
from tests.faults import until
from tests.gateway.process import serving
from tests.gateway.runs import completed, started, step_completed, step_progress, step_started
from tests.runs.projecting import differing, everything_is_acknowledged, keys_of
from tests.stream.serving import Nats, Payload, key_of, nats, payload_of

RUNS = 60
BATCH = 50


class Load:
    """Producers of many runs, who go on until told to end."""

    def __init__(self, server: Nats) -> None:
        self.events = 0
        self._runs = list(range(RUNS))
        """The runs that still go on."""
        self._server = server
        self._chance = random.Random(11)
        self._ending = asyncio.Event()

    async def run(self) -> None:
        """Publish about a thousand events a second, then end every run."""
        await self._publish([Message(_subject(n), payload_of(started())) for n in range(RUNS)])
        while not self._ending.is_set():
            await self._publish([self._any() for _ in range(BATCH)])
            await asyncio.sleep(BATCH / 1000)  # the rate of the load
        await self._publish([Message(_subject(n), payload_of(completed())) for n in self._runs])

    def silence(self, runs: int) -> None:
        """So many runs have no event any more, whose checkpoint would be made by the next one."""
        del self._runs[:runs]

    def end(self) -> None:
        """Let every run end."""
        self._ending.set()

    async def beyond(self, events: int) -> None:
        """Wait until so many more events are stored."""
        target = self.events + events

        async def stored() -> bool:
            return self.events >= target

        await until(stored, 30)

    def _any(self) -> Message:
        """An event of any run, now and then one that is none."""
        step = f"s{self._chance.randrange(40)}"
        events: list[Payload] = [
            step_started(step),
            step_progress(step, self._chance.randrange(10)),
            step_completed(step),
            {"type": "lab.sampled"},
            b"no event",
        ]
        event = self._chance.choice(events)
        return Message(_subject(self._chance.choice(self._runs)), payload_of(event))

    async def _publish(self, messages: list[Message]) -> None:
        await publish_all(self._server.connection, messages)
        self.events += len(messages)


def _subject(number: int) -> str:
    return key_of(f"r{number}").subject


@pytest.mark.timeout(150)
async def test_any_two_of_three_gateways_may_be_killed(tmp_path: Path) -> None:
    """What they had taken and not written, the one that is left takes over."""
    async with asyncio.timeout(140), AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats(tmp_path / "nats"))
        gateways = []
        for name in ("one", "two", "three"):
            (tmp_path / name).mkdir()
            gateways.append(await stack.enter_async_context(serving(tmp_path / name, server.url)))
        for gateway in gateways:
            await gateway.listens()
        load = Load(server)
        publishing = asyncio.create_task(load.run())
        await until(lambda: server.subjects(CHECKPOINTS), 30)
        for victim in gateways[:2]:
            await load.beyond(1500)
            load.silence(RUNS // 3)
            victim.tell(signal.SIGKILL)
            assert -signal.SIGKILL == await victim.ended()
        await load.beyond(1500)
        load.end()
        await publishing
        await everything_is_acknowledged(server.connection, 60)
        keys = await keys_of(server)
        assert RUNS == len(keys)
        assert {} == await differing(server.connection, keys)
        assert load.events == sum((await server.subjects()).values())
