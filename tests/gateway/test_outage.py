"""What watchers see while NATS is away, restarted, made anew, or loses what it should have sent."""

import asyncio
import signal
from pathlib import Path

from broker.errors import StreamUnavailable
from broker.stream.connection import Connection
from broker.stream.publish import Message, publish
from broker.stream.topology import PROGRESS, StreamSettings, api, ensure
from tests.faults import killable, link, live, nothing, until
from tests.gateway.process import serving
from tests.gateway.runs import completed, started, step_progress
from tests.gateway.serving import gateway
from tests.sse import Viewer, Wire, ask, path, stream, watch
from tests.stream.serving import key_of, nats, payload_of

STEPS = 30


async def test_the_end_is_seen_although_its_message_was_lost(tmp_path: Path) -> None:
    """`run.completed` is stored, and nothing comes after it that would show the loss."""
    async with nats(tmp_path) as server, link(server.url) as way, gateway(way.url) as here:
        await server.publish("r1", started())
        async with (
            stream(here.url, "r1", "state") as states,
            stream(here.url, "r1", "events") as events,
        ):
            await states.until("snapshot")
            await events.until("run.started")
            way.loses = live()
            await server.publish("r1", completed())
            await way.lost.wait()
            async with asyncio.timeout(10):
                ends = [(await frames.rest())[-1] for frames in (states, events)]
        for end in ends:
            assert ("end", {"run": "r1", "status": "completed"}) == (end.event, end.data)


async def test_the_end_is_seen_although_the_link_broke_just_before_it(tmp_path: Path) -> None:
    async with nats(tmp_path) as server, link(server.url) as way, gateway(way.url) as here:
        await server.publish("r1", started())
        async with stream(here.url, "r1") as frames:
            await frames.until("snapshot")
            await way.close()
            await server.publish("r1", step_progress("fetch", 1), completed())
            await way.open()
            viewer = Viewer()
            viewer.state = {}
            viewer.take_all(await frames.rest())
        assert ("completed", "completed") == (viewer.state["status"], (viewer.end or {})["status"])


async def publish_run(url: str, half: asyncio.Event, restarted: asyncio.Event) -> None:
    """As a careful producer does: again until it is acknowledged, under the same id."""
    events = [started(), *(step_progress("fetch", n, STEPS) for n in range(STEPS)), completed()]
    async with Connection.connect(url, name="producer") as connection:
        for number, event in enumerate(events):
            message = Message(key_of("r1").subject, payload_of(event), f"id-{number}")
            while True:
                try:
                    async with asyncio.timeout(1):
                        await publish(connection, message)
                    break
                except (StreamUnavailable, TimeoutError):
                    await asyncio.sleep(0.05)  # NATS is away, and nothing tells when it returns
            if number == STEPS // 2:
                half.set()
                await restarted.wait()


async def test_a_server_killed_in_mid_run_and_restarted_loses_nothing(tmp_path: Path) -> None:
    """The streams to the browsers stay open all the while, and go on."""
    half, restarted = asyncio.Event(), asyncio.Event()
    state, events = Viewer(), Viewer()
    async with (
        asyncio.timeout(40),
        killable(tmp_path) as server,
        gateway(server.url, ready_grace=0) as here,
        asyncio.TaskGroup() as group,
    ):
        producing = group.create_task(publish_run(server.url, half, restarted))
        await half.wait()
        watching = [
            group.create_task(watch(here.url, "r1", "state", state, patience=30)),
            group.create_task(watch(here.url, "r1", "events", events, patience=30)),
        ]
        await until(lambda: has_clients(here.url, 2))
        await server.kill()
        await until(lambda: answers(here.url, "/readyz", 503))
        await server.start()
        restarted.set()
        await producing
        await asyncio.gather(*watching)
        assert (await ask(here.url, path("r1"))).json() == state.state
        assert ["run.started", *["step.progress"] * STEPS, "run.completed"] == [
            event["type"] for event in events.events
        ]
        assert (1, 0) == (state.snapshots, events.snapshots)


async def has_clients(url: str, count: int) -> bool:
    metrics = (await ask(url, "/metrics")).body
    return b"progress_broker_clients %.1f\n" % count in metrics


async def answers(url: str, target: str, status: int) -> bool:
    return (await ask(url, target)).status == status


async def test_a_gateway_without_nats_says_so(tmp_path: Path) -> None:
    """It is alive, it is not ready and says why, and it asks clients to come back."""
    async with (
        nats(tmp_path) as server,
        link(server.url) as way,
        gateway(way.url, ready_grace=0) as here,
    ):
        await server.publish("r1", started())
        assert 200 == (await ask(here.url, "/readyz")).status
        await way.close()
        await until(lambda: answers(here.url, "/readyz", 503))
        not_ready = (await ask(here.url, "/readyz")).json()
        assert {"status": "not ready", "reason": "NATS is not connected"} == not_ready
        assert 200 == (await ask(here.url, "/healthz")).status
        answer = await ask(here.url, path("r1"))
        assert (503, "urn:progress-broker:problem:stream-unavailable") == (
            answer.status,
            answer.json()["type"],
        )
        assert int(answer.headers["retry-after"]) >= 1
        await way.open()
        await until(lambda: answers(here.url, "/readyz", 200))
        assert 200 == (await ask(here.url, path("r1"))).status


