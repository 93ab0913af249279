"""Messages of dialects by HTTP: translated and stored, all of a request or nothing of it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from broker.stream.topology import LOGS
from tests.gateway.serving import Broker, broker
from tests.gateway.tiny import TINY, say
from tests.sse import Answer, path

EVENTS = path("r1", "/events?dialect=tiny")
NDJSON = {"Content-Type": "application/x-ndjson"}


async def stored(b: Broker, run: str = "r1") -> list[dict[str, Any]]:
    return [json.loads(record.payload) for record in await b.nats.records(run)]


async def types(b: Broker, run: str = "r1") -> list[str]:
    return [event["type"] for event in await stored(b, run)]


def details(answer: Answer) -> dict[int, str]:
    """What is wrong with which message."""
    assert 422 == answer.status, answer.body
    return {error["index"]: error["detail"] for error in answer.json()["errors"]}


async def test_an_object_an_array_or_a_line_each(tmp_path: Path) -> None:
    async with broker(tmp_path, dialects=TINY) as b:
        answers = [
            await b.post(EVENTS, say("begin")),
            await b.post(EVENTS, [say("step", step="a", count=1), say("step", step="a", count=2)]),
            await b.post(EVENTS, say("nothing") + b"\n" + say("done"), headers=NDJSON),
        ]
        assert [202] * 3 == [answer.status for answer in answers]
        said = [(answer.json()["accepted"], answer.json()["stored"]) for answer in answers]
        assert [(1, 1), (2, 2), (2, 2)] == said
        snapshot = await b.snapshot("r1")
        assert snapshot["cursor"] == answers[-1].json()["last_cursor"]
        assert ("completed", "tiny", 5) == (
            snapshot["status"],
            snapshot["name"],
            snapshot["events"],
        )


async def test_what_says_nothing_is_accepted_and_stores_nothing(tmp_path: Path) -> None:
    async with broker(tmp_path, dialects=TINY) as b:
        answer = await b.post(EVENTS, say("nothing"))
        assert (202, {"accepted": 1, "stored": 0}) == (answer.status, answer.json())
        assert {} == await b.nats.subjects()


async def test_the_run_is_that_of_the_path_or_of_the_message_or_of_the_query(
    tmp_path: Path,
) -> None:
    async with broker(tmp_path, dialects=TINY) as b:
        mixed = [say("begin", run="a"), say("begin", run="b"), say("done", run="a")]
        assert 202 == (await b.post("/v1/events?dialect=tiny", mixed)).status
        assert 202 == (await b.post("/v1/events?dialect=tiny&run=c", say("begin"))).status
        assert 202 == (await b.post(EVENTS, say("begin", run="r1"))).status
        assert ["run.started", "run.progress", "run.completed"] == await types(b, "a")
        assert ["run.started"] == await types(b, "b") == await types(b, "c") == await types(b)


@pytest.mark.parametrize(
    ("target", "message", "detail"),
    [
        ("/v1/events?dialect=tiny", say("begin"), "the run id is missing"),
        ("/v1/events?dialect=tiny", say("begin", run=""), "the run id is empty"),
        ("/v1/events?dialect=tiny&run=a", say("begin", run="b"), "'b', not 'a'"),
        (EVENTS, say("begin", run="b"), "the run id in the message is 'b', not 'r1'"),
        (EVENTS, say("step"), "step: is missing"),
        (EVENTS, say("shout"), "$.say"),
        (EVENTS, say("step", step="a" * 300), "$.step"),
        (EVENTS, say("step", step="a", count=-1), "$.current"),
        (EVENTS, say("again"), "has not ended"),
        (EVENTS, say("broken"), "it cannot be read: KeyError"),
        (EVENTS, b'{"x":' + b"[" * 5000, "nested too deeply"),
        (EVENTS, b'{"x":"' + b"x" * 2**18 + b'"}', "the message is larger than"),
        (EVENTS, b'{"say":"step","step":"\xff"}', "UTF-8"),
    ],
)
async def test_a_refusal_names_the_field_and_stores_nothing(
    tmp_path: Path, target: str, message: bytes, detail: str
) -> None:
    async with broker(tmp_path, dialects=TINY) as b:
        body = say("begin", run="a" if "r1" not in target else "r1") + b"\n" + message
        answer = await b.post(target, body, headers=NDJSON)
        problems = details(answer)
        assert [1] == [*problems]
        assert detail in problems[1]
        assert {} == await b.nats.subjects()


async def test_every_bad_message_is_named_by_its_index(tmp_path: Path) -> None:
    """Also those that only the run's state tells to be bad."""
    async with broker(tmp_path, dialects=TINY) as b:
        answer = await b.post(
            EVENTS, [say("again"), say("begin"), b"7", say("done"), say("again"), say("step")]
        )
        assert [0, 2, 5] == sorted(details(answer))
        assert {} == await b.nats.subjects()


