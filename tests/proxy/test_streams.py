"""A stream through a reverse proxy that knows nothing of it.

The heartbeat keeps a silent stream open. Here it comes every half second and the proxies cut after
two, in place of 15 and 60: the ratio is what counts.
"""

import asyncio
import re
from pathlib import Path

import pytest

from tests.faults import until
from tests.gateway.bundle import EVENTS, target
from tests.gateway.runs import completed, started, step_progress
from tests.gateway.serving import broker
from tests.proxy.proxies import proxy
from tests.sse import PATIENCE, Stream, Wire, ask, path, stream, watch

each = pytest.mark.parametrize("name", ["nginx", "haproxy", "caddy"])


@each
async def test_every_frame_comes_at_once(tmp_path: Path, name: str) -> None:
    """No proxy waits until a buffer is full; the answer's headers forbid it."""
    async with (
        broker(tmp_path, heartbeat=600) as b,
        proxy(name, tmp_path / name, b.url) as url,
        asyncio.timeout(10),
    ):
        await b.publish("r1", started())
        async with stream(url, "r1") as frames:
            assert 200 == frames.status
            assert re.match("text/event-stream", frames.headers["content-type"])
            await frames.until("snapshot")
            for n in range(20):
                await b.publish("r1", step_progress("fetch", n + 1))
                [patch] = await frames.until("patch")
                assert n + 1 == patch.data["steps"]["fetch"]["current"]
            await b.publish("r1", completed())
            await frames.rest()
            assert frames.complete


@each
async def test_many_runs_and_a_long_session_fit_into_one_request(tmp_path: Path, name: str) -> None:
    """A thousand runs are named in one line; who asks who is there needs some KiB of cookies."""
    runs = [f"import-of-a-customer-{number:08}" for number in range(1000)]
    session = "; ".join(f"session_{part}={'x' * 3900}" for part in range(4))
    async with broker(tmp_path) as b, proxy(name, tmp_path / name, b.url) as url:
        await b.publish(runs[0], started())
        async with asyncio.timeout(20), Wire.connect(url) as wire:
            await wire.send("GET", target(*runs), {**EVENTS, "Cookie": session})
            status, headers = await wire.head()
            assert 200 == status
            await Stream(wire, status, headers, PATIENCE).until("snapshot")


@each
async def test_a_silent_stream_survives(tmp_path: Path, name: str) -> None:
    async with (
        broker(tmp_path, heartbeat=0.5) as b,
        proxy(name, tmp_path / name, b.url, idle=2) as url,
    ):
        await b.publish("r1", started())
        async with stream(url, "r1") as frames:
            await frames.until("snapshot")
            end = asyncio.ensure_future(frames.until("end"))
            await asyncio.wait([end], timeout=5)  # more than twice what the proxy allows
            assert not end.done()
            await b.publish("r1", completed())
            assert "end" == (await end)[-1].event


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
async def test_without_heartbeat_it_would_not(tmp_path: Path, name: str) -> None:
    """So that the test above shows something."""
    async with (
        broker(tmp_path, heartbeat=600) as b,
        proxy(name, tmp_path / name, b.url, idle=1) as url,
    ):
        await b.publish("r1", started())
        async with stream(url, "r1") as frames:
            await frames.until("snapshot")
            await frames.rest()
            assert not frames.complete


@each
async def test_a_client_that_goes_is_gone_for_the_gateway(tmp_path: Path, name: str) -> None:
    """At the latest with a heartbeat that cannot be delivered."""
    async with (
        broker(tmp_path, hub_ttl=0.1, heartbeat=0.5) as b,
        proxy(name, tmp_path / name, b.url) as url,
    ):
        await b.publish("r1", started())
        async with stream(url, "r1") as frames:
            await frames.until("snapshot")

        async def forgotten() -> bool:
            return await b.metric("hubs") == 0

        await until(forgotten)


@each
async def test_a_resume_and_the_end_come_through(tmp_path: Path, name: str) -> None:
    """`Last-Event-ID` goes up, 204 comes down."""
    async with broker(tmp_path) as b, proxy(name, tmp_path / name, b.url) as url:
        await b.publish("r1", started(), step_progress("fetch", 1), completed())
        whole = await watch(url, "r1", "events")
        assert 3 == len(whole.events)
        async with stream(url, "r1", "events", last_id=whole.cursors[0]) as frames:
            rest = [frame.id for frame in await frames.rest()]
        assert [None, *whole.cursors[1:], None] == rest
        async with stream(url, "r1", "events", last_id=whole.last_id) as frames:
            assert 204 == frames.status
        assert 404 == (await ask(url, path("unknown"))).status
