"""The live stream: what its frames are, and what they add up to."""

import asyncio
from pathlib import Path

import pytest

from tests.faults import until
from tests.gateway.runs import completed, long_run, short_run, started, step_progress
from tests.gateway.serving import Broker, broker, gateway
from tests.sse import Stream, Viewer, Wire, path, stream, watch


async def test_patches_lead_from_the_first_snapshot_to_the_last(tmp_path: Path) -> None:
    """Hello, a snapshot, patches, the end; cursors stand on what carries state alone."""
    async with broker(tmp_path) as b:
        first, *others = short_run()
        await b.publish("r1", first)
        async with stream(b.url, "r1") as frames:
            begin = await frames.until("snapshot")
            for event in others:
                await b.publish("r1", event)
            rest = await frames.rest()
            assert frames.complete
        viewer = Viewer()
        viewer.take_all([*begin, *rest])
        assert ["hello", "snapshot"] == [frame.event for frame in begin]
        assert {"patch"} == {frame.event for frame in rest[:-1]}
        assert await b.snapshot("r1") == viewer.state
        hello, end = begin[0], rest[-1]
        assert ("end", {"run": "r1", "status": "completed"}) == (end.event, end.data)
        assert (None, None) == (hello.id, end.id)
        assert [frame.data["cursor"] for frame in rest[:-1]] == [f.id for f in rest[:-1]]
        assert {"resumed", "head", "heartbeat", "max_age"} == hello.data.keys()
        assert (False, 15) == (hello.data["resumed"], hello.data["heartbeat"])
        assert 0.8 * 900 <= hello.data["max_age"] <= 900


async def test_the_headers_keep_proxies_from_holding_the_stream_back(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        async with stream(b.url, "r1") as frames:
            assert (200, "text/event-stream; charset=utf-8", "no-store, no-transform", "no") == (
                frames.status,
                frames.headers["content-type"],
                frames.headers["cache-control"],
                frames.headers["x-accel-buffering"],
            )


async def test_events_come_all_in_order_with_their_types(tmp_path: Path) -> None:
    """Stored before or published while watching: each once; a foreign type keeps its name."""
    async with broker(tmp_path) as b:
        events = short_run()
        await b.publish("r1", *events[:20])
        async with stream(b.url, "r1", "events") as frames:
            begin = await frames.until("hello")
            await b.publish("r1", *events[20:])
            rest = await frames.rest()
        assert ["hello"] == [frame.event for frame in begin]
        assert [event["type"] for event in events] == [frame.event for frame in rest[:-1]]
        for event, frame in zip(events, rest, strict=False):
            assert event | {"cursor": frame.id, "time": frame.data["time"]} == frame.data


async def test_a_type_that_looks_like_a_frame_of_ours_is_called_unknown(tmp_path: Path) -> None:
    """Nobody can publish an `end`, an `error` or a line end into the frames of others."""
    async with broker(tmp_path) as b:
        names = ["end", "snapshot", "error", "a\nid: 5", "a.b\r\n", "", "x" * 99, "lab.done"]
        await b.publish("r1", *({"type": name} for name in names), completed())
        async with stream(b.url, "r1", "events") as frames:
            found = await frames.rest()
        assert ["unknown"] * 7 + ["lab.done"] == [frame.event for frame in found[1:-2]]
        assert names == [frame.data["type"] for frame in found[1:-2]]


async def test_a_history_longer_than_the_memory_comes_from_the_stream(tmp_path: Path) -> None:
    """Three thousand events to a client that wants all, while the hub remembers a third."""
    async with broker(tmp_path) as b:
        seqs = await b.publish("r1", *long_run(3000))
        seen = await watch(b.url, "r1", "events")
        assert seqs == [int(cursor.split("-")[1]) for cursor in seen.cursors]
        assert seen.end is not None


async def test_a_long_history_joins_the_live_tail(tmp_path: Path) -> None:
    """What is published while the history is read follows it, each event once."""
    async with broker(tmp_path) as b:
        *events, last = long_run(6000)
        await b.publish("r1", *events[:3000])
        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(watch(b.url, "r1", "events")) for _ in range(3)]
            for begin in range(3000, len(events), 100):
                await b.publish("r1", *events[begin : begin + 100])
            await b.publish("r1", last)
        seqs = [record.seq for record in await b.nats.records("r1")]
        for seen in (task.result() for task in watching):
            assert seqs == [int(cursor.split("-")[1]) for cursor in seen.cursors]


async def reaches(b: Broker, value: float, metric: str, **labels: str) -> None:
    """Wait until a metric has a value."""

    async def has_it() -> bool:
        return await b.metric(metric, **labels) == value

    await until(has_it)


async def fill(b: Broker, frames: int) -> None:
    """Make more of a run than the buffers of a sleeping client take."""
    for number in range(frames):
        note = {"number": number, "text": f"{number:06}" * 10_000}
        await b.publish("r1", {"type": "run.annotated", "metadata": {"note": note}})


