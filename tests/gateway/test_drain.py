"""A gateway that is told to stop sends its clients away one after another, and stops."""

import asyncio
import signal
from collections import Counter
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.gateway.process import serving
from tests.gateway.runs import completed, started, step_progress
from tests.gateway.serving import gateway
from tests.sse import Stream, Viewer, Wire, ask, path, stream, watch
from tests.stream.serving import Nats, nats

EVENTS = {"Accept": "text/event-stream"}
STREAMS = 80


async def opened(stack: AsyncExitStack, url: str, count: int) -> list[Stream]:
    """Streams of both views, each past its first frames."""
    streams = []
    for number in range(count):
        view, first = (("state", "snapshot"), ("events", "run.started"))[number % 2]
        frames = await stack.enter_async_context(stream(url, "r1", view))
        await frames.until(first)
        streams.append(frames)
    return streams


async def end_of(frames: Stream) -> float:
    """Wait for the end of a stream; gives when that was."""
    await frames.rest()
    return asyncio.get_running_loop().time()


def most_at_once(moments: Iterable[float], window: float) -> int:
    """How many of the moments fall together at most."""
    return max(Counter(int(moment / window) for moment in moments).values())


async def refuses(url: str) -> None:
    """It takes no stream, and says so; what is known it still tells."""
    ready = await ask(url, "/readyz")
    assert (503, "the gateway is stopping") == (ready.status, ready.json()["reason"])
    answer = await ask(url, path("r1", "/events"), headers=EVENTS)
    assert (503, "urn:progress-broker:problem:draining") == (answer.status, answer.json()["type"])
    assert int(answer.headers["retry-after"]) >= 1
    assert 200 == (await ask(url, path("r1"))).status
    assert 200 == (await ask(url, "/healthz")).status


async def test_streams_end_one_after_another(tmp_path: Path) -> None:
    """Neither do they end together, nor do they come back together; none is cut."""
    seconds = 3.0
    async with (
        nats(tmp_path) as server,
        gateway(server.url) as here,
        AsyncExitStack() as stack,
        asyncio.TaskGroup() as group,
    ):
        await server.publish("r1", started())
        streams = await opened(stack, here.url, STREAMS)
        began = asyncio.get_running_loop().time()
        draining = group.create_task(here.drain.run(seconds))
        await asyncio.sleep(0)
        await refuses(here.url)
        ends = await asyncio.gather(*[end_of(frames) for frames in streams])
        await draining
        assert all(frames.complete for frames in streams)
        assert asyncio.get_running_loop().time() - began < seconds + 1.5
        assert min(ends) - began < seconds / 2 < max(ends) - began < seconds + 1
        assert most_at_once(ends, 0.5) < STREAMS / 2
        retries = [frames.retry for frames in streams if frames.retry is not None]
        assert STREAMS == len(retries)
        assert 1000 <= min(retries) < 2000 < 4000 < max(retries) <= 5000
        assert len(set(retries)) > STREAMS / 2
        back = [end + retry / 1000 for end, retry in zip(ends, retries, strict=True)]
        assert most_at_once(back, 0.1) < STREAMS / 6


async def test_a_kept_connection_ends_with_the_refusal(tmp_path: Path) -> None:
    """A proxy keeps some: who tries again over the same one would be refused again."""
    async with nats(tmp_path) as server, gateway(server.url) as here:
        await server.publish("r1", started())
        async with (
            stream(here.url, "r1"),
            Wire.connect(here.url) as kept,
            asyncio.TaskGroup() as group,
        ):
            await kept.send("GET", path("r1"))
            assert 200 == (await kept.answer()).status
            draining = group.create_task(here.drain.run(3600))
            await asyncio.sleep(0)
            await kept.send("GET", path("r1", "/events"), EVENTS)
            refusal = await kept.answer()
            assert (503, "close") == (refusal.status, refusal.headers["connection"])
            assert b"" == await kept.reader.read()
            draining.cancel()


