"""One WebSocket shows any number of runs in any view, to the clients that people use."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.gateway.runs import completed, long_run, short_run, started, step_progress
from tests.gateway.serving import broker, gateway
from tests.sse import PATIENCE, Frame, Viewer

Said = dict[str, Any]


class Client:
    """A client, whichever library it is made of. Made by `aiohttp_client`, `websockets_client`."""

    def __init__(
        self, send: Callable[[str], Awaitable[None]], receive: Callable[[], Awaitable[str | int]]
    ) -> None:
        self._send = send
        self._receive = receive
        self.closed_with = 0

    async def say(self, op: str, **more: Any) -> None:
        """Send a message."""
        await self._send(json.dumps({"op": op, **more}))

    async def text(self, text: str) -> None:
        """Send a message as it is."""
        await self._send(text)

    async def next(self) -> Said | None:
        """The next message; None when the socket is closed."""
        async with asyncio.timeout(PATIENCE):
            found = await self._receive()
        if isinstance(found, int):
            self.closed_with = found
            return None
        said: Said = json.loads(found)
        return said

    async def take(self, count: int) -> list[Said]:
        """So many messages."""
        found = [await self.next() for _ in range(count)]
        return [said for said in found if said is not None]

    async def until(self, kind: str, **about: Any) -> list[Said]:
        """The messages up to the first of a kind (and run, id), that one included."""
        found: list[Said] = []
        while (said := await self.next()) is not None:
            found.append(said)
            if said["type"] == kind and about.items() <= said.items():
                return found
        raise AssertionError(f"closed with {self.closed_with} before {kind!r}: {found[-3:]}")


Connects = Callable[[str], Any]


@asynccontextmanager
async def aiohttp_client(url: str, **how: Any) -> AsyncIterator[Client]:
    """The client of aiohttp."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url + "/v1/ws", **how) as ws:

        async def receive() -> str | int:
            message = await ws.receive()
            if message.type == aiohttp.WSMsgType.TEXT:
                return str(message.data)
            return ws.close_code or 1006

        yield Client(ws.send_str, receive)


@asynccontextmanager
async def websockets_client(url: str, **how: Any) -> AsyncIterator[Client]:
    """The client of the `websockets` package."""
    address = url.replace("http", "ws", 1) + "/v1/ws"
    async with connect(address, proxy=None, max_size=1 << 26, **how) as ws:

        async def receive() -> str | int:
            try:
                return str(await ws.recv())
            except ConnectionClosed:
                return ws.close_code or 1006

        yield Client(ws.send, receive)


both = pytest.mark.parametrize("client", [aiohttp_client, websockets_client])


def viewer_of(messages: list[Said], viewer: Viewer | None = None, **about: Any) -> Viewer:
    """What a page keeps of the messages of one subscription."""
    viewer = viewer or Viewer()
    for said in messages:
        if about.items() <= said.items():
            viewer.take(Frame(said["type"], said["data"], said.get("cursor")))
    return viewer


@both
async def test_both_views_on_one_socket(tmp_path: Path, client: Connects) -> None:
    """The state, folded from its patches, is the snapshot; the events are those stored."""
    async with broker(tmp_path) as b, client(b.url) as here:
        hello = await here.next()
        assert ("hello", {"type", "data"}) == (hello["type"], set(hello))
        assert 15.0 == hello["data"]["heartbeat"]
        assert 720 <= hello["data"]["max_age"] <= 900
        events = short_run()
        await b.publish("r1", *events[:5])
        await here.say("subscribe", run="r1", id=1)
        await here.say("subscribe", run="r1", view="events", id="all")
        seen = await here.until("hello", id="all") + await here.until("event", id="all")
        for event in events[5:]:
            await b.publish("r1", event)
        seen += await here.until("end") + await here.until("end")
        state, whole = viewer_of(seen, id=1), viewer_of(seen, id="all")
        assert await b.snapshot("r1") == state.state
        assert 1 == state.snapshots
        assert events == [{k: e[k] for k in e if k not in ("time", "cursor")} for e in whole.events]
        assert [whole.cursors[-1]] * 2 == [whole.last_id, state.last_id]
        assert [{"run": "r1", "status": "completed"}] * 2 == [state.end, whole.end]
        assert all(said["run"] == "r1" for said in seen)
        await here.say("ping", id="still here")
        assert {"type": "pong", "id": "still here"} == await here.next()


