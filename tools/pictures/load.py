"""People and pipelines for a few minutes: enough of each that every picture has something to show.

Besides the demo's pipelines, which are real: runs that are sent over HTTP, some of which fall
silent or send what is no event, runs that are asked for and taken by a worker, pages that watch by
SSE and WebSocket and come back, and tools that poll.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import aiohttp

from broker.model.subjects import DEFAULT_TENANT, RunKey
from broker.producer import Run, Worker
from broker.stream.connection import Connection

_PAGES: Final = 120
_SOCKETS: Final = 40
_POLLERS: Final = 6
_PRODUCERS: Final = 8
_ASKERS: Final = 4
_STEPS: Final = ("fetch", "clean", "fit", "report")
_SILENT: Final = 0.1
"""Share of the runs that stop without a word."""
_GARBLED: Final = 0.1
"""Share of the runs that also send what is no event."""
_AWAY: Final = (aiohttp.ClientError, ConnectionError, TimeoutError)
"""What clients see of a gateway that stops; they come back."""
_LOOK: Final = 0.5
"""Seconds between two looks of the proxy at who is ready."""


class _World:
    """Which gateways are ready, and which runs go on."""

    def __init__(self, urls: list[str], session: aiohttp.ClientSession, nats: Connection) -> None:
        self.ready = urls
        self.nats = nats
        self.session = session
        self.count = 0
        self.runs: list[str] = []
        self.begun = asyncio.Event()
        """Set when there is a run."""
        self.chance = random.Random(7)

    def url(self) -> str:
        """One of the gateways, as a proxy would choose it."""
        return self.chance.choice(self.ready)

    def run(self) -> str:
        """One that somebody may want to see: of the newest."""
        return self.chance.choice(self.runs[-_PRODUCERS:])


@asynccontextmanager
async def loaded(urls: list[str], nats_url: str) -> AsyncIterator[None]:
    """Keep gateways busy as long as the block."""
    unlimited = aiohttp.TCPConnector(limit=0, force_close=True)
    async with (
        Connection.connect(nats_url, name="load") as nats,
        aiohttp.ClientSession(connector=unlimited) as session,
        asyncio.TaskGroup() as tasks,
    ):
        world = _World(urls, session, nats)
        kinds: list[tuple[int, Callable[[_World], Coroutine[Any, Any, None]]]] = [
            (_PRODUCERS, _produce),
            (_PAGES, _watch),
            (_SOCKETS, _talk),
            (_POLLERS, _poll),
            (_ASKERS, _ask),
        ]
        under_way = [
            tasks.create_task(_again_and_again(act, world))
            for count, act in kinds
            for _ in range(count)
        ]
        under_way.append(tasks.create_task(_look(urls, world)))
        under_way.append(tasks.create_task(_worker(nats_url, world).run()))
        yield
        for task in under_way:
            task.cancel()


async def _look(urls: list[str], world: _World) -> None:
    """Know who is ready, as a proxy does."""
    while True:
        ready = []
        for url in urls:
            with suppress(*_AWAY):
                async with world.session.get(f"{url}/readyz") as answer:
                    if answer.status == 200:
                        ready.append(url)
        world.ready = ready or urls
        await asyncio.sleep(_LOOK)


async def _again_and_again(
    act: Callable[[_World], Coroutine[Any, Any, None]], world: _World
) -> None:
    await asyncio.sleep(world.chance.uniform(0, 10))
    if act is not _produce:
        await world.begun.wait()
    while True:
        with suppress(*_AWAY):
            await act(world)
        await asyncio.sleep(world.chance.uniform(0.2, 2))


async def _produce(world: _World) -> None:
    """One run, a step after the other."""
    world.count += 1
    run = f"import-{world.count}"
    world.runs.append(run)
    world.begun.set()
    plan = [{"step": step} for step in _STEPS]
    await _send(
        world,
        run,
        {"type": "run.started", "pipeline": "import", "heartbeat_interval": 5, "plan": plan},
    )
    fate = world.chance.random()
    for step in _STEPS:
        await _send(world, run, {"type": "step.started", "step": step})
        total = world.chance.randrange(20, 80)
        for current in range(1, total + 1):
            told = {"type": "step.progress", "step": step, "current": current, "total": total}
            await _send(world, run, told)
            await asyncio.sleep(world.chance.expovariate(6))
        if fate < _SILENT and step == _STEPS[1]:
            return
        if fate > 1 - _GARBLED:
            key = RunKey(DEFAULT_TENANT, run)
            await world.nats.publish(key.subject, b'{"type":"step.progress","current":"half"}')
        await _send(world, run, {"type": "step.completed", "step": step})
    await _send(world, run, {"type": "run.completed"})


async def _send(world: _World, run: str, event: dict[str, Any]) -> None:
    async with world.session.post(f"{world.url()}/v1/runs/{run}/events", json=event) as answer:
        await answer.read()


async def _watch(world: _World) -> None:
    """A page that is open for a while, and comes back once with its cursor."""
    run, last = world.run(), None
    for _ in range(2):
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(world.chance.uniform(10, 60)),
                world.session.get(f"{world.url()}/v1/runs/{run}/events", headers=headers) as page,
            ):
                async for line in page.content:
                    if line.startswith(b"id:"):
                        last = line[3:].strip().decode()


async def _talk(world: _World) -> None:
    """A WebSocket that watches a few runs."""
    async with world.session.ws_connect(f"{world.url()}/v1/ws") as socket:
        for number in range(3):
            wanted = {"op": "subscribe", "run": world.run(), "view": "events", "id": number}
            await socket.send_str(json.dumps(wanted))
        with suppress(TimeoutError):
            async with asyncio.timeout(world.chance.uniform(20, 60)):
                async for _ in socket:
                    pass


async def _poll(world: _World) -> None:
    """A tool that looks at the list, at a run, and at one that is not there."""
    for path in (f"/v1/runs/{world.run()}", "/v1/runs?limit=50", "/v1/runs/no-such-run"):
        async with world.session.get(world.url() + path) as answer:
            await answer.read()
    path = f"/v1/runs/{world.run()}/cancel"
    async with world.session.post(world.url() + path, json={"reason": "a trial"}) as answer:
        await answer.read()


async def _ask(world: _World) -> None:
    """Somebody who wants a pipeline to run."""
    async with world.session.post(f"{world.url()}/v1/pipelines/resize/runs", json={}) as answer:
        await answer.read()
    await asyncio.sleep(world.chance.uniform(2, 12))


def _worker(nats_url: str, world: _World) -> Worker:
    """Takes such runs, two at a time, and takes its time."""
    worker = Worker(nats_url, concurrency=2, name="worker-1")

    @worker.pipeline("resize", plan=["read", "write"])
    async def resize(run: Run, inputs: dict[str, Any]) -> None:
        for step in ("read", "write"):
            async with run.step(step):
                await asyncio.sleep(world.chance.uniform(0.5, 2))

    return worker
