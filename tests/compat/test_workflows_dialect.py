"""What workflow orchestrators send, read as events; and what is refused, with the field's name."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from broker.dialects.table import DIALECTS
from broker.errors import MalformedEvent
from broker.model import events as e
from broker.model.events import Event
from broker.model.evolve import Fold
from broker.model.state import RunState, initial
from broker.views.workflows import WORKFLOWS
from tests.unit.runs import at

Sent = dict[str, Any]

STEPS = ("Read", "Score", "Score")


def sent(kind: str, **data: Any) -> Sent:
    """A message as the orchestrator makes it."""
    return {"type": kind, "execution_id": "x-1", "data": data}


def start(**more: Any) -> Sent:
    return sent("execution_started", deliverable_type="risk_report", total_steps=3, **more)


def step_start(number: int) -> Sent:
    name, function = STEPS[number - 1], f"do_{number}"
    return sent("step_started", step_number=number, step_name=name, function=function)


def step_end(number: int, status: str = "completed", **more: Any) -> Sent:
    data: Sent = {
        "step_number": number,
        "step_name": STEPS[number - 1],
        "status": status,
        "execution_time_ms": 250,
        "error_message": None,
        "progress": 100 * number // 3,
        **more,
    }
    return sent("step_completed" if status == "completed" else "step_failed", **data)


def end(status: str = "completed", **more: Any) -> Sent:
    data: Sent = {
        "status": status,
        "risk_score": 0.25,
        "requires_approval": True,
        "total_steps": 3,
        "successful_steps": 3,
        "progress": 100,
        **more,
    }
    return sent("execution_completed", **data)


def read(message: Any, state: RunState | None = None) -> Sequence[Event]:
    """The events of one message, to a run that stands like that."""
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    said = DIALECTS["workflows"](payload)
    assert said.run == "x-1"
    return said.events if said.judged is None else said.judged(state)


def run_of(*messages: Sent) -> RunState:
    """The state of the run after the messages, each read as the run then stood."""
    fold = Fold(initial("default", "x-1"))
    for message in messages:
        for event in read(message, fold.state if fold.seq else None):
            fold.add(event, fold.seq + 1, at(fold.seq))
    return fold.state


def told(state: RunState) -> list[Sent]:
    """What a client gets of it in the same words."""
    messages = [json.loads(message.data) for message in WORKFLOWS.snapshot(state, "e1")]
    return [{name: m[name] for name in ("type", "execution_id", "data")} for m in messages]


WHOLE = [start(), *[f(number) for number in (1, 2, 3) for f in (step_start, step_end)], end()]


def test_each_message_is_an_event() -> None:
    assert [
        e.RunStarted(
            pipeline="risk_report",
            total_steps=3,
            metadata={"deliverable_type": "risk_report"},
            time=datetime(2025, 12, 21, 10, tzinfo=UTC),
        )
    ] == read(start(started_at="2025-12-21T10:00:00+00:00"))
    assert [
        e.StepStarted(step="step-2", name="Score", index=1, metadata={"function": "do_2"})
    ] == read(step_start(2))
    assert [e.StepCompleted(step="step-2", duration=0.25)] == read(step_end(2))
    failure = e.Failure(message="no such table")
    assert [e.StepFailed(step="step-2", error=failure, duration=0.25)] == read(
        step_end(2, "failed", error_message="no such table")
    )
    assert [
        e.RunAnnotated(metadata={"risk_score": 0.25, "requires_approval": True}),
        e.RunCompleted(),
    ] == read(end())
    broken = sent("execution_failed", error_message="no such table", progress=0)
    assert [e.RunFailed(error=failure)] == read(broken)


def test_what_goes_in_comes_out_again() -> None:
    """The whole execution, with every percentage, although none of them is read."""
    heard = told(run_of(*WHOLE))
    heard[0]["data"].pop("started_at")
    assert WHOLE == heard


def test_steps_of_one_name_are_two() -> None:
    state = run_of(*WHOLE)
    assert ["step-1", "step-2", "step-3"] == list(state.steps)
    assert ["Read", "Score", "Score"] == [step.name for step in state.steps.values()]


def test_a_step_that_failed_may_begin_again() -> None:
    messages = (start(), step_start(1), step_end(1, "failed", error_message="no"))
    again = run_of(*messages, step_start(1))
    assert ("running", 2) == (again.steps["step-1"].status, again.steps["step-1"].attempt)
    assert "completed" == run_of(*messages, step_start(1), step_end(1)).steps["step-1"].status
    assert "completed" == run_of(*messages, step_end(1)).steps["step-1"].status


def test_a_failure_that_is_said_twice_is_one() -> None:
    failed = step_end(1, "failed", error_message="no")
    step = run_of(start(), step_start(1), failed, failed).steps["step-1"]
    assert ("failed", None) == (step.status, step.attempt)


def test_what_an_end_said_is_not_said_of_the_next_attempt() -> None:
    state = run_of(start(), end("needs_review"), start(), sent("execution_completed"))
    said = told(state)[-1]["data"]
    assert ("completed", None, None) == tuple(
        said[name] for name in ("status", "risk_score", "requires_approval")
    )
    assert {"deliverable_type": "risk_report"} == state.metadata


def test_an_execution_that_ended_may_begin_again() -> None:
    state = run_of(*WHOLE, start(), step_start(1))
    assert ("running", 2) == (state.status, state.attempt)


def test_a_run_that_was_queued_keeps_the_name_of_its_workflow() -> None:
    queued = Fold(initial("default", "x-1"))
    queued.add(e.RunQueued(pipeline="invoice-check"), 1, at(0))
    [started] = read(start(), queued.state)
    assert isinstance(started, e.RunStarted)
    assert (None, None) == (started.pipeline, started.attempt)


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ("failed", "failed"),
        ("error", "failed"),
        ("cancelled", "cancelled"),
        ("completed", "completed"),
        ("needs_review", "completed"),
    ],
)
def test_the_end_is_what_its_status_says(status: str, found: str) -> None:
    """The document's system sends `execution_completed` with 100 % for all of them."""
    state = run_of(start(), end(status))
    assert found == state.status
    assert {"risk_score": 0.25, "requires_approval": True}.items() <= state.metadata.items()
    if found == "completed":
        assert status == told(state)[-1]["data"]["status"]
    else:
        assert "execution_failed" == told(state)[-1]["type"]