async def test_it_is_ready_for_a_while_yet(tmp_path: Path) -> None:
    """All gateways lose NATS at once, and mostly for a moment."""
    grace = 1.0
    async with (
        nats(tmp_path) as server,
        link(server.url) as way,
        gateway(way.url, ready_grace=grace) as here,
    ):
        lost = asyncio.get_running_loop().time()
        await way.close()
        await until(lambda: shows(here.url, b"progress_broker_nats_connected 0.0"))
        assert 200 == (await ask(here.url, "/readyz")).status
        await until(lambda: answers(here.url, "/readyz", 503))
        assert asyncio.get_running_loop().time() - lost >= grace
        assert 200 == (await ask(here.url, "/healthz")).status
        await way.open()
        await until(lambda: answers(here.url, "/readyz", 200))


async def test_waiting_for_nats_costs_next_to_nothing(tmp_path: Path) -> None:
    """Nothing spins, and the log does not fill; who watches is told that the stream is alive."""
    seconds = 5.0
    async with (
        killable(tmp_path / "nats") as server,
        serving(tmp_path, server.url, heartbeat=1) as process,
    ):
        url = await process.listens()
        async with Connection.connect(server.url, name="producer") as connection:
            await publish(connection, Message(key_of("r1").subject, payload_of(started())))
        async with stream(url, "r1") as frames:
            await frames.until("snapshot")
            await server.kill()
            began = process.cpu_seconds()
            await asyncio.sleep(seconds)  # what is measured is what happens in it
            assert process.cpu_seconds() - began < 0.05 * seconds
            for _ in range(3):
                await frames.comment()
            await server.start()
            await until(lambda: shows(url, b"progress_broker_nats_connected 1.0"))
        assert len(process.log.splitlines()) < 20
        assert "Traceback" not in process.log


async def test_it_ends_in_good_order_without_nats(tmp_path: Path) -> None:
    """Although something waits to be sent."""
    async with (
        killable(tmp_path / "nats") as server,
        serving(tmp_path, server.url, drain_seconds=1) as process,
    ):
        url = await process.listens()
        async with Wire.connect(url) as wire:
            await server.kill()
            await until(lambda: shows(url, b"progress_broker_nats_connected 0.0"))
            await wire.send("POST", path("r1", "/events"), body=b'{"type":"run.started"}')
            assert 200 == (await ask(url, "/healthz")).status
            process.tell(signal.SIGTERM)
            assert 0 == await process.ended(8)
        assert "Traceback" not in process.log


async def shows(url: str, line: bytes) -> bool:
    return line in (await ask(url, "/metrics")).body


async def test_a_watched_run_is_shown_while_nats_is_away(tmp_path: Path) -> None:
    """What is known is not withheld."""
    async with (
        nats(tmp_path) as server,
        link(server.url) as way,
        gateway(way.url, ready_grace=0) as here,
    ):
        await server.publish("r1", started())
        async with stream(here.url, "r1") as frames:
            await frames.until("snapshot")
            await way.close()
            await until(lambda: answers(here.url, "/readyz", 503))
            assert "running" == (await ask(here.url, path("r1"))).json()["status"]


async def test_a_cursor_of_a_gateway_that_was_faster_is_waited_for(tmp_path: Path) -> None:
    """It is no unknown one: what this gateway has not heard of is stored, and read now."""
    async with nats(tmp_path) as server, link(server.url) as way, gateway(way.url) as here:
        first, *_ = await server.publish("r1", started())
        async with stream(here.url, "r1", "events") as others:
            await others.until("run.started")
            way.loses = live()
            seq, *_ = await server.publish("r1", step_progress("fetch", 1))
            await way.lost.wait()
            way.loses = nothing
            epoch = (await ask(here.url, path("r1"))).json()["cursor"].split("-")[0]
            async with stream(here.url, "r1", "events", last_id=f"{epoch}-{seq}") as frames:
                hello = await frames.next()
                assert hello is not None
                assert (True, f"{epoch}-{seq}") == (hello.data["resumed"], hello.data["from"])
                await server.publish("r1", completed())
                rest = await frames.rest()
        assert ["run.completed", "end"] == [frame.event for frame in rest]
        assert first < seq


async def test_after_the_stream_was_made_anew_watchers_begin_anew(tmp_path: Path) -> None:
    """Their streams end, and their cursors of the old stream get them a snapshot of the new."""
    async with nats(tmp_path) as server, link(server.url) as way, gateway(way.url) as here:
        await server.publish("r1", started(), step_progress("fetch", 9))
        viewer = Viewer()
        async with stream(here.url, "r1") as frames:
            viewer.take_all(await frames.until("snapshot"))
            await api(server.connection, f"STREAM.DELETE.{PROGRESS}")
            await ensure(server.connection, StreamSettings())
            await server.publish("r1", started(), {"type": "run.progress", "current": 1})
            way.cut()
            viewer.take_all(await frames.rest())
            assert frames.complete
            assert frames.retry is not None
        old = viewer.last_id
        async with stream(here.url, "r1", last_id=viewer.last_id) as frames:
            viewer.take_all(await frames.until("snapshot"))
        assert (False, old) == (viewer.hello["resumed"], viewer.hello["from"])
        assert 1 == viewer.state["progress"]["current"]
        assert old is not None
        assert old.split("-")[0] != viewer.state["cursor"].split("-")[0]