@pytest.mark.parametrize(("view", "first"), [("state", "snapshot"), ("events", "run.started")])
async def test_a_drained_client_goes_on_elsewhere(tmp_path: Path, view: str, first: str) -> None:
    """What happens while it changes over is not lost."""
    viewer = Viewer()
    async with nats(tmp_path) as server, gateway(server.url) as here, gateway(server.url) as other:
        await server.publish("r1", started())
        async with stream(here.url, "r1", view) as frames, asyncio.TaskGroup() as group:
            viewer.take_all(await frames.until(first))
            group.create_task(here.drain.run(0.1))
            viewer.take_all(await frames.rest())
        await server.publish("r1", step_progress("fetch", 1), completed())
        await watch(other.url, "r1", view, viewer)
        if view == "state":
            assert (await ask(other.url, path("r1"))).json() == viewer.state
        else:
            assert ["run.started", "step.progress", "run.completed"] == [
                event["type"] for event in viewer.events
            ]


async def test_without_streams_it_is_done_at_once(tmp_path: Path) -> None:
    async with nats(tmp_path) as server, gateway(server.url) as here, asyncio.timeout(5):
        await here.drain.run(3600)


@pytest.mark.parametrize("stalled", [False, True])
async def test_sigterm(tmp_path: Path, stalled: bool) -> None:
    """Not ready at once, streams ended in time, exit code 0; who does not read cannot hold it."""
    async with (
        nats(tmp_path / "nats") as server,
        serving(tmp_path, server.url, drain_seconds=2) as process,
        AsyncExitStack() as stack,
    ):
        url = await process.listens()
        await server.publish("r1", started())
        streams = await opened(stack, url, 20)
        if stalled:
            await stall(stack, url, server)
        began = asyncio.get_running_loop().time()
        process.tell(signal.SIGTERM)
        await until_not_ready(url)
        await refuses(url)
        await asyncio.gather(*[end_of(frames) for frames in streams])
        assert all(frames.complete for frames in streams)
        assert all(frames.retry is not None for frames in streams)
        assert 0 == await process.ended()
        took = asyncio.get_running_loop().time() - began
        assert took < 6
        assert "Traceback" not in process.log


async def stall(stack: AsyncExitStack, url: str, server: Nats) -> None:
    """Someone opens a stream with more than its socket holds, and does not read."""
    for n in range(40):
        await server.publish("r1", step_progress("fetch", n, 40, message="x" * 100_000))
    frames = await stack.enter_async_context(stream(url, "r1", "events", receive_buffer=4096))
    assert 200 == frames.status


async def until_not_ready(url: str) -> None:
    async with asyncio.timeout(5):
        while (await ask(url, "/readyz")).status == 200:
            pass


async def test_a_second_sigterm_ends_it_at_once(tmp_path: Path) -> None:
    async with (
        nats(tmp_path / "nats") as server,
        serving(tmp_path, server.url, drain_seconds=600) as process,
        AsyncExitStack() as stack,
    ):
        url = await process.listens()
        await server.publish("r1", started())
        streams = await opened(stack, url, 4)
        process.tell(signal.SIGTERM)
        await until_not_ready(url)
        process.tell(signal.SIGTERM)
        assert 0 == await process.ended(8)
        await asyncio.gather(*[end_of(frames) for frames in streams])
        assert all(frames.complete and frames.retry for frames in streams)


async def test_sigint_does_not_wait(tmp_path: Path) -> None:
    """Ctrl-C."""
    async with (
        nats(tmp_path / "nats") as server,
        serving(tmp_path, server.url, drain_seconds=600) as process,
        AsyncExitStack() as stack,
    ):
        url = await process.listens()
        await server.publish("r1", started())
        [frames] = await opened(stack, url, 1)
        process.tell(signal.SIGINT)
        assert 0 == await process.ended(8)
        await frames.rest()
        assert frames.complete


async def test_a_held_request_does_not_hold_the_process(tmp_path: Path) -> None:
    """Although it might wait for a minute."""
    async with (
        nats(tmp_path / "nats") as server,
        serving(tmp_path, server.url, drain_seconds=1) as process,
    ):
        url = await process.listens()
        await server.publish("r1", started())
        cursor = (await ask(url, path("r1"))).json()["cursor"]
        async with Wire.connect(url) as wire:
            await wire.send("GET", path("r1", f"?wait=60&after={cursor}"))
            assert 200 == (await ask(url, "/healthz")).status
            process.tell(signal.SIGTERM)
            answer = await wire.answer()
            assert (200, cursor) == (answer.status, answer.json()["cursor"])
            assert 0 == await process.ended(8)
