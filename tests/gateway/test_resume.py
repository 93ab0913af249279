"""A stream that breaks anywhere goes on where it broke, on any gateway."""

import asyncio
import random
from contextlib import AsyncExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from broker.stream.topology import PROGRESS, api
from tests.faults import until
from tests.gateway.runs import completed, short_run, started, step_progress
from tests.gateway.serving import broker, gateway
from tests.sse import Viewer, ask, path, stream, watch

EVENTS = {"Accept": "text/event-stream"}


async def test_events_after_every_cut_come_exactly_once(tmp_path: Path) -> None:
    """Whichever way the cursor is given, and whichever gateway is asked."""
    async with broker(tmp_path) as here, gateway(here.nats.url) as other:
        await here.publish("r1", *short_run())
        whole = (await watch(here.url, "r1", "events")).events
        assert short_run() == [{k: e[k] for k in e if k not in ("time", "cursor")} for e in whole]
        for url in (here.url, other.url):
            for at, event in enumerate(whole[:-1], 1):
                cursor = event["cursor"]
                viewer = Viewer()
                viewer.last_id = cursor
                by_header = await watch(url, "r1", "events", viewer)
                by_id = await watch(url, "r1", "events", query=f"&last_event_id={cursor}")
                by_after = await watch(url, "r1", "events", query=f"&after={cursor}")
                for seen in (by_header, by_id, by_after):
                    assert (True, cursor) == (seen.hello["resumed"], seen.hello["from"])
                    assert whole[at:] == seen.events
                    assert 0 == seen.snapshots
                    assert {"run": "r1", "status": "completed"} == seen.end


async def test_the_state_after_every_cut_becomes_the_snapshot(tmp_path: Path) -> None:
    """Clients come back in the middle of a run with every state there was, to either gateway."""
    async with (
        broker(tmp_path, tick=0) as here,
        gateway(here.nats.url) as other,
        AsyncExitStack() as open_streams,
    ):
        events = short_run()
        await here.publish("r1", events[0])
        frames = await open_streams.enter_async_context(stream(here.url, "r1"))
        viewer = Viewer()
        viewer.take_all(await frames.until("snapshot"))
        cuts = [deepcopy(viewer)]
        for event in events[1:20]:
            await here.publish("r1", event)
            viewer.take_all(await frames.until("patch"))
            assert viewer.last_id == viewer.state["cursor"]
            cuts.append(deepcopy(viewer))
        assert viewer.state == await here.snapshot("r1")

        back = []
        for url in (here.url, other.url):
            for viewer in deepcopy(cuts):
                frames = await open_streams.enter_async_context(
                    stream(url, "r1", last_id=viewer.last_id)
                )
                viewer.take_all(await frames.until("hello"))
                back.append((viewer, frames))
        assert [True] * 20 == [viewer.hello["resumed"] for viewer, _ in back[:20]]
        for event in events[20:]:
            await here.publish("r1", event)
        for viewer, frames in back:
            viewer.take_all(await frames.rest())
        snapshot = await here.snapshot("r1")
        assert [snapshot] * 40 == [viewer.state for viewer, _ in back]
        assert [1] * 20 == [viewer.snapshots for viewer, _ in back[:20]]  # the first one


@pytest.mark.parametrize("view", ["state", "events"])
async def test_a_connection_that_breaks_again_and_again_loses_nothing(
    tmp_path: Path, view: str
) -> None:
    """It breaks after any number of frames, comes back to any gateway, and the run goes on."""
    chance = random.Random(7)
    async with broker(tmp_path) as here, gateway(here.nats.url) as other:
        await here.publish("r1", started())

        async def produce() -> None:
            for n in range(400):
                await here.publish("r1", step_progress("fetch", n, 400))
            await here.publish("r1", completed())

        async def view_with_breaks() -> Viewer:
            viewer = Viewer()
            while viewer.end is None:
                url = chance.choice([here.url, other.url])
                async with stream(url, "r1", view, last_id=viewer.last_id) as frames:
                    if frames.status == 204:
                        break
                    for _ in range(chance.randint(0, 30)):
                        frame = await frames.next()
                        if frame is None:
                            break
                        viewer.take(frame)
            return viewer

        async with asyncio.TaskGroup() as group:
            viewers = [group.create_task(view_with_breaks()) for _ in range(8)]
            group.create_task(produce())
        seqs = [record.seq for record in await here.nats.records("r1")]
        for viewer in (task.result() for task in viewers):
            if view == "events":
                assert seqs == [int(cursor.split("-")[1]) for cursor in viewer.cursors]
            else:
                assert await here.snapshot("r1") == viewer.state


