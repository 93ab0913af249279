"""The story of a run as states, and the run as it was at any cursor: time travel."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from broker.gateway.runs.attempts import READS
from broker.stream.topology import PROGRESS, api
from tests.faults import link
from tests.gateway.runs import completed, short_run, started, step_progress, step_started
from tests.gateway.serving import Broker, broker, gateway
from tests.gateway.test_problems import is_problem
from tests.sse import PATIENCE, Answer, Wire, ask, merged, path, watch
from tests.stream.serving import nats

NDJSON = {"Accept": "application/x-ndjson"}


async def story(b: Broker, run: str = "r1") -> list[dict[str, Any]]:
    """The lines of a run."""
    answer = await b.get(path(run, "/events?view=state"), headers=NDJSON)
    assert (200, "application/x-ndjson", "no-store") == (
        answer.status,
        answer.headers["content-type"],
        answer.headers["cache-control"],
    )
    return [json.loads(line) for line in answer.body.splitlines()]


async def at(b: Broker, cursor: object, run: str = "r1", **how: Any) -> Answer:
    """The run as it was."""
    return await b.get(path(run, f"?at={cursor}"), **how)


def a_run_that_was_tried_twice() -> list[Any]:
    """With events that nobody knows, a payload that is none, and an end after an end."""
    again = {"type": "run.queued", "attempt": 2, "pipeline": "import"}
    lost = [started(), b"rubbish", step_started("fetch"), {"type": "run.failed"}]
    return [*lost, again, *({**event, "attempt": 2} for event in short_run()), completed()]


async def test_the_lines_up_to_any_cursor_are_the_state_there(tmp_path: Path) -> None:
    """And that of the last one is the snapshot."""
    async with broker(tmp_path) as b:
        await b.publish("r1", *a_run_that_was_tried_twice())
        snapshot = await b.snapshot("r1")
        events = (await watch(b.url, "r1", "events")).events
        lines = await story(b)
        assert [(event["cursor"], event["type"]) for event in events] == [
            (line["cursor"], line["type"]) for line in lines
        ]
        state: Any = None
        for line in lines:
            state = merged(state, line["patch"])
            assert {"cursor", "type", "time", "patch"} == line.keys()
            assert state == (await at(b, line["cursor"])).json()
        assert snapshot == state


async def test_between_two_events_the_earlier_one_counts(tmp_path: Path) -> None:
    """Sequences are of all runs; those of others, and of the future, lie between and behind."""
    async with broker(tmp_path) as b:
        [first] = await b.publish("r1", started())
        await b.publish("other", *short_run())
        [second] = await b.publish("r1", step_started("fetch"))
        state = await b.snapshot("r1")
        epoch = state["cursor"].split("-")[0]
        between = await at(b, f"{epoch}-{second - 1}")
        assert f"{epoch}-{first}" == between.json()["cursor"]
        assert f'"{epoch}-{first}"' == between.headers["etag"]
        for seq in (second, second + 1, 2**63):
            answer = await at(b, f"{epoch}-{seq}")
            assert (state, "max-age=1") == (answer.json(), answer.headers["cache-control"])


async def test_a_moment_is_read_once_and_then_kept(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", *short_run())
        cursor = (await story(b))[5]["cursor"]
        one, two = await at(b, cursor), await at(b, cursor)
        assert (one.body, "max-age=60") == (two.body, two.headers["cache-control"])
        for outcome in ("folded", "kept"):
            assert 1 == await b.metric("attempt_snapshots_total", outcome=outcome)
        answer = await at(b, cursor, headers={"If-None-Match": one.headers["etag"]})
        assert (304, b"") == (answer.status, answer.body)


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "7", "e-", "e-1x", "%00-1", "%F0%9F-1", "9" * 5000]
)
async def test_what_is_no_cursor_is_refused(tmp_path: Path, text: str) -> None:
    """So is one of another stream."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        for cursor in (text, "abc-1"):
            answer = await at(b, cursor)
            assert is_problem(answer, 422, "invalid-cursor")
            assert answer.json()["detail"].startswith("at=")