@both
async def test_two_runs_on_one_socket(tmp_path: Path, client: Connects) -> None:
    """Each under its own name where no id is given; one ends, the other goes on."""
    async with broker(tmp_path) as b, client(b.url) as here:
        await b.publish("r1", started())
        await b.publish("ü/2", started())
        await here.say("subscribe", run="r1")
        await here.say("subscribe", run="ü/2")
        seen = await here.until("snapshot") + await here.until("snapshot")
        await b.publish("r1", step_progress("fetch", 1), completed())
        seen += await here.until("end")
        await b.publish("ü/2", step_progress("fetch", 2))
        seen += await here.until("patch", run="ü/2")
        for run in ("r1", "ü/2"):
            assert await b.snapshot(run) == viewer_of(seen, run=run, id=run).state


async def test_the_events_after_every_cut_come_exactly_once(tmp_path: Path) -> None:
    """All cuts on one socket, each under its own id, on either gateway."""
    async with broker(tmp_path) as b, gateway(b.nats.url) as other:
        await b.publish("r1", *short_run())
        async with websockets_client(b.url) as here:
            await here.say("subscribe", run="r1", view="events", id=0)
            whole = viewer_of(await here.until("end"), id=0).events
        for url in (b.url, other.url):
            async with websockets_client(url) as here:
                for at, event in enumerate(whole, 1):
                    cursor = event["cursor"]
                    await here.say("subscribe", run="r1", view="events", id=at, cursor=cursor)
                seen = [said for _ in whole for said in await here.until("end")]
            for at, event in enumerate(whole, 1):
                viewer = viewer_of(seen, id=at)
                assert (True, event["cursor"]) == (viewer.hello["resumed"], viewer.hello["from"])
                assert whole[at:] == viewer.events
                assert {"run": "r1", "status": "completed"} == viewer.end


async def test_the_state_after_every_cut_becomes_the_snapshot(tmp_path: Path) -> None:
    """A socket that broke in the middle of a run comes back with its cursor."""
    async with broker(tmp_path, tick=0) as b, websockets_client(b.url) as first:
        events = short_run()
        await b.publish("r1", events[0])
        await first.say("subscribe", run="r1", id="s")
        viewer = viewer_of(await first.until("snapshot"), id="s")
        cuts = [deepcopy(viewer)]
        for event in events[1:12]:
            await b.publish("r1", event)
            viewer_of(await first.until("patch"), viewer, id="s")
            cuts.append(deepcopy(viewer))
        async with websockets_client(b.url) as again:
            for cut in cuts:
                await again.say("subscribe", run="r1", id="s", cursor=cut.last_id)
                seen = await again.until("hello", run="r1")
                assert [True] == [s["data"]["resumed"] for s in seen if "run" in s]
                await again.say("unsubscribe", id="s")
                await again.say("ping")
                viewer_of(seen + await again.until("pong"), cut, id="s", run="r1")
        assert [1] * 12 == [cut.snapshots for cut in cuts]
        assert [await b.snapshot("r1")] * 12 == [cut.state for cut in cuts]


@pytest.mark.parametrize("view", ["state", "events"])
async def test_a_cursor_that_means_nothing_gets_a_snapshot(tmp_path: Path, view: str) -> None:
    """It is never refused: a client sends what it remembered."""
    async with broker(tmp_path) as b, websockets_client(b.url) as here:
        [seq] = await b.publish("r1", started())
        snapshot = await b.snapshot("r1")
        epoch = snapshot["cursor"].split("-")[0]
        for number, cursor in enumerate(["x", "", f"{epoch}-{seq + 99}", f"other-{seq}", "é" * 99]):
            await here.say("subscribe", run="r1", view=view, id=number, cursor=cursor)
            viewer = viewer_of(await here.until("snapshot"), id=number)
            assert (False, snapshot) == (viewer.hello["resumed"], viewer.state)
            assert cursor[:64] == viewer.hello["from"]


