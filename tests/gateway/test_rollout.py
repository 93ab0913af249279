"""A gateway is taken out of service with four hundred people watching: none of them loses anything.

Producers report all the while, and another gateway is there, as in a rolling update.
"""

import asyncio
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.faults import until
from tests.gateway.process import Process, serving
from tests.gateway.runs import completed, started, step_progress
from tests.gateway.test_websocket import viewer_of, websockets_client
from tests.sse import Viewer, Wire, ask, path, stream
from tests.stream.serving import Nats, nats

EACH = 100
"""Clients of each of the four kinds: both views, both transports."""
RUNS = [f"r{number}" for number in range(8)]
DRAIN = 7.0
LEFT = 15.0
"""Seconds more to close what is left and exit, as k8s/base/deployment.yaml has it."""
PAUSE = 0.25
"""Seconds between two events of a run."""
GOES_AWAY = 1001


class Watcher:
    """Somebody who watches a run here, and goes on elsewhere when told to."""

    def __init__(self, number: int) -> None:
        self.run = RUNS[number % len(RUNS)]
        self.socket = number % 2 == 1
        self.view = ("state", "events")[number // 2 % 2]
        self.viewer = Viewer()
        self.shown = asyncio.Event()
        self.left_at = 0.0
        """When the first gateway let it go, by the loop's clock."""

    async def watch(self, here: str, elsewhere: str) -> None:
        """Watch the run to its end."""
        way = self._over_a_socket if self.socket else self._over_a_stream
        await way(here)
        assert self.viewer.end is None
        self.left_at = asyncio.get_running_loop().time()
        await way(elsewhere)
        assert self.viewer.end is not None

    async def _over_a_stream(self, url: str) -> None:
        async with stream(url, self.run, self.view, last_id=self.viewer.last_id) as frames:
            assert 200 == frames.status
            while (frame := await frames.next()) is not None:
                self.viewer.take(frame)
                if frame.id is not None:
                    self.shown.set()
            assert frames.complete
            if self.viewer.end is None:
                assert frames.retry is not None

    async def _over_a_socket(self, url: str) -> None:
        async with websockets_client(url, compression=None) as socket:
            cursor = self.viewer.last_id
            asked: dict[str, Any] = {"run": self.run, "view": self.view, "id": 1}
            await socket.say("subscribe", **asked, **({"cursor": cursor} if cursor else {}))
            while self.viewer.end is None and (said := await socket.next()) is not None:
                viewer_of([said], self.viewer, id=1)
                if self.viewer.last_id is not None:
                    self.shown.set()
            if self.viewer.end is None:
                assert GOES_AWAY == socket.closed_with


async def produce(server: Nats, run: str, stop: asyncio.Event) -> None:
    """Report until told to stop; then the end."""
    await server.publish(run, started())
    number = 0
    while not stop.is_set():
        await server.publish(run, step_progress("fetch", number))
        number += 1
        # The pace of a pipeline, which nothing else gives.
        await asyncio.sleep(PAUSE)
    await server.publish(run, completed())


async def not_ready_after(wire: Wire) -> float:
    """Seconds until it says so over a connection that is open."""
    began = asyncio.get_running_loop().time()
    while True:
        await wire.send("GET", "/readyz")
        if (await wire.answer()).status == 503:
            return asyncio.get_running_loop().time() - began


async def refuses(url: str) -> None:
    """It takes nobody new, and says when to come back."""
    headers = {"Accept": "text/event-stream"}
    answer = await ask(url, path("r0", "/events"), headers=headers)
    assert (503, "urn:progress-broker:problem:draining") == (answer.status, answer.json()["type"])
    assert int(answer.headers["retry-after"]) >= 1
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    refused = await ask(url, "/v1/ws", headers=upgrade | key)
    assert 503 == refused.status
    assert int(refused.headers["retry-after"]) >= 1


async def drained(process: Process, url: str) -> float:
    """Tell it to stop, and wait for its end; gives when it was told."""
    loop = asyncio.get_running_loop()
    async with Wire.connect(url) as ready, Wire.connect(url) as held:
        cursor = (await ask(url, path("idle"))).json()["cursor"]
        await held.send("GET", path("idle", f"?wait=60&after={cursor}"))
        await ready.send("GET", "/readyz")
        assert 200 == (await ready.answer()).status
        told_at = loop.time()
        process.tell(signal.SIGTERM)
        assert await not_ready_after(ready) < 1
        await refuses(url)
        assert 200 == (await held.answer()).status
        assert loop.time() - told_at < 2
    assert 0 == await process.ended(DRAIN + LEFT)
    return told_at


def spread(moments: Sequence[float]) -> Counter[int]:
    """How many of the moments are in each second."""
    return Counter(int(moment) for moment in moments)


async def test_four_hundred_watchers_go_on_elsewhere(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    stop = asyncio.Event()
    watchers = [Watcher(number) for number in range(4 * EACH)]
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats(tmp_path / "nats"))
        one, two = [
            await stack.enter_async_context(
                serving(tmp_path / name, server.url, drain_seconds=DRAIN)
            )
            for name in ("one", "two")
        ]
        here, elsewhere = await one.listens(), await two.listens()
        await server.publish("idle", started())
        async with asyncio.TaskGroup() as group:
            for run in RUNS:
                group.create_task(produce(server, run, stop))
            await until(lambda: all_begun(server))
            for watcher in watchers:
                group.create_task(watcher.watch(here, elsewhere))
            for watcher in watchers:
                await watcher.shown.wait()
            told_at = await drained(one, here)
            stop.set()
        moments = [watcher.left_at - told_at for watcher in watchers]
        assert max(spread(moments).values()) <= len(watchers) / 4
        assert max(moments) < DRAIN + 1
        for run in RUNS:
            await nothing_was_lost(server, elsewhere, run, watchers)
        for process in (one, two):
            assert "Traceback" not in process.log


async def all_begun(server: Nats) -> bool:
    return set(RUNS) <= {subject.rsplit(".", 1)[1] for subject in await server.subjects()}


async def nothing_was_lost(server: Nats, url: str, run: str, watchers: Sequence[Watcher]) -> None:
    """Each saw every event once, or has the state that is stored."""
    seqs = [record.seq for record in await server.records(run)]
    state = (await ask(url, path(run))).json()
    for watcher in watchers:
        if watcher.run != run:
            continue
        if watcher.view == "events":
            assert seqs == [int(cursor.split("-")[1]) for cursor in watcher.viewer.cursors]
        else:
            assert state == watcher.viewer.state
