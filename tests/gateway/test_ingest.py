"""Events sent by HTTP: all of a request is stored, or nothing, and the answer says why."""

import asyncio
import json
from pathlib import Path

import pytest

from broker.gateway.endpoints import body
from broker.stream.topology import LOGS
from tests.gateway.runs import completed, started, step_progress
from tests.gateway.serving import Broker, broker
from tests.sse import Wire, path
from tests.stream.serving import Payload, key_of

MIB = 1024 * 1024


async def stored(b: Broker, run: str = "r1") -> list[str]:
    """The types of a run's stored events."""
    return [json.loads(record.payload)["type"] for record in await b.nats.records(run)]


async def test_one_event_an_array_or_a_line_each(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        lines = b'{"type":"step.completed","step":"a"}\r\n\n{"type":"run.completed"}'
        answers = [
            await b.post(path("r1", "/events"), started()),
            await b.post(path("r1", "/events"), [step_progress("a", 1), step_progress("a", 2)]),
            await b.post(
                path("r1", "/events"), lines, headers={"Content-Type": "application/x-ndjson"}
            ),
        ]
        assert [202] * 3 == [answer.status for answer in answers]
        assert [1, 2, 2] == [answer.json()["accepted"] for answer in answers]
        snapshot = await b.snapshot("r1")
        assert snapshot["cursor"] == answers[-1].json()["last_cursor"]
        assert ("completed", 5) == (snapshot["status"], snapshot["events"])


async def test_a_line_each_goes_by_several_names(tmp_path: Path) -> None:
    """None is registered, and senders use them all."""
    async with broker(tmp_path) as b:
        lines = b'{"type":"run.started"}\n{"type":"run.heartbeat"}\n'
        for name in ("x-ndjson", "ndjson", "jsonl", "x-jsonlines"):
            said = {"Content-Type": f"application/{name}; charset=utf-8"}
            answer = await b.post(path("r1", "/events"), lines, headers=said)
            assert (202, 2) == (answer.status, answer.json()["accepted"])


async def test_the_run_stands_in_the_path_or_in_the_event(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        events = [started() | {"run": "a"}, started() | {"run": "b"}, completed() | {"run": "a"}]
        assert 202 == (await b.post("/v1/events", events)).status
        assert 202 == (await b.post(path("a", "/events"), {"type": "x.y", "run": "a"})).status
        assert ["run.started", "run.completed", "x.y"] == await stored(b, "a")
        assert ["run.started"] == await stored(b, "b")

        for target, event, detail in (
            ("/v1/events", started(), 'the run id is missing: give it as the field "run"'),
            ("/v1/events", started() | {"run": 5}, "the run id is not a string"),
            ("/v1/events", started() | {"run": ""}, "the run id is empty"),
            (path("a", "/events"), started() | {"run": "b"}, "'b', not the one in the path"),
        ):
            answer = await b.post(target, event)
            assert 422 == answer.status
            assert detail in answer.json()["errors"][0]["detail"]


async def test_all_or_nothing(tmp_path: Path) -> None:
    """Each bad event is named by its index, and no good one is stored."""
    async with broker(tmp_path) as b:
        bad: list[Payload] = [
            started(),
            b'{"type":"run.progress"}',
            completed(),
            b"7",
            {"type": "run.lost"},
            {"type": "command.cancel"},
            {"type": 7},
        ]
        answer = await b.post(path("r1", "/events"), bad)
        problem = answer.json()
        assert (422, "urn:progress-broker:problem:invalid-events") == (
            answer.status,
            problem["type"],
        )
        assert "5 events are refused; nothing was stored" == problem["detail"]
        assert [1, 3, 4, 5, 6] == [error["index"] for error in problem["errors"]]
        assert "POST /v1/runs/{run}/cancel" in problem["errors"][3]["detail"]
        lines = b'{"type":"a.b"}\n{"type":"a.b","x":"\\ud800"}\n{"type":"a.b","x":"\xff"}\nx'
        ndjson = {"Content-Type": "application/x-ndjson"}
        answer = await b.post(path("r1", "/events"), lines, headers=ndjson)
        assert [1, 2, 3] == [error["index"] for error in answer.json()["errors"]]
        assert {} == await b.nats.subjects()


@pytest.mark.parametrize(
    "body", [b"", b"  ", b"[]", b"[", b"[1,", b"{", b"null", b"\xff", b"[" * 5000, b'"x"']
)
async def test_a_body_that_holds_no_event_is_refused(tmp_path: Path, body: bytes) -> None:
    async with broker(tmp_path) as b:
        answer = await b.post(path("r1", "/events"), body)
        assert (422, "application/problem+json") == (
            answer.status,
            answer.headers["content-type"].split(";")[0],
        )
        assert {} == await b.nats.subjects()


async def test_log_lines_go_to_the_logs(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        lines = {"type": "log.appended", "lines": [{"text": "hello"}]}
        assert 202 == (await b.post(path("r1", "/events"), [started(), lines])).status
        assert ["run.started"] == await stored(b)
        assert {"logs.default.r1": 1} == await b.nats.subjects(LOGS)


async def test_a_type_nobody_knows_is_stored_and_named(tmp_path: Path) -> None:
    """A typing error would otherwise be seen by nobody."""
    async with broker(tmp_path) as b:
        events = [started(), {"type": "run.complete"}, {"type": "a.b"}, {"type": "a.b"}]
        answer = await b.post(path("r1", "/events"), events)
        assert (202, ["a.b", "run.complete"]) == (answer.status, answer.json()["unknown_types"])
        assert ("running", 4) == ((s := await b.snapshot("r1"))["status"], s["events"])


async def test_an_id_sent_twice_is_stored_once(tmp_path: Path) -> None:
    """So a client may send again what it has no answer for."""
    async with broker(tmp_path) as b:
        events = [started() | {"id": "1"}, completed() | {"id": "2"}]
        answers = [await b.post(path("r1", "/events"), events) for _ in range(3)]
        assert [202] * 3 == [answer.status for answer in answers]
        assert 1 == len({answer.json()["last_cursor"] for answer in answers})
        assert ["run.started", "run.completed"] == await stored(b)


async def test_both_spellings_of_cancelled_are_one(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.post(path("r1", "/events"), [started(), {"type": "run.canceled", "by": "ann"}])
        assert ["run.started", "run.cancelled"] == await stored(b)


async def test_too_much_is_413_and_names_the_limit(tmp_path: Path) -> None:
    """Of a body, or of one event in it; nothing of either is stored."""
    async with broker(tmp_path) as b:
        large = {"type": "run.annotated", "metadata": {"x": "x" * 300 * 1024}}
        body = await b.post(path("r1", "/events"), [large] * 5)
        assert (413, "urn:progress-broker:problem:too-large", MIB) == (
            body.status,
            body.json()["type"],
            body.json()["limit"],
        )
        event = await b.post(path("r1", "/events"), [started(), large])
        assert 422 == event.status
        [error] = event.json()["errors"]
        assert 1 == error["index"]
        assert f"{256 * 1024} bytes" in error["detail"]
        assert {} == await b.nats.subjects()


async def test_the_largest_event_is_stored_with_its_id(tmp_path: Path) -> None:
    """The limit is on the event; what the server adds to it does not count."""
    async with broker(tmp_path) as b:
        head = b'{"type":"a.b","id":"%b","x":"' % (b"i" * 128)
        event = head + b"x" * (256 * 1024 - len(head) - 2) + b'"}'
        assert 202 == (await b.post(path("r1", "/events"), event)).status
        assert 422 == (await b.post(path("r1", "/events"), event[:-2] + b'x"}')).status
        assert 1 == len(await b.nats.records("r1"))


async def test_a_body_of_a_hundred_thousand_bytes_in_pieces_is_one_body(tmp_path: Path) -> None:
    """Chunked, as clients send that do not know the length."""
    async with broker(tmp_path) as b, Wire.connect(b.url) as wire:
        event = b'{"type":"run.annotated","metadata":{"x":"' + b"x" * 100_000 + b'"}}'
        await wire.send("POST", path("r1", "/events"), {"Transfer-Encoding": "chunked"})
        for begin in range(0, len(event), 9999):
            piece = event[begin : begin + 9999]
            wire.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await wire.writer.drain()
        wire.writer.write(b"0\r\n\r\n")
        assert 202 == (await wire.answer()).status


async def test_a_body_that_stalls_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "BODY_TIMEOUT", 0.2)
    async with broker(tmp_path) as b, Wire.connect(b.url) as wire:
        await wire.send("POST", path("r1", "/events"), {"Content-Length": "100"})
        answer = await wire.answer()
        assert 422 == answer.status
        assert "the body did not arrive in 0.2 s" == answer.json()["detail"]


async def test_a_client_that_goes_away_in_its_body_does_no_harm(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        for _ in range(5):
            async with Wire.connect(b.url) as wire:
                await wire.send("POST", path("r1", "/events"), {"Content-Length": "100"})
        assert 202 == (await b.post(path("r1", "/events"), started())).status
        assert ["run.started"] == await stored(b)


async def test_a_thousand_events_in_a_body_keep_their_order(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        events = [{"type": "run.progress", "current": n} for n in range(5000)]
        async with asyncio.timeout(20):
            answer = await b.post(path("r1", "/events"), events)
        assert (202, 5000) == (answer.status, answer.json()["accepted"])
        records = await b.nats.records("r1")
        assert list(range(5000)) == [json.loads(record.payload)["current"] for record in records]
        assert {key_of("r1").subject: 5000} == await b.nats.subjects()


async def test_a_broken_character_in_an_array_is_named_by_its_index(tmp_path: Path) -> None:
    """The array as a whole is no JSON; its elements are looked at one by one."""
    async with broker(tmp_path) as b:
        good = b'{"type":"a.b"}'
        for bad in (b'{"type":"a.b","x":"\\ud800"}', b'{"type":"a.b","x":}', b"x", b""):
            body = b"[" + b",".join([good, bad, good]) + b"]"
            answer = await b.post(path("r1", "/events"), body)
            assert (422, [1]) == (
                answer.status,
                [error["index"] for error in answer.json()["errors"]],
            )
        assert {} == await b.nats.subjects()