async def test_a_reconnect_at_the_end_is_told_to_stop(tmp_path: Path) -> None:
    """204 is the one answer after which `EventSource` does not come again."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), completed())
        for view in ("state", "events"):
            seen = await watch(b.url, "r1", view)
            assert seen.end is not None
            async with stream(b.url, "r1", view, last_id=seen.last_id) as again:
                assert 204 == again.status


async def test_a_reconnect_at_the_end_of_an_attempt_goes_on_with_the_next(tmp_path: Path) -> None:
    """The end that the client knows is not the end any more."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), {"type": "run.failed", "error": {"message": "no"}})
        seen = await watch(b.url, "r1", "events")
        [*_, last] = await b.publish("r1", {"type": "run.started", "attempt": 2}, completed())

        async def known() -> bool:
            return bool((await b.snapshot("r1"))["cursor"].endswith(f"-{last}"))

        await until(known)
        again = await watch(b.url, "r1", "events", seen)
        assert ["run.started", "run.failed", "run.started", "run.completed"] == [
            event["type"] for event in again.events
        ]


@pytest.mark.parametrize("view", ["state", "events"])
async def test_a_cursor_that_means_nothing_here_gets_a_snapshot(tmp_path: Path, view: str) -> None:
    """A browser sends what it remembers, so it is never refused; it is told, and starts anew."""
    async with broker(tmp_path) as b:
        [seq, _] = await b.publish("r1", started(), step_progress("fetch", 3))
        snapshot = await b.snapshot("r1")
        epoch = snapshot["cursor"].split("-")[0]
        unknown = ["garbage", "-", f"{epoch}-{seq + 1000}", f"other-{seq}", f"{epoch}-00", "é" * 99]
        for text in unknown:
            async with stream(b.url, "r1", view, last_id=text) as frames:
                hello, first = [await frames.next(), await frames.next()]
            assert hello is not None
            assert first is not None
            assert (None, False, snapshot["cursor"]) == (
                hello.id,
                hello.data["resumed"],
                hello.data["head"],
            )
            assert "from" in hello.data
            assert ("snapshot", snapshot, snapshot["cursor"]) == (
                first.event,
                first.data,
                first.id,
            )


async def test_a_cursor_written_by_hand_is_refused_if_it_is_none(tmp_path: Path) -> None:
    """`after` is typed by a person, who wants to know of the mistake."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        answer = await ask(b.url, path("r1", "/events?after=garbage"), headers=EVENTS)
        problem: dict[str, Any] = answer.json()
        assert (422, "urn:progress-broker:problem:invalid-cursor") == (
            answer.status,
            problem["type"],
        )
        assert "after='garbage'" in problem["detail"]


async def test_what_is_malformed_behind_the_end_does_not_make_it_go_on(tmp_path: Path) -> None:
    """It is shown to nobody, so nobody could ever say that he has seen it."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), completed(), b"bad", b"worse")
        for view in ("state", "events"):
            seen = await watch(b.url, "r1", view)
            async with stream(b.url, "r1", view, last_id=seen.last_id) as again:
                assert 204 == again.status
        await b.publish("r1", {"type": "lab.closed"})
        await b.snapshot("r1")  # it has arrived
        seen = await watch(b.url, "r1", "events", seen)
        assert "lab.closed" == seen.events[-1]["type"]


@pytest.mark.parametrize("view", ["state", "events"])
async def test_a_watcher_of_the_end_is_told_to_stop_after_something_malformed(
    tmp_path: Path, view: str
) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        viewer = Viewer()
        async with stream(b.url, "r1", view) as frames:
            viewer.take_all(await frames.until("hello"))
            await b.publish("r1", completed())
            viewer.take_all(await frames.rest())
        [bad] = await b.publish("r1", b"bad")

        async def known() -> bool:
            return bool((await b.snapshot("r1"))["cursor"].endswith(f"-{bad}"))

        await until(known)
        async with stream(b.url, "r1", view, last_id=viewer.last_id) as again:
            assert 204 == again.status


async def test_a_cursor_older_than_what_is_kept_gets_a_snapshot(tmp_path: Path) -> None:
    """What came after it is not all there any more, so the client is told to begin anew."""
    async with broker(tmp_path) as here, gateway(here.nats.url) as other:
        await here.publish("r1", *short_run())
        whole = await watch(here.url, "r1", "events")
        await api(here.nats.connection, f"STREAM.PURGE.{PROGRESS}", {"seq": 11})
        for at in (5, 9, 10, 20):
            viewer = Viewer()
            viewer.last_id = whole.cursors[at - 1]
            await watch(other.url, "r1", "events", viewer)
            if at < 10:
                assert (False, 1) == (viewer.hello["resumed"], viewer.snapshots)
            else:
                assert whole.events[at:] == viewer.events