async def test_the_query_is_checked(tmp_path: Path) -> None:
    async with broker(tmp_path, dialects=TINY) as b:
        unknown = await b.post(path("r1", "/events?dialect=tinny"), say("begin"))
        assert (422, "dialect") == (unknown.status, unknown.json()["parameter"])
        assert (
            "dialect: 'tinny' is none of tidy, tiny: did you mean tiny?"
            == (unknown.json()["detail"])
        )
        twice = await b.post(path("r1", "/events?dialect=tiny&run=r2"), say("begin"))
        assert (422, "run") == (twice.status, twice.json()["parameter"])
        for body in (b"", b"[]", b"["):
            assert 422 == (await b.post(EVENTS, body)).status
        assert {} == await b.nats.subjects()


async def test_log_lines_go_to_the_logs(tmp_path: Path) -> None:
    async with broker(tmp_path, dialects=TINY) as b:
        assert 202 == (await b.post(EVENTS, [say("begin"), say("log")])).status
        only_lines = await b.post(EVENTS, say("log"))
        assert ["run.started"] == await types(b)
        assert {"logs.default.r1": 2} == await b.nats.subjects(LOGS)
        page = (await b.get(path("r1", "/logs"), headers={"Accept": "application/json"})).json()
        assert only_lines.json()["last_cursor"] == page["items"][-1]["cursor"]


async def test_a_message_is_judged_by_the_run_as_the_messages_before_it_leave_it(
    tmp_path: Path,
) -> None:
    async with broker(tmp_path, dialects=TINY) as b:
        await b.post(EVENTS, [say("begin"), say("step", step="a"), say("step", step="b")])
        answer = await b.post(EVENTS, [say("step", step="c"), say("fail"), say("again")])
        assert (3, 6) == (answer.json()["accepted"], answer.json()["stored"])
        told = await stored(b)
        failed = [event.get("step") for event in told if event["type"] == "step.failed"]
        assert ["a", "b", "c"] == failed
        assert ("run.started", 2) == (told[-1]["type"], told[-1]["attempt"])


async def test_judged_messages_sent_at_once_are_each_judged_by_what_is_stored(
    tmp_path: Path,
) -> None:
    """Of many who say that the ended run begins again, each next attempt is begun once."""
    async with broker(tmp_path, dialects=TINY) as b:
        await b.post(EVENTS, [say("begin"), say("done")])
        answers = await asyncio.gather(*(b.post(EVENTS, say("again")) for _ in range(5)))
        statuses = sorted(answer.status for answer in answers)
        assert 202 == statuses[0]
        assert {409, 422} >= set(statuses[1:])
        assert 2 == (await b.snapshot("r1"))["attempt"]


async def test_a_key_makes_a_repetition_harmless(tmp_path: Path) -> None:
    async with broker(tmp_path, dialects=TINY) as b:
        body = [say("begin"), say("step", step="a"), say("log"), say("done")]
        first, again = [
            await b.post(EVENTS, body, headers={"Idempotency-Key": "k"}) for _ in range(2)
        ]
        assert (202, 202, 5, 0) == (
            first.status,
            again.status,
            first.json()["stored"],
            again.json()["stored"],
        )
        assert first.json()["last_cursor"] == again.json()["last_cursor"]
        assert {"progress.default.r1": 4} == await b.nats.subjects()
        assert {"logs.default.r1": 1} == await b.nats.subjects(LOGS)
        other = await b.post(EVENTS, body, headers={"Idempotency-Key": "l"})
        assert 5 == other.json()["stored"]


async def test_a_judged_message_repeated_later_is_found_again(tmp_path: Path) -> None:
    """By then the run stands elsewhere, and the same words would mean something else."""
    async with broker(tmp_path, dialects=TINY) as b:
        await b.post(EVENTS, [say("begin"), say("done")])
        key = {"Idempotency-Key": "k"}
        first = await b.post(EVENTS, say("again"), headers=key)
        await b.post(EVENTS, say("done"))
        again = await b.post(EVENTS, say("again"), headers=key)
        assert [(202, 1), (202, 0)] == [(a.status, a.json()["stored"]) for a in (first, again)]
        assert 2 == (await b.snapshot("r1"))["attempt"]


async def test_messages_and_events_count_against_the_limit(tmp_path: Path) -> None:
    async with broker(tmp_path, dialects=TINY, ingest_rate=4) as b:
        assert 202 == (await b.post(EVENTS, [say("begin"), say("nothing")])).status
        refused = await b.post(EVENTS, [say("done"), say("done"), say("done")])
        assert (429, "ingest_rate") == (refused.status, refused.json()["limit"])
        assert ["run.started"] == await types(b)


async def test_messages_are_counted_by_dialect_and_outcome(tmp_path: Path) -> None:
    async with broker(tmp_path, dialects=TINY) as b:
        await b.post(EVENTS, [say("begin"), say("nothing")])
        await b.post(EVENTS, [say("begin"), say("shout"), b"7"])
        counted = [
            await b.metric("dialect_messages_total", dialect="tiny", outcome=outcome)
            for outcome in ("stored", "refused")
        ]
        assert [2, 2] == counted