async def test_what_cannot_be_asked_together(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        cursor = (await b.snapshot("r1"))["cursor"]
        for query in (f"?at={cursor}&attempt=1", "/events?view=state&after=" + cursor):
            answer = await b.get(path("r1", query), headers=NDJSON)
            assert is_problem(answer, 422, "invalid-request")
        answer = await b.get(path("r1", "/events?view=nothing"), headers=NDJSON)
        assert is_problem(answer, 422, "invalid-request")
        answer = await at(b, cursor + "&wait=30")
        assert 200 == answer.status


async def test_where_nothing_was_yet(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("other", started())
        await b.publish("r1", started())
        epoch = (await b.snapshot("r1"))["cursor"].split("-")[0]
        assert is_problem(await at(b, f"{epoch}-1"), 404, "moment-not-found")
        assert is_problem(await at(b, f"{epoch}-1", "nobody"), 404, "run-not-found")
        answer = await b.get(path("nobody", "/events?view=state"), headers=NDJSON)
        assert is_problem(answer, 404, "run-not-found")


async def test_a_story_whose_beginning_has_expired_is_not_told_in_part(tmp_path: Path) -> None:
    """The present state is, and the events that are left."""
    async with broker(tmp_path) as b:
        seqs = await b.publish("r1", *short_run())
        state = await b.snapshot("r1")
        epoch = state["cursor"].split("-")[0]
        await api(b.nats.connection, f"STREAM.PURGE.{PROGRESS}", {"seq": seqs[1]})
        answer = await b.get(path("r1", "/events?view=state"), headers=NDJSON)
        assert is_problem(answer, 404, "story-not-kept")
        assert is_problem(await at(b, f"{epoch}-{seqs[9]}"), 404, "story-not-kept")
        assert state == (await at(b, state["cursor"])).json()
        left = await b.get(path("r1", "/events"), headers=NDJSON)
        assert len(seqs) - 1 == len(left.body.splitlines())


async def test_what_is_no_event_does_not_stand_for_one_that_has_expired(tmp_path: Path) -> None:
    """As many are stored as the run has had events; the story is cut, not ended."""
    async with broker(tmp_path) as b, Wire.connect(b.url) as wire:
        seqs = await b.publish("r1", *short_run(), b"rubbish")
        await b.snapshot("r1")
        await api(b.nats.connection, f"STREAM.PURGE.{PROGRESS}", {"seq": seqs[1]})
        await wire.send("GET", path("r1", "/events?view=state"), NDJSON)
        assert 200 == (await wire.answer()).status
        assert not wire.complete


async def test_nor_does_it_for_a_moment(tmp_path: Path) -> None:
    """The state there would lack what the first events said, and say nothing of that."""
    async with broker(tmp_path) as b:
        seqs = await b.publish("r1", *short_run(), b"rubbish", *short_run()[1:3])
        state = await b.snapshot("r1")
        epoch = state["cursor"].split("-")[0]
        assert 200 == (await at(b, f"{epoch}-{seqs[4]}")).status
        await api(b.nats.connection, f"STREAM.PURGE.{PROGRESS}", {"seq": seqs[1]})
        for seq in (seqs[1], seqs[3], seqs[-2]):
            assert is_problem(await at(b, f"{epoch}-{seq}"), 404, "story-not-kept")
        assert state == (await at(b, state["cursor"])).json()


@pytest.mark.parametrize("module", ["endpoints.states", "runs.attempts"])
async def test_nor_does_an_event_that_comes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """What a run has had is counted up to where it stood when it was asked for."""
    async with broker(tmp_path) as b, Wire.connect(b.url) as wire:
        seqs = await b.publish("r1", *short_run(), b"rubbish")
        cursor = (await b.snapshot("r1"))["cursor"]
        await api(b.nats.connection, f"STREAM.PURGE.{PROGRESS}", {"seq": seqs[1]})

        async def meanwhile(*counted: object) -> None:
            await b.publish("r1", {"type": "run.heartbeat"})

        monkeypatch.setattr(f"broker.gateway.{module}.require_whole", meanwhile)
        if module == "runs.attempts":
            answer = await at(b, f"{cursor.split('-')[0]}-{seqs[3]}")
            assert is_problem(answer, 404, "story-not-kept")
        else:
            await wire.send("GET", path("r1", "/events?view=state"), NDJSON)
            assert 200 == (await wire.answer()).status
            assert not wire.complete


async def test_while_nats_is_away_what_is_kept_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, whoever waits for what is not; and these are told before long."""
    monkeypatch.setattr("broker.stream.replay.COUNTING", 2.0)
    async with nats(tmp_path) as server, link(server.url) as way, gateway(way.url) as started_one:
        b = Broker(started_one, server)
        await b.publish("r1", *short_run())
        epoch, head = (await b.snapshot("r1"))["cursor"].split("-")
        kept = await at(b, f"{epoch}-{int(head) - 1}")
        await way.close()
        async with asyncio.timeout(PATIENCE / 2):
            waiting = [asyncio.create_task(at(b, f"{epoch}-{seq}")) for seq in range(1, READS + 1)]
            await asyncio.wait(waiting, timeout=0.1)  # so that all have begun to read
            assert kept.body == (await at(b, f"{epoch}-{int(head) - 1}")).body
            assert not any(task.done() for task in waiting)
            for task in waiting:
                assert is_problem(await task, 503, "stream-unavailable")


async def test_a_long_story_lets_others_have_their_turn(tmp_path: Path) -> None:
    """Ten thousand events of five thousand steps: it waits for who reads it, and nobody for it."""
    plan = [{"step": f"s{n}"} for n in range(5_000)]
    async with broker(tmp_path, high_water=4096) as b:
        await b.publish("r1", {"type": "run.started", "plan": plan})
        for begin in range(0, 5_000, 500):
            steps = range(begin, begin + 500)
            await b.publish("r1", *(step_progress(f"s{n}", 1) for n in steps))
            await b.publish("r1", *(step_progress(f"s{n}", 2) for n in steps))
        last = (await b.snapshot("r1"))["cursor"]
        async with Wire.connect(b.url, receive_buffer=4096) as wire:
            await wire.send("GET", path("r1", "/events?view=state"), NDJSON)
            status, headers = await wire.head()
            pieces = wire.pieces(headers)
            text = await anext(pieces)
            assert 200 == status

            async def turns() -> int:
                answered = 0
                while not done.is_set():
                    assert 200 == (await ask(b.url, "/healthz")).status
                    answered += 1
                return answered

            done = asyncio.Event()
            others = asyncio.create_task(turns())
            rest = b"".join([piece async for piece in pieces])
            done.set()
            assert await others > 10
            lines = (text + rest).splitlines()
            assert (10_001, last) == (len(lines), json.loads(lines[-1])["cursor"])


async def test_an_event_that_takes_long_is_alone_in_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To begin a run of thousands of steps again does: then every other is served before the next
    such event. However it is cut, the story is the same."""
    async with broker(tmp_path) as b:
        await b.publish("r1", *[b"rubbish"] * 3, *a_run_that_was_tried_twice())
        lines = await story(b)
        monkeypatch.setattr("broker.gateway.endpoints.states.AT_ONCE", 0.0)
        assert lines == await story(b)
        async with Wire.connect(b.url) as wire:
            await wire.send("GET", path("r1", "/events?view=state"), NDJSON)
            _, headers = await wire.head()
            pieces = [piece async for piece in wire.pieces(headers)]
        assert [json.loads(piece) for piece in pieces] == lines