async def test_a_socket_that_breaks_again_and_again_loses_nothing(tmp_path: Path) -> None:
    """It comes back with the cursor it has, to any gateway, while the run goes on."""
    async with broker(tmp_path) as b, gateway(b.nats.url) as other:
        await b.publish("r1", started())

        async def produce() -> None:
            for n in range(300):
                await b.publish("r1", step_progress("fetch", n, 300))
            await b.publish("r1", completed())

        async def watch(number: int) -> Viewer:
            viewer = Viewer()
            breaks = 0
            while viewer.end is None:
                breaks += 1
                async with websockets_client((b.url, other.url)[breaks % 2]) as here:
                    asked: Said = {"run": "r1", "view": "events", "id": number}
                    if viewer.last_id is not None:
                        asked["cursor"] = viewer.last_id
                    await here.say("subscribe", **asked)
                    for _ in range(5 + 7 * breaks):
                        viewer_of(await here.take(1), viewer, id=number)
                        if viewer.end is not None:
                            break
            return viewer

        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(watch(n % 2)) for n in range(6)]
            group.create_task(produce())
        seqs = [record.seq for record in await b.nats.records("r1")]
        for task in watching:
            assert seqs == [int(cursor.split("-")[1]) for cursor in task.result().cursors]


async def test_unsubscribe(tmp_path: Path) -> None:
    """By id, or by run in all its views; after the pong nothing of it comes any more."""
    async with broker(tmp_path, tick=0) as b, websockets_client(b.url) as here:
        for run in ("r1", "r2"):
            await b.publish(run, started())
            for view, id in (("state", 1), ("events", 2)):
                await here.say("subscribe", run=run, view=view, id=id)
                await here.until("snapshot" if id == 1 else "event", run=run, id=id)

        async def heard() -> set[tuple[str, int]]:
            await b.publish("r1", step_progress("fetch", 1))
            await b.publish("r2", step_progress("fetch", 1))
            seen = await here.until("patch" if ("r2", 1) in left else "event", run="r2")
            if left >= {("r2", 1), ("r2", 2)}:
                seen += await here.until("event", run="r2")
            return {(said["run"], said["id"]) for said in seen}

        left = {("r1", 1), ("r1", 2), ("r2", 1), ("r2", 2)}
        assert left == await heard()
        for asked, ended in (
            ({"run": "r1", "id": 1}, {("r1", 1)}),
            ({"run": "r1"}, {("r1", 2)}),
            ({"id": 1}, {("r2", 1)}),
            ({"id": "unknown"}, set()),
        ):
            await here.say("unsubscribe", **asked)
            await here.say("ping")
            await here.until("pong")
            left -= ended
            assert left == await heard()


async def test_an_unsubscribe_overtakes_an_opening_run(tmp_path: Path) -> None:
    """The run is opened for nobody, and nothing is said of it."""
    async with broker(tmp_path) as b, websockets_client(b.url) as here:
        await b.publish("r1", started())
        await here.next()
        for _ in range(20):
            await here.say("subscribe", run="r1")
            await here.say("unsubscribe", run="r1")
        await here.say("ping")
        await here.until("pong")
        await here.say("subscribe", run="r1", id="last")
        seen = await here.until("snapshot", id="last")
        assert len([said for said in seen if said["type"] == "hello"]) <= 21


async def test_an_unknown_run_is_an_error_of_its_subscription(tmp_path: Path) -> None:
    """With the name and text of the problem; the others go on, and it may be asked for again."""
    async with broker(tmp_path) as b, websockets_client(b.url) as here:
        await here.next()
        await here.say("subscribe", run="nope", id=7)
        assert {
            "type": "error",
            "run": "nope",
            "id": 7,
            "data": {"name": "run-not-found", "detail": "no events are stored for run 'nope'"},
        } == await here.next()
        await b.post("/v1/runs/nope/events", started())
        await here.say("subscribe", run="nope", id=7)
        await here.until("snapshot", id=7)


async def test_a_run_that_has_ended(tmp_path: Path) -> None:
    """Its end comes at once; who knows it already gets nothing else."""
    async with broker(tmp_path) as b, websockets_client(b.url) as here:
        await b.publish("r1", *long_run(3000))
        await here.next()
        await here.say("subscribe", run="r1")
        [_, snapshot, _] = await here.take(3)
        await here.say("subscribe", run="r1", cursor=snapshot["cursor"])
        assert ["hello", "end"] == [said["type"] for said in await here.take(2)]
        await here.say("subscribe", run="r1", view="events")
        assert 3000 == len(viewer_of(await here.until("end"), run="r1").events)


async def test_clients_are_counted(tmp_path: Path) -> None:
    """Sockets, subscriptions, and how they begin."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        async with websockets_client(b.url) as here, websockets_client(b.url) as there:
            for client in (here, there):
                await client.say("subscribe", run="r1")
                await client.until("snapshot")
            assert 2 == await b.metric("websockets")
            assert 2 == await b.metric("streams_opened_total", transport="ws", view="state")
