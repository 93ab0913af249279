"""The runner's interface over HTTP: starting, watching by frames or polls, and reading the log."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from broker.dialects.runner import LAYERS, PLAN
from broker.model.decode import encode
from broker.model.events import RunStarted
from tests.compat.commands import output_of
from tests.compat.scenarios import SCENARIOS
from tests.faults import link
from tests.gateway.commanding import jobs
from tests.gateway.lines import batch, store
from tests.gateway.serving import Broker, broker
from tests.sse import PATIENCE, Frame, Stream, Wire

PREFIXES = ("/api/runner/jobs", "/runner/jobs", "/jobs")
API = PREFIXES[0]

STARTED = encode(RunStarted(plan=PLAN))
COMPLETE = {"status": "complete", "progress": 100}

TEXT = {"type": "string"}
TEXT_OR_NULL = {"type": ["string", "null"]}
LAYER_STATUS = ["pending", "executing", "success", "failed", "skipped"]

STATUS: dict[str, Any] = {
    "required": ["status", "progress", "layers", "error"],
    "properties": {
        "status": {"enum": ["pending", "running", "completed", "failed"]},
        "progress": {"type": "number", "minimum": 0, "maximum": 1},
        "layers": {
            "items": {
                "required": ["name", "status", "duration", "error"],
                "properties": {
                    "name": TEXT,
                    "status": {"enum": LAYER_STATUS},
                    "duration": {"type": ["number", "null"]},
                    "error": TEXT_OR_NULL,
                },
            }
        },
        "error": TEXT_OR_NULL,
    },
}
FRAME: dict[str, Any] = {
    "required": ["status"],
    "additionalProperties": False,
    "properties": {
        "layer": TEXT,
        "status": {"enum": [*LAYER_STATUS, "complete"]},
        "index": {"type": "integer", "minimum": 0},
        "duration": {"type": "number"},
        "error": TEXT,
        "progress": {"type": "number", "minimum": 0, "maximum": 100},
    },
}
"""What the document says that an answer to a poll, and a frame, look like."""


def step(layer: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"step.{kind}", "step": layer, **fields}


@asynccontextmanager
async def streaming(
    url: str, run: str, what: str = "progress", prefix: str = API, **headers: str
) -> AsyncIterator[Stream]:
    """Open a stream of a run, as `EventSource` does."""
    async with Wire.connect(url) as wire:
        await wire.send("GET", f"{prefix}/{run}/{what}", {"Accept": "text/event-stream", **headers})
        status, found = await wire.head()
        yield Stream(wire, status, found, PATIENCE)


async def curl(*arguments: str) -> bytes:
    """What curl prints."""
    return await output_of("curl", "--silent", "--show-error", *arguments)


def short(frames: list[Frame]) -> list[str]:
    assert {"message"} >= {frame.event for frame in frames}
    return [f"{frame.data.get('layer', 'run')} {frame.data['status']}" for frame in frames]


async def status(b: Broker, run: str, prefix: str = API) -> Any:
    answer = await b.get(f"{prefix}/{run}/status")
    assert 200 == answer.status
    return answer.json()


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_run_is_streamed_from_its_first_layer_to_its_end(
    tmp_path: Path, prefix: str
) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", STARTED)
        async with streaming(b.url, "r1", prefix=prefix) as frames:
            assert 200 == frames.status
            assert frames.headers["content-type"].startswith("text/event-stream")
            assert "no" == frames.headers["x-accel-buffering"]
            for layer in LAYERS:
                await b.publish("r1", step(layer, "started"))
                await b.publish("r1", step(layer, "completed", duration=2.5))
            await b.publish("r1", {"type": "run.completed"})
            found = await frames.rest()
            assert frames.complete
        assert [f"{layer} {s}" for layer in LAYERS for s in ("executing", "success")] == short(
            found[:-1]
        )
        assert COMPLETE == found[-1].data
        assert list(range(7)) == [frame.data["index"] for frame in found[:-1:2]]
        assert [2.5] * 7 == [frame.data["duration"] for frame in found[1:-1:2]]


@pytest.mark.parametrize(
    ("end", "error"),
    [
        ({"type": "run.failed", "error": {"message": "no credit"}}, "no credit"),
        ({"type": "run.cancelled", "by": "ann"}, "cancelled"),
    ],
)
async def test_a_run_that_failed_ends_without_100(
    tmp_path: Path, end: dict[str, Any], error: str
) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", STARTED, step("intake", "completed"), step("pain_points", "started"))
        async with streaming(b.url, "r1") as frames:
            await b.publish("r1", end)
            there = await frames.rest()
        async with streaming(b.url, "r1") as frames:
            late = await frames.rest()
        for found in (there, late):
            assert {"status": "failed", "error": error} == found[-1].data
            assert {14} == {frame.data["progress"] for frame in found[:-1]}
        shown = await status(b, "r1")
        assert ["failed", 0.14, error] == [shown[m] for m in ("status", "progress", "error")]


@pytest.mark.parametrize("happened", ["run.lost", "run.paused"])
async def test_a_run_that_is_lost_or_paused_goes_on(tmp_path: Path, happened: str) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", STARTED, step("intake", "started"), {"type": happened})
        async with streaming(b.url, "r1") as frames:
            first = await frames.next()
            assert first is not None
            assert "running" == (await status(b, "r1"))["status"]
            await b.publish("r1", step("intake", "completed"), {"type": "run.completed"})
            assert ["intake success", "run complete"] == short(await frames.rest())


async def test_who_comes_late_gets_each_layer_that_has_begun(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        done = [step(layer, "completed", duration=1) for layer in LAYERS[:3]]
        await b.publish("r1", STARTED, *done, step(LAYERS[3], "started"))
        async with streaming(b.url, "r1") as frames:
            found = [await frames.next() for _ in range(4)]
            await b.publish("r1", {"type": "run.completed"})
            rest = await frames.rest()
        assert [*(f"{layer} success" for layer in LAYERS[:3]), f"{LAYERS[3]} executing"] == short(
            [frame for frame in found if frame is not None]
        )
        assert [COMPLETE] == [frame.data for frame in rest]


async def test_who_comes_back_goes_on_and_the_pipeline_is_not_run_again(tmp_path: Path) -> None:
    """Opening the stream once ran the pipeline: here a run has as many starts as were asked for."""
    async with broker(tmp_path) as b, link(b.url.replace("http:", "nats:")) as way:
        answer = await b.post(f"{API}/run", {"job_id": "j-1", "level": 2})
        run = answer.json()["run_id"]
        await b.publish(run, STARTED, step("intake", "started"))
        async with streaming(way.url.replace("nats:", "http:"), run) as frames:
            first = await frames.next()
            assert first is not None
            way.cut()
            assert await frames.next() is None
            assert not frames.complete
        await b.publish(run, step("intake", "completed"), step("pain_points", "started"))
        assert first.id is not None
        headers = {"Last-Event-ID": first.id}
        async with streaming(b.url, run, **headers) as frames:
            await b.publish(run, {"type": "run.completed"})
            found = await frames.rest()
        assert ["intake success", "pain_points executing", "run complete"] == short(found)
        async with streaming(b.url, run, **{"Last-Event-ID": found[-1].id or ""}) as frames:
            assert 204 == frames.status  # it has everything: EventSource comes back no more
        assert 1 == len(await jobs(b, "runner"))
        kinds = [json.loads(record.payload)["type"] for record in await b.nats.records(run)]
        assert 1 == kinds.count("run.queued")


@pytest.mark.parametrize("what", ["progress", "status", "logs"])
async def test_an_unknown_run_is_not_found(tmp_path: Path, what: str) -> None:
    async with broker(tmp_path) as b:
        for prefix in PREFIXES:
            answer = await b.get(f"{prefix}/nobody/{what}")
            assert (404, "Run not found") == (answer.status, answer.json()["error"])
            assert "application/problem+json" == answer.headers["content-type"]
            assert {"type", "title", "status", "detail"} < set(answer.json())
        assert "error" not in (await b.get("/v1/runs/nobody")).json()


async def test_a_poll_shows_every_layer_of_a_run_that_waits(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        run = (await b.post(f"{API}/run", {"job_id": "j-1", "level": 2})).json()["run_id"]
        for prefix in PREFIXES:
            shown = await status(b, run, prefix)
            del shown["x_state"]
            pending = {"status": "pending", "duration": None, "error": None}
            layers = [{"name": layer, **pending} for layer in LAYERS]
            assert {"status": "pending", "progress": 0.0, "layers": layers, "error": None} == shown


@pytest.mark.parametrize("name", SCENARIOS)
async def test_polls_and_frames_fit_the_schemas_of_the_document(tmp_path: Path, name: str) -> None:
    async with broker(tmp_path) as b:
        records = [record.payload for record in SCENARIOS[name]]
        await b.publish("r1", records[0])
        async with streaming(b.url, "r1") as frames:
            for record in records[1:]:
                await b.publish("r1", record)
                jsonschema.validate(await status(b, "r1"), STATUS)
            shown = await status(b, "r1")
            if "running" == shown["status"]:
                await b.publish("r1", {"type": "run.completed"})
            for found in await frames.rest():
                jsonschema.validate(found.data, FRAME)


async def test_a_poll_is_cheap_and_limited(tmp_path: Path) -> None:
    """An answer may be kept for a second; more than one a second is refused after a burst."""
    async with broker(tmp_path, poll_rate=0.001, poll_burst=2) as b:
        await b.publish("r1", STARTED)
        first = await b.get(f"{API}/r1/status")
        assert "max-age=1" == first.headers["cache-control"]
        headers = {"If-None-Match": first.headers["etag"]}
        assert 304 == (await b.get(f"{API}/r1/status", headers=headers)).status
        refused = await b.get(f"{API}/r1/status")
        assert 429 == refused.status
        assert refused.json()["error"] == refused.json()["detail"]
        assert int(refused.headers["retry-after"]) > 1


@pytest.mark.parametrize("content_type", [None, "text/plain;charset=UTF-8", "application/json"])
async def test_a_run_is_started_as_pages_ask_for_it(
    tmp_path: Path, content_type: str | None
) -> None:
    """`fetch` with a text as its body says that this is text/plain."""
    async with broker(tmp_path) as b:
        headers = {} if content_type is None else {"Content-Type": content_type}
        for prefix in PREFIXES:
            body = {"job_id": "j-1", "level": 2, "debug": False}
            answer = await b.post(f"{prefix}/run", body, headers=headers)
            assert 200 == answer.status
            said = answer.json()
            run = said["run_id"]
            assert {
                "run_id": run,
                "status": "pending",
                "progress_url": f"{prefix}/{run}/progress",
                "status_url": f"{prefix}/{run}/status",
                "log_stream_url": f"{prefix}/{run}/logs",
            } == said
            assert "pending" == (await b.get(said["status_url"])).json()["status"]
            state = await b.snapshot(run)
            assert ("runner", {"job_id": "j-1"}) == (state["pipeline"], state["labels"])
        asked = await jobs(b, "runner")
        assert [("runner", {"job_id": "j-1", "level": 2})] * 3 == [
            (job["pipeline"], job["inputs"]) for job in asked
        ]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "job_id"),
        (b"{}", "job_id"),
        (b'{"level":2}', "job_id"),
        (b'{"job_id":null,"level":2}', "job_id"),
        (b'{"job_id":"","level":2}', "job_id"),
        (b'{"job_id":["a"],"level":2}', "job_id"),
        (b'{"job_id":%d,"level":2}' % 10**30, "job_id"),
        (b'{"job_id":"%b","level":2}' % (b"x" * 257), "job_id"),
        (b'{"job_id":"j-1","level":"2"}', "level"),
        (b'{"job_id":"j-1","level":-1}', "level"),
        (b'{"job_id":"j-1","level":true}', "level"),
        (b"job_id=j-1&level=2", "the body"),
        (b'["j-1",2]', "the body"),
        (b'{"job_id":"\xff"}', "the body"),
    ],
)
async def test_a_bad_start_names_the_field_and_starts_nothing(
    tmp_path: Path, body: bytes, named: str
) -> None:
    async with broker(tmp_path) as b:
        answer = await b.post(f"{API}/run", body)
        assert 422 == answer.status
        assert named in answer.json()["error"]
        assert [] == await jobs(b, "runner")
        assert {} == await b.nats.subjects()


async def test_a_page_of_another_origin_starts_nothing(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        headers = {"Origin": "http://elsewhere.example", "Content-Type": "text/plain"}
        answer = await b.post(f"{API}/run", {"job_id": "j-1", "level": 2}, headers=headers)
        assert 403 == answer.status
        assert "elsewhere.example" in answer.json()["error"]
        assert [] == await jobs(b, "runner")


async def test_a_key_makes_asking_again_harmless(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        headers = {"Idempotency-Key": "click-1"}
        body = {"job_id": 7, "level": 1}
        answers = [await b.post(f"{API}/run", body, headers=headers) for _ in range(2)]
        assert 1 == len({answer.json()["run_id"] for answer in answers})
        assert [{"job_id": 7, "level": 1}] == [job["inputs"] for job in await jobs(b, "runner")]


async def test_the_log_is_streamed_from_its_beginning_as_text(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", STARTED)
        await store(b.nats, "r1", batch("LAYER 1: Intake", "2 pages"))
        printing = asyncio.ensure_future(curl("-N", f"{b.url}{API}/r1/logs"))
        await store(b.nats, "r1", batch("two\nlines"))
        await b.publish("r1", {"type": "run.completed"})
        printed = (await printing).decode()
        lines = [line for line in printed.split("\n") if line.startswith(("data:", "event:"))]
        assert [
            "data: LAYER 1: Intake",
            "data: 2 pages",
            "data: two",
            "data: lines",
            "event: end",
            "data: completed",
        ] == lines


async def test_the_log_goes_on_where_it_was(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", STARTED)
        await store(b.nats, "r1", batch("1", "2"), batch("3"))
        async with streaming(b.url, "r1", "logs") as frames:
            first = await frames.next()
        assert first is not None
        assert ("message", 1) == (first.event, first.data)
        async with streaming(b.url, "r1", "logs", **{"Last-Event-ID": first.id or ""}) as frames:
            rest = [await frames.next(), await frames.next()]
            await store(b.nats, "r1", batch("4"))
            rest.append(await frames.next())
        assert [2, 3, 4] == [frame.data for frame in rest if frame is not None]


async def test_two_who_watch_get_the_same_frames(tmp_path: Path) -> None:
    """Whatever the prefix: both are told by one hub."""
    async with broker(tmp_path) as b:
        await b.publish("r1", STARTED)
        async with streaming(b.url, "r1") as one, streaming(b.url, "r1", prefix="/jobs") as other:
            await b.publish("r1", step("intake", "started"), {"type": "run.completed"})
            assert await one.rest() == await other.rest()


async def test_a_quiet_stream_is_ended_and_goes_on(tmp_path: Path) -> None:
    """As all streams: after a time without events, in good order."""
    async with broker(tmp_path, idle_timeout=0.2) as b:
        await b.publish("r1", STARTED, step("intake", "started"))
        async with streaming(b.url, "r1") as frames:
            found = await frames.rest()
            assert frames.complete
            assert frames.retry is not None
        assert ["intake executing"] == short(found)
        async with streaming(b.url, "r1", **{"Last-Event-ID": found[0].id or ""}) as frames:
            await b.publish("r1", step("intake", "completed"), {"type": "run.completed"})
            assert ["intake success", "run complete"] == short(await frames.rest())


async def test_so_many_streams_and_no_more(tmp_path: Path) -> None:
    async with broker(tmp_path, streams_per_client=1) as b:
        await b.publish("r1", STARTED, step("intake", "started"))
        async with streaming(b.url, "r1") as frames:
            await frames.next()
            refused = await b.get(f"{API}/r1/progress")
            assert 429 == refused.status
            assert "streams_per_client" in refused.json()["error"]


async def test_pages_of_allowed_origins_may_read(tmp_path: Path) -> None:
    async with broker(tmp_path, allowed_origins="http://page.example") as b:
        await b.publish("r1", STARTED, step("intake", "started"))
        for what in ("progress", "logs", "status"):
            async with streaming(b.url, "r1", what, Origin="http://page.example") as frames:
                assert "http://page.example" == frames.headers["access-control-allow-origin"]
        preflight = await b.get(
            f"{API}/run",
            method="OPTIONS",
            headers={"Origin": "http://page.example", "Access-Control-Request-Method": "POST"},
        )
        assert "POST" in preflight.headers["access-control-allow-methods"]


async def test_the_command_that_streams(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("test-run-123", STARTED)
        url = f"{b.url}{API}/test-run-123/progress"
        printing = asyncio.ensure_future(curl("-N", "-H", "Accept: text/event-stream", url))
        await b.publish(
            "test-run-123",
            step("intake", "started"),
            step("intake", "completed", duration=2.5),
            {"type": "run.completed"},
        )
        printed = (await printing).decode()
        data = [line.removeprefix("data: ") for line in printed.split("\n") if "data: " in line]
        shown = [json.loads(each) for each in data]
        assert {"layer": "intake", "index": 0, "duration": 2.5}.items() <= shown[-2].items()
        assert "success" == shown[-2]["status"]
        assert COMPLETE == shown[-1]


async def test_the_command_that_polls(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        done = [step(layer, "completed") for layer in LAYERS[:3]]
        await b.publish("test-run-123", STARTED, *done)
        shown = json.loads(await curl(f"{b.url}{API}/test-run-123/status"))
        assert ("running", 0.43) == (shown["status"], shown["progress"])
        assert list(LAYERS) == [layer["name"] for layer in shown["layers"]]
