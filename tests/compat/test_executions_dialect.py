"""What producers of executions send, as events; what is refused, and why."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.dialects.executions import read
from broker.dialects.table import DIALECTS
from broker.errors import MalformedEvent
from broker.model import events as e
from broker.views.executions import ExecutionsStory, progress
from tests.compat.told import live
from tests.strategies import common_events
from tests.unit.runs import at, records_of, state_after

TIMESTAMP = "2026-01-01T00:00:05Z"
PROGRESS = {"current_step": 3, "total_steps": 5, "percentage": 60.0, "current_step_name": "sums"}


def message(kind: str, **members: Any) -> bytes:
    """A message of an execution; None leaves a member out."""
    made = {"type": kind, "execution_id": "exec_1", "timestamp": TIMESTAMP, **members}
    return json.dumps({k: v for k, v in made.items() if v is not None}).encode()


def events(kind: str, **members: Any) -> list[e.Event]:
    said = read(message(kind, **members))
    assert "exec_1" == said.run
    assert said.judged is None
    return list(said.events)


def refusal(payload: bytes) -> str:
    with pytest.raises(MalformedEvent) as refused:
        read(payload)
    return str(refused.value)


def test_the_dialect_is_known_by_its_name() -> None:
    assert read is DIALECTS["executions"]


def test_the_messages_of_a_run() -> None:
    time = at(5)
    error = {"type": "ValueError", "message": "Invalid", "details": {"field": "x"}}
    reported = e.RunProgress(current=3, total=5, unit="steps", message="sums", time=time)
    failure = e.Failure(type="ValueError", message="Invalid", details={"field": "x"})
    assert [e.RunStarted(time=time)] == events("started", status="running")
    assert [reported] == events("progress", status="running", progress=PROGRESS)
    assert [e.RunCompleted(outputs={"a": 1}, time=time)] == events("completed", outputs={"a": 1})
    assert [e.RunFailed(error=failure, time=time)] == events("failed", error=error)
    assert [e.RunCancelled(time=time)] == events("cancelled", status="cancelled")


def test_a_status_says_how_the_run_stands() -> None:
    time = at(5)
    reported = e.RunProgress(current=3, total=5, unit="steps", message="sums", time=time)
    assert [e.RunQueued(time=time)] == events("status", status="pending")
    assert [e.RunStarted(time=time), reported] == events(
        "status", status="running", progress=PROGRESS
    )


@pytest.mark.parametrize("word", ["completed", "failed", "cancelled"])
def test_a_status_ends_nothing(word: str) -> None:
    """The message that says how it ended follows, with the outputs or the error."""
    assert [] == events("status", status=word)


def test_what_may_be_left_out() -> None:
    assert [e.RunStarted()] == events("started", timestamp=None)
    [reported] = events("progress", progress={"current_step": 0, "total_steps": 0})
    assert isinstance(reported, e.RunProgress)
    assert (0, None, None) == (reported.current, reported.total, reported.message)
    [ended] = events("completed", outputs=None)
    assert isinstance(ended, e.RunCompleted)
    assert ended.outputs is None


def test_unknown_members_are_ignored() -> None:
    assert [e.RunStarted(time=at(5))] == events("started", worker="w-1", tags=[1])


@pytest.mark.parametrize(
    ("percentage", "why"),
    [
        (40.0, "the step under way is counted"),
        (70.0, "half of the next is done"),
        (80.0, "steps are counted from 0"),
    ],
)
def test_a_percentage_may_be_a_step_off(percentage: float, why: str) -> None:
    assert events("progress", progress={**PROGRESS, "percentage": percentage}), why


@pytest.mark.parametrize(
    ("payload", "field", "text"),
    [
        (
            message("progress", progress={**PROGRESS, "current_step": 6}),
            "progress.current_step",
            "6 is beyond the 5",
        ),
        (
            message("progress", progress={**PROGRESS, "current_step": -1}),
            "progress.current_step",
            ">= 0",
        ),
        (
            message("progress", progress={**PROGRESS, "current_step": "3"}),
            "progress.current_step",
            "Expected `int`",
        ),
        (
            message("progress", progress={**PROGRESS, "percentage": 101}),
            "progress.percentage",
            "<= 100",
        ),
        (
            message("progress", progress={**PROGRESS, "percentage": -1}),
            "progress.percentage",
            ">= 0",
        ),
        (
            message("progress", progress={**PROGRESS, "percentage": 5}),
            "progress.percentage",
            "contradicts step 3 of 5",
        ),
        (message("progress", progress={"current_step": 1}), "progress", "total_steps"),
        (message("progress"), "progress", "missing"),
        (
            message("progress", progress=PROGRESS, status="completed"),
            "status",
            "contradicts the type",
        ),
        (message("completed", status="failed"), "status", "contradicts the type"),
        (message("status"), "status", "missing"),
        (message("status", status="lost"), "status", "lost"),
        (message("completed", outputs=[1]), "outputs", "Expected `object | null`"),
        (message("completed", error={"message": "no"}), "error", "only what failed"),
        (message("failed"), "error", "missing"),
        (message("failed", error="no"), "error", "Expected `object | null`"),
        (message("started", execution_id=None), "execution_id", "missing"),
        (message("started", execution_id=""), "execution_id", "length >= 1"),
        (message("started", execution_id=7), "execution_id", "Expected `str`"),
        (message("started", timestamp="2026-01-01T00:00:05"), "timestamp", "timezone"),
        (message("started", timestamp="yesterday"), "timestamp", "RFC3339"),
        (message("error", message="Execution not found"), "type", "say 'failed'"),
    ],
)
def test_bad_messages_are_refused_with_the_field(payload: bytes, field: str, text: str) -> None:
    said = refusal(payload)
    assert said.startswith(field) or f"`{field}`" in said, said
    assert text in said


@pytest.mark.parametrize(
    "payload",
    [
        b'{"type":"run.started","run":"r1"}',
        b'{"layer":"intake","status":"executing","index":0}',
        b'{"type":"execution_started","execution_id":"exec_1","data":{}}',
        b'{"type":"job_status","payload":{"id":"j1","status":"running"}}',
        b'{"type":"node_start","node_id":"n1"}',
        b'{"type":["started"],"execution_id":"exec_1"}',
        b"[1]",
        b"",
        b'{"type":"started","execution_id":"exec_1","status":"\xff"}',
        b'{"type":"started","execution_id":"exec_1","outputs":'
        + b"[" * 5_000
        + b"]" * 5_000
        + b"}",
    ],
)
def test_what_is_of_another_dialect_is_refused(payload: bytes) -> None:
    assert refusal(payload)


@given(st.lists(common_events, max_size=20))
def test_what_the_interface_tells_can_be_said_again(happened: list[e.Event]) -> None:
    """Where its total is known: else the percentage is 0 and says nothing of the steps."""
    records = records_of(*happened)
    for told in live(ExecutionsStory(), records):
        shown = json.loads(told.data)
        reported = shown.get("progress")
        if reported is not None and reported["percentage"] != 0:
            assert reported["current_step"] <= reported["total_steps"]
        if shown["type"] in ("started", "completed", "failed", "cancelled"):
            assert read(told.data).events


def test_a_run_said_in_the_dialect_shows_as_it_was_said() -> None:
    payloads = [
        message("status", status="pending"),
        message("started"),
        message("progress", progress=PROGRESS),
    ]
    state = state_after(*(event for payload in payloads for event in read(payload).events))
    assert PROGRESS == progress(state)
