"""Earlier attempts stay readable."""

from pathlib import Path
from typing import Any

import pytest

from broker.stream.topology import PROGRESS, api
from tests.faults import until
from tests.gateway.runs import completed, started, step_completed, step_progress, step_started
from tests.gateway.serving import Broker, broker
from tests.sse import path

GONE_WRONG = {"type": "run.failed", "error": {"type": "OSError", "message": "disk full"}}


def attempt(number: int, *events: dict[str, Any]) -> list[dict[str, Any]]:
    """Events that say which attempt they are of."""
    return [{**event, "attempt": number} for event in events]


def first() -> list[dict[str, Any]]:
    return [started(), step_started("fetch"), step_progress("fetch", 7), GONE_WRONG]


def second() -> list[dict[str, Any]]:
    return attempt(2, started(), step_started("fetch"), step_completed("fetch"), GONE_WRONG)


async def at(b: Broker, number: object, run: str = "r1", **how: Any) -> Any:
    """One attempt, as the snapshot was when it had ended."""
    return await b.get(path(run, f"?attempt={number}"), **how)


async def test_each_attempt_is_shown_as_it_ended(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        [*_, one] = await b.publish("r1", *first())
        [*_, two] = await b.publish("r1", *second())
        await b.publish("r1", *attempt(3, started(), completed()))
        state = (await at(b, 1)).json()
        assert (1, "failed", "disk full") == (
            state["attempt"],
            state["status"],
            state["error"]["message"],
        )
        assert ("running", 7) == (
            state["steps"]["fetch"]["status"],
            state["steps"]["fetch"]["current"],
        )
        assert str(one) == state["cursor"].split("-")[1]
        state = (await at(b, 2)).json()
        assert (2, "failed", "completed") == (
            state["attempt"],
            state["status"],
            state["steps"]["fetch"]["status"],
        )
        assert str(two) == state["cursor"].split("-")[1]
        assert [1] == [past["attempt"] for past in state["attempts"]]
        state = (await at(b, 3)).json()
        assert (3, "completed", await b.snapshot("r1")) == (
            state["attempt"],
            state["status"],
            state,
        )


async def test_the_snapshot_lists_them_with_status_times_and_error(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", *first(), *second(), *attempt(3, started()))
        listed = (await b.snapshot("r1"))["attempts"]
        assert [(1, "failed", "disk full"), (2, "failed", "disk full")] == [
            (past["attempt"], past["status"], past["error"]["message"]) for past in listed
        ]
        for past in listed:
            assert past["started_at"] <= past["ended_at"]


async def test_what_comes_late_for_an_old_attempt_is_not_of_a_new_one(tmp_path: Path) -> None:
    """Neither a late event nor one that no attempt begins with."""
    async with broker(tmp_path) as b:
        await b.publish("r1", *first())
        await b.publish("r1", {"type": "run.heartbeat", "attempt": 2})
        [late] = await b.publish("r1", {"type": "run.annotated", "labels": {"a": 1}})
        await b.publish("r1", *second(), *attempt(1, completed()))
        state = (await at(b, 1)).json()
        assert (str(late), "failed", {"a": 1}) == (
            state["cursor"].split("-")[1],
            state["status"],
            state["labels"],
        )


async def test_it_is_read_once_and_then_kept(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", *first(), *second())
        one, two = await at(b, 1), await at(b, 1)
        assert (200, one.body, "max-age=60") == (
            two.status,
            two.body,
            two.headers["cache-control"],
        )
        assert 1 == await b.metric("attempt_snapshots_total", outcome="folded")
        assert 1 == await b.metric("attempt_snapshots_total", outcome="kept")
        assert len(one.body) == await b.metric("attempt_snapshot_bytes")
        answer = await at(b, 1, headers={"If-None-Match": one.headers["etag"]})
        assert (304, b"") == (answer.status, answer.body)


async def test_an_attempt_that_never_was_is_not_found(tmp_path: Path) -> None:
    """The answer says which there are."""
    async with broker(tmp_path) as b:
        await b.publish("r1", *first(), *attempt(4, started()))
        for number in (2, 3, 5, 2**53):
            problem = (await at(b, number)).json()
            assert (404, "urn:progress-broker:problem:attempt-not-found", [1, 4]) == (
                problem["status"],
                problem["type"],
                problem["attempts"],
            )
            assert f"no attempt {number}" in problem["detail"]
        await b.publish("r2", *attempt(3, started()))
        assert [3] == (await at(b, 1, "r2")).json()["attempts"]
        assert 404 == (await at(b, 1, "unknown")).status


async def test_an_attempt_whose_events_have_expired_is_not_shown_in_part(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        begun = {**started(), "time": "2026-01-31T12:00:00Z"}
        seqs = await b.publish("r1", begun, *first()[1:])
        await b.publish("r1", *second())
        assert 2 == (await b.snapshot("r1"))["attempt"]
        for keep in (seqs[1], seqs[-1] + 1):
            await api(b.nats.connection, f"STREAM.PURGE.{PROGRESS}", {"seq": keep})
            problem = (await at(b, 1)).json()
            assert (404, [1, 2]) == (problem["status"], problem["attempts"])
            assert "not all kept" in problem["detail"]


async def test_a_wait_for_an_attempt_ends_with_it(tmp_path: Path) -> None:
    """Who waits for news of the current attempt gets that one, not the next."""
    async with broker(tmp_path) as b:
        await b.publish("r1", *first())
        tag = (await at(b, 1)).headers["etag"]
        assert 304 == (await at(b, "1&wait=0.1", headers={"If-None-Match": tag})).status
        await b.publish("r1", *second())

        async def next_attempt() -> bool:
            return bool((await b.snapshot("r1"))["attempt"] == 2)

        await until(next_attempt)
        for known in (tag, "*"):
            answer = await at(b, "1&wait=30", headers={"If-None-Match": known})
            assert 304 == answer.status


@pytest.mark.parametrize("text", ["0", "-1", "x", "", "1.0", "9" * 17, "9" * 5000, "%D9%A3", "+1"])
async def test_what_is_no_attempt_is_refused(tmp_path: Path, text: str) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        answer = await at(b, text)
        problem = answer.json()
        assert (422, "attempt") == (answer.status, problem["parameter"])