async def test_a_sleeper_gets_one_snapshot_for_all_it_missed(tmp_path: Path) -> None:
    """And delays nobody; when it wakes it is brought up to date, and goes on."""
    async with broker(tmp_path, high_water=4096) as b:
        await b.publish("r1", started())
        async with (
            stream(b.url, "r1", receive_buffer=4096) as sleeper,
            stream(b.url, "r1") as other,
        ):
            viewer, awake = Viewer(), Viewer()
            viewer.take_all(await sleeper.until("snapshot"))
            watching = asyncio.create_task(other.rest())
            await fill(b, 120)
            await reaches(b, 1, "clients_held")
            await b.publish("r1", step_progress("fetch", 7), completed())
            awake.take_all(await watching)
            viewer.take_all(await sleeper.rest())
        snapshot = await b.snapshot("r1")
        assert [snapshot, snapshot] == [viewer.state, awake.state]
        assert (2, 1) == (viewer.snapshots, awake.snapshots)
        assert 1 == await b.metric("conflations_total")


async def test_a_sleeper_of_events_misses_none(tmp_path: Path) -> None:
    """What it missed is read again, from memory or from the stream."""
    async with broker(tmp_path, high_water=4096) as b:
        await b.publish("r1", started())
        async with stream(b.url, "r1", "events", receive_buffer=4096, patience=30) as sleeper:
            viewer = Viewer()
            viewer.take_all(await sleeper.until("run.started"))
            await fill(b, 120)
            await reaches(b, 1, "clients_held")
            await b.publish("r1", completed())
            viewer.take_all(await sleeper.rest())
        seqs = [record.seq for record in await b.nats.records("r1")]
        assert seqs == [int(cursor.split("-")[1]) for cursor in viewer.cursors]
        assert viewer.end is not None


async def test_a_sleeper_that_never_wakes_is_let_go(tmp_path: Path) -> None:
    async with broker(tmp_path, high_water=4096, stall_timeout=1) as b:
        await b.publish("r1", started())
        async with stream(b.url, "r1", receive_buffer=4096) as sleeper:
            await sleeper.until("snapshot")
            await fill(b, 120)
            await reaches(b, 1, "streams_closed_total", reason="slow")
            await reaches(b, 0, "clients")


async def test_http_1_0_gets_the_stream_without_chunks(tmp_path: Path) -> None:
    """The end of the connection is the end of the stream."""
    async with broker(tmp_path) as b:
        await b.publish("r1", *short_run())
        async with stream(b.url, "r1", "events", version="1.0") as frames:
            assert "transfer-encoding" not in frames.headers
            found = await frames.rest()
        assert ["hello", *(e["type"] for e in short_run()), "end"] == [f.event for f in found]


async def test_quiet_streams_get_comments(tmp_path: Path) -> None:
    async with broker(tmp_path, heartbeat=0.5) as b:
        await b.publish("r1", started())
        async with stream(b.url, "r1") as frames:
            await frames.until("snapshot")
            await frames.comment()
            await frames.comment()
            await b.publish("r1", step_progress("fetch", 1))
            assert ["patch"] == [frame.event for frame in await frames.until("patch")]


async def test_old_and_idle_streams_are_ended_cleanly_and_resume(tmp_path: Path) -> None:
    """With a time to come back at that differs from client to client."""
    async with broker(tmp_path, max_age=1) as b, gateway(b.nats.url, idle_timeout=0.5) as idle:
        await b.publish("r1", started())
        for url in (b.url, idle.url):
            viewer = Viewer()
            async with stream(url, "r1") as frames:
                viewer.take_all(await frames.rest())
                assert frames.complete
                assert frames.retry is not None
                assert 1000 <= frames.retry <= 5000
            assert viewer.end is None
            async with stream(url, "r1", last_id=viewer.last_id) as frames:
                [hello] = await frames.until("hello")
            assert hello.data["resumed"]


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_many_views_of_one_run_agree(tmp_path: Path, version: str) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(watch(b.url, "r1", view, version=version))
                for view in ("state", "events") * 10
            ]
            await reaches(b, 20, "clients")
            await b.publish("r1", *short_run()[1:])
        results = [task.result() for task in tasks]
        assert [await b.snapshot("r1")] * 10 == [seen.state for seen in results[::2]]
        assert [len(short_run())] * 10 == [len(seen.events) for seen in results[1::2]]


async def test_what_a_client_sends_into_its_stream_is_of_no_interest(tmp_path: Path) -> None:
    """A second request on the connection is not answered, and does no harm."""
    async with broker(tmp_path) as b, Wire.connect(b.url) as wire:
        await b.publish("r1", started())
        await wire.send("GET", path("r1", "/events"), {"Accept": "text/event-stream"})
        status, headers = await wire.head()
        assert 200 == status
        frames = Stream(wire, status, headers, 10)
        await frames.until("snapshot")
        await wire.send("GET", path("r1"))
        await b.publish("r1", completed())
        assert "end" == (await frames.rest())[-1].event
