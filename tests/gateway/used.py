"""A gateway after a bit of everything, to look at what it counted."""

import asyncio

from tests.faults import until
from tests.gateway import lines
from tests.gateway.bundle import Page, many
from tests.gateway.lists import live
from tests.gateway.runs import completed, short_run, started
from tests.gateway.serving import Broker
from tests.gateway.test_websocket import websockets_client
from tests.sse import ask, path, stream, watch


async def use(b: Broker) -> None:
    """Write, read and watch in every way, and be refused something."""
    await b.post(path("r1", "/events"), short_run())
    await b.publish("r2", started(), b"this is no event")
    await lines.store(b.nats, "r2", lines.batch("one", "two"))
    viewer = await watch(b.url, "r1")
    await watch(b.url, "r1", "events")
    assert 204 == await _status_with_cursor(b, viewer.last_id or "")
    async with stream(b.url, "r2") as frames, many(b.url, "r1", "r2") as bundle, live(b) as listed:
        await frames.until("snapshot")
        await Page().until_cursor(bundle)
        await listed.until("snapshot")
        async with lines.live(b.url, "r2") as logged, websockets_client(b.url) as socket:
            await lines.take(logged, 2)
            await socket.say("subscribe", run="r2")
            await socket.until("snapshot")
            await socket.say("subscribe", run="r2", view="logs")
            await socket.until("log")
            async with asyncio.TaskGroup() as group:
                cursor = (await b.snapshot("r2"))["cursor"]
                page, accept = path("r2", f"/events?after={cursor}&wait=20"), "application/json"
                held = group.create_task(b.get(page, headers={"Accept": accept}))
                await until(lambda: b.metric("connections", transport="poll"))
                await b.publish("r2", completed())
            assert 200 == held.result().status
            await socket.until("end")
            await frames.rest()
    await b.get(path("r1", "/events"), headers={"Accept": "application/x-ndjson"})
    await b.get("/v1/runs")
    await b.get("/nowhere")
    await b.get("/v1/runs/unknown")
    await b.post(path("r1", "/cancel"), b"")
    await b.post("/v1/pipelines/import/runs", {})
    await b.post(path("r1", "/events"), b"x" * 2 * 1024 * 1024)
    await _until_refused(b)
    await until(lambda: b.metric("malformed_events_total"))
    await until(lambda: b.metric("stream_messages", stream="PROGRESS"))


async def _status_with_cursor(b: Broker, cursor: str) -> int:
    accept = {"Accept": "text/event-stream", "Last-Event-ID": cursor}
    return (await ask(b.url, path("r1", "/events"), headers=accept)).status


async def _until_refused(b: Broker) -> None:
    """Poll one run until that is too much."""

    async def refused() -> bool:
        return (await b.get(path("r3"))).status == 429

    await until(refused)
