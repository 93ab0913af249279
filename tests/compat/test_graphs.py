"""The graphs' interface over HTTP: loading, executing, watching, and coming back."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.compat.executing import (
    JSON,
    attached,
    began,
    executing,
    loaded,
    node,
    post,
    steps,
)
from tests.faults import link
from tests.gateway.commanding import given, jobs, types
from tests.gateway.serving import Broker, broker, gateway
from tests.sse import PATIENCE, Frame, Stream, Wire

PREFIXES = ("/api", "")


def short(frames: list[Frame]) -> list[str]:
    assert {"message"} >= {frame.event for frame in frames}
    return [f"{f.data['type']} {f.data.get('node_id', '')}".strip() for f in frames]


ALL = [
    "start",
    "node_start fetch",
    "node_complete fetch",
    "node_start clean",
    "node_complete clean",
    "node_start fit",
    "node_complete fit",
    "complete",
]


async def taken(frames: Stream, count: int) -> list[Frame]:
    """The next so many frames."""
    found = [await frames.next() for _ in range(count)]
    return [frame for frame in found if frame is not None]


async def complete(b: Broker, graph: str, run: str) -> None:
    """Have a run go by."""
    await b.publish(run, began(graph), *steps("fetch", "clean", "fit"), {"type": "run.completed"})


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_graph_is_loaded_shown_and_listed(tmp_path: Path, prefix: str) -> None:
    async with broker(tmp_path) as b:
        body = {"file_path": "../backend/graph_2.py", "graph_name": "Test", "description": "A test"}
        answer = await post(b.url, f"{prefix}/graphs/load", body)
        assert 200 == answer.status
        graph = answer.json()
        assert body == {name: graph[name] for name in body}
        assert (graph["id"], graph["name"]) == (graph["graph_id"], graph["graph_name"])
        assert graph == (await b.get(f"{prefix}/graphs/{graph['id']}")).json()
        assert {"graphs": [graph]} == (await b.get(f"{prefix}/graphs")).json()


async def test_a_graph_that_is_loaded_again_has_the_same_id(tmp_path: Path) -> None:
    """Its description may be another; the same file under another name is another graph."""
    async with broker(tmp_path) as b:
        first = await loaded(b.url)
        body = {"file_path": "graph.py", "graph_name": "Test", "description": "newer"}
        assert first == (await post(b.url, "/api/graphs/load", body)).json()["id"]
        assert "newer" == (await b.get(f"/api/graphs/{first}")).json()["description"]
        other = await loaded(b.url, name="Other")
        listed = (await b.get("/api/graphs")).json()["graphs"]
        assert [first, other] == [graph["id"] for graph in listed]


async def test_a_graph_without_a_name_is_called_as_its_file(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        answer = await post(b.url, "/api/graphs/load", {"file_path": "../backend/graph_2.py"})
        assert ("graph_2", None) == (answer.json()["name"], answer.json()["description"])


async def test_every_gateway_knows_what_one_has_loaded(tmp_path: Path) -> None:
    async with broker(tmp_path) as b, gateway(b.nats.url) as other:
        graph = await loaded(b.url)
        async with executing(other.url, graph) as frames:
            assert 200 == frames.status
            run = frames.headers["x-execution-id"]
            await complete(b, graph, run)
            assert ALL == short(await frames.rest())
        async with attached(b.url, graph, run) as frames:
            assert ALL == short(await frames.rest())


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_an_execution_is_streamed_as_the_answer_to_its_request(
    tmp_path: Path, prefix: str
) -> None:
    """The headers are those that streams need, and name the run."""
    async with broker(tmp_path) as b:
        graph = await loaded(b.url)
        state = {"initial_state": {"text": "größe", "nothing": None}}
        async with executing(b.url, graph, state, prefix=prefix) as frames:
            assert 200 == frames.status
            assert frames.headers["content-type"].startswith("text/event-stream")
            assert "no-store, no-transform" == frames.headers["cache-control"]
            assert "no" == frames.headers["x-accel-buffering"]
            run = frames.headers["x-execution-id"]
            stream = f"{prefix}/graphs/{graph}/executions/{run}/stream"
            assert stream == frames.headers["content-location"]
            [job] = await jobs(b, "graphs")
            asked = {"graph_id": graph, "file_path": "graph.py", "graph_name": "Test"}
            assert (run, asked | state) == (job["run"], job["inputs"])
            await complete(b, graph, run)
            found = await frames.rest()
            assert frames.complete
        assert ALL == short(found)
        start = found[0].data
        assert (run, graph, 3) == (start["execution_id"], start["graph_id"], start["total_nodes"])
        assert [[], ["fetch"], ["clean"]] == [known["after"] for known in start["nodes"]]
        assert {None} == {frame.id for frame in found}


async def test_while_nobody_works_on_it_a_comment_comes_at_once(tmp_path: Path) -> None:
    """`start` says that it has started; the run is known by the header before."""
    async with broker(tmp_path) as b:
        graph = await loaded(b.url)
        async with executing(b.url, graph) as frames:
            await frames.comment()
            run = frames.headers["x-execution-id"]
            assert "queued" == (await b.snapshot(run))["status"]
            await b.publish(run, {"type": "run.started"})
            [frame] = await taken(frames, 1)
            assert run == frame.data["execution_id"]


async def test_a_client_that_takes_frames_apart_at_blank_lines_misses_none(tmp_path: Path) -> None:
    """What `fetch` clients do: a heartbeat must not hide the frame after it."""
    async with broker(tmp_path, heartbeat=0.1) as b:
        graph = await loaded(b.url)
        async with Wire.connect(b.url) as wire:
            await wire.send("POST", f"/api/graphs/{graph}/execute/stream", JSON, b"{}")
            _, headers = await wire.head()
            pieces = wire.pieces(headers)
            text = b""
            async with asyncio.timeout(PATIENCE):
                while text.count(b":") < 3:  # that it is queued, then heartbeats
                    text += await anext(pieces)
                await complete(b, graph, headers["x-execution-id"])
                text += b"".join([piece async for piece in pieces])
        blocks = text.decode().split("\n\n")
        told = [json.loads(block[6:]) for block in blocks if block.startswith("data: ")]
        assert [name.split()[0] for name in ALL] == [frame["type"] for frame in told]
        assert {"", ":"} == {block for block in blocks if not block.startswith("data: ")}


async def test_the_run_goes_on_when_its_client_leaves(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        graph = await loaded(b.url)
        async with executing(b.url, graph) as frames:
            run = frames.headers["x-execution-id"]
            await b.publish(run, began(graph), node("fetch", "started"))
            assert ["start"] == short(await taken(frames, 1))
        assert 1 == len(await jobs(b, "graphs"))
        state = await b.snapshot(run)
        assert ("running", {}) == (state["status"], state.get("commands", {}))
        async with attached(b.url, graph, run) as frames:
            await b.publish(run, node("fetch", "completed"), {"type": "run.completed"})
            found = await frames.rest()
        assert ["start", "node_start fetch", "node_complete fetch", "complete"] == short(found)


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_an_execution_may_be_asked_for_without_watching_it(
    tmp_path: Path, prefix: str
) -> None:
    async with broker(tmp_path) as b:
        graph = await loaded(b.url)
        answer = await post(b.url, f"{prefix}/graphs/{graph}/execute", b"")
        assert 202 == answer.status
        said = answer.json()
        run, stream = said["execution_id"], said["stream_url"]
        assert (graph, "queued") == (said["graph_id"], said["status"])
        assert stream == answer.headers["location"]
        [job] = await jobs(b, "graphs")
        assert (run, {}) == (job["run"], job["inputs"]["initial_state"])
        await complete(b, graph, run)
        async with Wire.connect(b.url) as wire:
            await wire.send("GET", stream)
            assert 200 == (await wire.head())[0]


async def test_the_same_request_with_the_same_key_starts_nothing_more(tmp_path: Path) -> None:
    """A client that was cut off can ask again, and gets the same execution; of this graph."""
    async with broker(tmp_path) as b:
        graph, other = await loaded(b.url), await loaded(b.url, name="Other")
        runs = []
        for asked in (graph, graph, other):
            async with executing(b.url, asked, **{"Idempotency-Key": "k"}) as frames:
                runs.append(frames.headers["x-execution-id"])
        assert runs[0] == runs[1] != runs[2]
        assert 2 == len(await jobs(b, "graphs"))


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_who_comes_late_gets_what_there_was_so_far(tmp_path: Path, prefix: str) -> None:
    async with broker(tmp_path) as b:
        graph = await loaded(b.url)
        await b.publish("r1", began(graph), *steps("fetch"), node("clean", "started"))
        async with attached(b.url, graph, "r1", prefix=prefix) as frames:
            assert 200 == frames.status
            await b.publish("r1", node("clean", "completed", outputs={"rows": 3}, duration=2.5))
            await b.publish("r1", *steps("fit"), {"type": "run.completed"})
            found = await frames.rest()
        assert ALL == short(found)
        assert ({"rows": 3}, 2.5) == (found[4].data["result"], found[4].data["duration"])


async def test_event_source_goes_on_where_it_was(tmp_path: Path) -> None:
    """While others watch, with the frames after its cursor; and at the end it is told to stop."""
    async with (
        broker(tmp_path) as b,
        link(b.url.replace("http:", "nats:")) as way,
    ):
        graph = await loaded(b.url)
        await b.publish("r1", began(graph), node("fetch", "started"))
        url = way.url.replace("nats:", "http:")
        async with attached(b.url, graph, "r1") as other:
            async with attached(url, graph, "r1") as frames:
                seen = await taken(frames, 2)
                await b.publish("r1", node("fetch", "completed"))
                seen += await taken(frames, 1)
                way.cut()
                assert [] == await frames.rest()
                assert not frames.complete
            last = {"Last-Event-ID": str(seen[-1].id)}
            await b.publish("r1", *steps("clean", "fit"))
            async with attached(url, graph, "r1", headers=last) as frames:
                await b.publish("r1", {"type": "run.completed"})
                seen += await frames.rest()
            assert ALL == short(seen) == short(await other.rest())
        last = {"Last-Event-ID": str(seen[-1].id)}
        async with attached(url, graph, "r1", headers=last) as frames:
            assert 204 == frames.status


async def test_what_comes_after_the_end_brings_nobody_back(tmp_path: Path) -> None:
    """Who has the end is told to stop, whatever a producer still says."""
    async with broker(tmp_path) as b:
        graph = await loaded(b.url)
        await b.publish("r1", began(graph), {"type": "run.completed"})
        async with attached(b.url, graph, "r1") as frames:
            seen = await frames.rest()
        await b.publish("r1", {"type": "run.heartbeat"}, {"type": "step.completed", "step": "fit"})
        assert 4 == (await b.snapshot("r1"))["events"]
        last = {"Last-Event-ID": str(seen[-1].id)}
        async with attached(b.url, graph, "r1", headers=last) as frames:
            assert 204 == frames.status
        earlier = {"Last-Event-ID": str(seen[-1].id).rsplit("-", 1)[0] + "-1"}
        async with attached(b.url, graph, "r1", headers=earlier) as frames:
            found = short(await frames.rest())
        assert ("start", "complete") == (found[0], found[-1])


async def test_where_nobody_watched_meanwhile_it_begins_anew_with_start(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        graph = await loaded(b.url)
        await b.publish("r1", began(graph), node("fetch", "started"))
        async with attached(b.url, graph, "r1") as frames:
            last = {"Last-Event-ID": str((await taken(frames, 2))[-1].id)}
        await b.publish("r1", node("fetch", "completed"), {"type": "run.completed"})
        async with attached(b.url, graph, "r1", headers=last) as frames:
            found = await frames.rest()
        assert ["start", "node_start fetch", "node_complete fetch", "complete"] == short(found)


@pytest.mark.parametrize(
    ("end", "error"),
    [
        ({"type": "run.failed", "error": {"message": "no graph"}}, "no graph"),
        ({"type": "run.cancelled", "by": "ann"}, "cancelled"),
    ],
)
async def test_a_run_that_does_not_end_well_ends_with_an_error_of_no_node(
    tmp_path: Path, end: dict[str, Any], error: str
) -> None:
    async with broker(tmp_path) as b:
        graph = await loaded(b.url)
        async with executing(b.url, graph) as frames:
            run = frames.headers["x-execution-id"]
            await b.publish(run, began(graph), node("fetch", "started"), end)
            there = await frames.rest()
        async with attached(b.url, graph, run) as frames:
            late = await frames.rest()
        for found in (there, late):
            assert ["start", "node_start fetch", "error"] == short(found)
            assert error == found[-1].data["error"]


async def test_a_node_that_fails_does_not_end_the_stream(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        graph = await loaded(b.url)
        async with executing(b.url, graph) as frames:
            run = frames.headers["x-execution-id"]
            failed = node("fetch", "failed", error={"message": "no disk"})
            await b.publish(run, began(graph), node("fetch", "started"), failed)
            await b.publish(run, *steps("clean"), {"type": "run.completed"})
            found = await frames.rest()
        assert [
            "start",
            "node_start fetch",
            "error fetch",
            "node_start clean",
            "node_complete clean",
            "complete",
        ] == short(found)
        assert "no disk" == found[2].data["error"]
        assert {"total": 3, "completed": 1, "failed": 1, "skipped": 0} == found[-1].data["summary"]


@pytest.mark.parametrize("word", ["run.lost", "run.paused"])
async def test_a_lost_or_paused_run_shows_as_executing(tmp_path: Path, word: str) -> None:
    async with broker(tmp_path) as b:
        graph = await loaded(b.url)
        async with executing(b.url, graph) as frames:
            run = frames.headers["x-execution-id"]
            await b.publish(run, began(graph), node("fetch", "started"), {"type": word})
            async with attached(b.url, graph, run) as late:
                await b.publish(run, node("fetch", "completed"), {"type": "run.completed"})
                expected = ["start", "node_start fetch", "node_complete fetch", "complete"]
                assert expected == short(await late.rest()) == short(await frames.rest())


async def test_a_run_that_is_cancelled_while_it_waits_ends_its_stream(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        graph = await loaded(b.url)
        async with executing(b.url, graph) as frames:
            run = frames.headers["x-execution-id"]
            await given(b, run, "cancel")
            [end] = await frames.rest()
        assert ("error", "cancelled") == (end.data["type"], end.data["error"])


async def test_neither_age_nor_silence_ends_the_answer_to_a_request(tmp_path: Path) -> None:
    """Its client cannot come back; `EventSource` can, and is sent away meanwhile."""
    async with broker(tmp_path, max_age=0.1, idle_timeout=0.1, heartbeat=0.1) as b:
        graph = await loaded(b.url)
        async with executing(b.url, graph) as frames:
            run = frames.headers["x-execution-id"]
            await b.publish(run, began(graph))
            async with attached(b.url, graph, run) as other:
                assert ["start"] == short(await other.rest())
                assert other.retry is not None
            await complete(b, graph, run)
            assert ALL == short(await frames.rest())


async def test_a_gateway_that_stops_ends_the_stream_and_starts_nothing_more(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        graph = await loaded(b.url)
        async with executing(b.url, graph) as frames:
            async with asyncio.timeout(PATIENCE):
                await b.gateway.drain.run(0.1)
            assert [] == await frames.rest()
        async with executing(b.url, graph) as refused:
            assert 503 == refused.status
        assert 1 == len(await jobs(b, "graphs"))


async def test_an_execution_whose_stream_would_be_refused_is_not_started(tmp_path: Path) -> None:
    async with broker(tmp_path, streams_per_client=1) as b:
        graph = await loaded(b.url)
        async with executing(b.url, graph), executing(b.url, graph) as refused:
            assert 429 == refused.status
        assert 1 == len(await jobs(b, "graphs"))


async def test_executions_count_against_the_limits(tmp_path: Path) -> None:
    async with broker(tmp_path, ingest_rate=2) as b:
        graph = await loaded(b.url)  # the first
        answers = [await post(b.url, f"/api/graphs/{graph}/execute", {}) for _ in range(2)]
        assert [202, 429] == [answer.status for answer in answers]
        assert "ingest_rate" == answers[1].json()["limit"]
        assert 1 == len(await jobs(b, "graphs"))


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({}, "missing required field `file_path`"),
        ({"file_path": ""}, "$.file_path"),
        ({"file_path": 3}, "$.file_path"),
        ({"file_path": "a\nb.py"}, "$.file_path"),
        ({"file_path": "x" * 1025}, "$.file_path"),
        ({"file_path": "a.py", "graph_name": ["x"]}, "$.graph_name"),
        ({"file_path": "a.py", "graph_name": "a\0"}, "$.graph_name"),
        ({"file_path": "a.py", "description": 1}, "$.description"),
        ([], "Expected `object`"),
        (b"{", "the body"),
        (b'{"file_path": "\xff"}', "the body"),
    ],
)
async def test_a_graph_that_cannot_be_is_refused_by_the_name_of_its_field(
    tmp_path: Path, body: Any, complaint: str
) -> None:
    async with broker(tmp_path) as b:
        answer = await post(b.url, "/api/graphs/load", body)
        assert 422 == answer.status
        assert complaint in answer.json()["detail"]
        assert {"graphs": []} == (await b.get("/api/graphs")).json()


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"initial_state": []}, "$.initial_state"),
        ({"initial_state": "x"}, "$.initial_state"),
        ([], "Expected `object`"),
        (b"{", "the body"),
    ],
)
@pytest.mark.parametrize("what", ["execute", "execute/stream"])
async def test_a_state_that_cannot_be_is_refused_and_nothing_is_started(
    tmp_path: Path, what: str, body: Any, complaint: str
) -> None:
    async with broker(tmp_path) as b:
        graph = await loaded(b.url)
        answer = await post(b.url, f"/api/graphs/{graph}/{what}", body)
        assert 422 == answer.status
        assert complaint in answer.json()["detail"]
        assert [] == await jobs(b, "graphs")


async def test_what_nobody_knows_is_not_found(tmp_path: Path) -> None:
    """An unknown graph, an unknown run, and a run of another graph or of none."""
    async with broker(tmp_path) as b:
        graph = await loaded(b.url)
        other = await loaded(b.url, name="Other")
        await b.publish("r1", began(graph))
        await b.publish("r2", {"type": "run.started"})
        unknown = [
            await b.get("/api/graphs/nobody"),
            await post(b.url, "/api/graphs/nobody/execute", {}),
            await post(b.url, "/api/graphs/nobody/execute/stream", {}),
        ]
        for answer in unknown:
            assert 404 == answer.status
            assert "no graph 'nobody' is loaded" in answer.json()["detail"]
            assert "graph-not-found" in answer.json()["type"]
        for asked, run, why in (
            (graph, "nobody", "no events"),
            (other, "r1", "is no execution of graph"),
            (graph, "r2", "is no execution of graph"),
        ):
            answer = await b.get(f"/api/graphs/{asked}/executions/{run}/stream")
            assert 404 == answer.status
            assert why in answer.json()["detail"]
        too_long = await b.get(f"/api/graphs/{'g' * 300}")
        assert 422 == too_long.status


async def test_a_page_of_another_origin_may_execute_where_it_is_allowed(tmp_path: Path) -> None:
    page, other = "http://page.example", "http://other.example"
    async with broker(tmp_path, allowed_origins=page) as b:
        graph = await loaded(b.url)
        async with executing(b.url, graph, Origin=page) as frames:
            assert page == frames.headers["access-control-allow-origin"]
            assert "X-Execution-Id" in frames.headers["access-control-expose-headers"]
        async with executing(b.url, graph, Origin=other) as refused:
            assert 403 == refused.status
        assert 1 == len(await jobs(b, "graphs"))


async def test_an_execution_is_a_run_like_any_other(tmp_path: Path) -> None:
    """It is in the list, by its graph too, and has all of v1."""
    async with broker(tmp_path) as b:
        graph = await loaded(b.url)
        answer = await post(b.url, f"/api/graphs/{graph}/execute", {"initial_state": {"n": 1}})
        run = answer.json()["execution_id"]
        state = await b.snapshot(run)
        assert ("graphs", "Test", {"graph_id": graph}) == (
            state["pipeline"],
            state["name"],
            state["labels"],
        )
        assert ["run.queued"] == await types(b, run)