@pytest.mark.parametrize(
    ("status", "found"),
    [("skipped", "skipped"), ("cancelled", "cancelled"), ("canceled", "cancelled")],
)
def test_a_step_that_did_not_fail_is_not_called_failed(status: str, found: str) -> None:
    """Its system sends `step_failed` for every step that is not completed."""
    state = run_of(start(), step_start(1), step_end(1, status))
    assert (found, None) == (state.steps["step-1"].status, state.steps["step-1"].error)


def test_what_is_not_known_may_be_left_out() -> None:
    begun, done, broken = (
        {"type": f"execution_{what}", "execution_id": "x-1"}
        for what in ("started", "completed", "failed")
    )
    steps = [sent(f"step_{what}", step_number=1) for what in ("started", "completed")]
    state = run_of(begun, *steps, done)
    assert ("completed", "completed") == (state.status, state.steps["step-1"].status)
    assert "failed" == run_of(broken).status


def test_a_time_without_a_zone_is_no_time() -> None:
    """Nobody knows when it was; the moment when it is stored is known."""
    [started] = read(start(started_at="2025-12-21T10:00:00"))
    assert started.time is None
    [event] = read({**step_end(1), "timestamp": "2025-12-21T10:00:00Z"})
    assert datetime(2025, 12, 21, 10, tzinfo=UTC) == event.time


def test_what_nobody_knows_is_passed_over() -> None:
    message = {**step_start(1), "version": 2, "data": {**step_start(1)["data"], "queue": "a"}}
    assert read(step_start(1)) == read(message)


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (b"{", "truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"type":"step_started","execution_id":"\xff"}', "not valid UTF-8"),
        ({"execution_id": "x-1", "data": {}}, "type: missing"),
        ({"layer": "intake", "status": "executing", "index": 0}, "type: missing"),
        ({"type": "node_start", "node_id": "a"}, "type: Invalid value 'node_start'"),
        ({"type": "started", "execution_id": "x-1"}, "type: Invalid value 'started'"),
        ({"type": 7, "execution_id": "x-1"}, "type: Expected `str`"),
        ({"type": "execution_started"}, "execution_id: missing"),
        ({"type": "execution_started", "execution_id": ""}, "execution_id: Expected"),
        ({"type": "execution_started", "execution_id": 7}, "execution_id: Expected `str`"),
        ({"type": "step_started", "execution_id": "x-1"}, "data: missing"),
        (sent("step_started"), "data.step_number: missing"),
        (sent("step_completed", step_name="Read"), "data.step_number: missing"),
        (sent("step_started", step_number="1"), "data.step_number: Expected `int`, got `str`"),
        (sent("step_started", step_number=0), "data.step_number: Expected `int` >= 1"),
        (sent("step_started", step_number=1.5), "data.step_number: Expected `int`"),
        (step_end(1, execution_time_ms=-1), "data.execution_time_ms: Expected `float` >= 0"),
        (step_end(1, error_message=["no"]), "data.error_message: Expected `str | null`"),
        (start(started_at="yesterday"), "data.started_at: Invalid RFC3339"),
        (sent("execution_started", total_steps=-3), "data.total_steps: Expected `int` >= 0"),
        (sent("execution_started", total_steps="3"), "data.total_steps: Expected"),
        ({**step_end(1), "type": "step_failed"}, "data.status: 'completed' is no end"),
        (
            {**step_end(1, "failed"), "type": "step_completed"},
            "data.status: 'failed' is no end of a step that was completed",
        ),
        (end(successful_steps=4), "data.successful_steps: 4 of 3 steps"),
        (end(risk_score=[1]), "data.risk_score: Expected"),
        (end(requires_approval="yes"), "data.requires_approval: Expected `bool | null`"),
    ],
)
def test_bad_messages_are_refused_by_the_name_of_the_field(message: Any, problem: str) -> None:
    with pytest.raises(MalformedEvent) as refused:
        read(message)
    assert problem in str(refused.value)


@pytest.mark.parametrize("message", [step_start(3), step_end(3), step_end(3, "failed")])
def test_a_step_beyond_the_schema_is_refused(message: Sent) -> None:
    """Where it is known how many there are; else it is taken."""
    assert read(message)
    two = run_of(sent("execution_started", total_steps=2))
    with pytest.raises(MalformedEvent, match=r"data\.step_number: 3 is beyond the total_steps"):
        read(message, two)
