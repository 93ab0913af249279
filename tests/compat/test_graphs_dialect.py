"""What a generator of execution events sends is read as events, or refused by the field's name."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given

from broker.dialects.graphs import read, report_of
from broker.dialects.table import DIALECTS
from broker.errors import MalformedEvent
from broker.model import events as e
from broker.model.decode import encode
from broker.model.evolve import Fold
from broker.model.graph import outputs_of, result_of
from broker.model.record import Record
from broker.model.state import RunState, initial
from broker.views.graphs import GraphsStory
from tests.compat.told import live
from tests.strategies import json_values
from tests.unit.runs import records_of, state_after

NODE = {"node_id": "read", "node_name": "Read it"}
FAILED = e.StepFailed(step="read", error=e.Failure(message="no disk"))


def said(message: dict[str, Any], state: RunState | None = None) -> Sequence[e.Event]:
    judged = read(json.dumps(message).encode()).judged
    assert judged is not None
    return judged(state)


@pytest.mark.parametrize(
    ("message", "event"),
    [
        ({"type": "start"}, e.RunStarted()),
        (
            {"type": "start", "total_nodes": 3, "graph_id": "g-1"},
            e.RunStarted(total_steps=3, labels={"graph_id": "g-1"}),
        ),
        (
            {"type": "start", "nodes": [{"id": "read"}, {"id": "count", "after": ["read"]}]},
            e.RunStarted(plan=[e.PlanStep(step="read"), e.PlanStep(step="count", after=["read"])]),
        ),
        ({"type": "node_start", **NODE}, e.StepStarted(step="read", name="Read it")),
        ({"type": "node_complete", "node_id": "read"}, e.StepCompleted(step="read")),
        (
            {"type": "node_complete", **NODE, "result": {"lines": 3}, "duration": 0.25},
            e.StepCompleted(step="read", outputs={"lines": 3}, duration=0.25),
        ),
        (
            {"type": "node_complete", **NODE, "result": [1]},
            e.StepCompleted(step="read", outputs={"result": [1]}),
        ),
        (
            {"type": "node_complete", **NODE, "error": "no disk", "duration": 0.25},
            e.StepFailed(step="read", error=e.Failure(message="no disk"), duration=0.25),
        ),
        ({"type": "error", **NODE, "error": "no disk"}, FAILED),
        ({"type": "error", "error": "no disk"}, e.RunFailed(error=e.Failure(message="no disk"))),
        ({"type": "complete"}, e.RunCompleted()),
        ({"type": "complete", "result": {"n": 1}}, e.RunCompleted(outputs={"n": 1})),
    ],
)
def test_each_message_is_an_event(message: dict[str, Any], event: e.Event) -> None:
    assert [event] == said(message)


def test_a_message_may_name_its_run() -> None:
    assert read(b'{"type": "start", "execution_id": "r 1"}').run == "r 1"
    assert read(b'{"type": "start"}').run is None


def test_a_node_that_starts_after_it_failed_is_tried_again() -> None:
    state = state_after(e.RunStarted(), FAILED)
    assert [
        e.StepRetrying(step="read"),
        e.StepStarted(step="read", name="Read it"),
    ] == said({"type": "node_start", **NODE}, state)


def test_a_run_that_starts_after_it_ended_begins_the_next_attempt() -> None:
    ended = state_after(e.RunStarted(), e.RunCompleted())
    assert [e.RunStarted(attempt=2)] == said({"type": "start"}, ended)
    assert [e.RunStarted()] == said({"type": "start"}, state_after(e.RunQueued()))


@pytest.mark.parametrize(
    ("timestamp", "time"),
    [
        ("2026-01-01T12:00:00Z", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        ("2026-01-01T12:00:00.25", datetime(2026, 1, 1, 12, 0, 0, 250_000, UTC)),
        (
            "2026-01-01T12:00:00+02:00",
            datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2))),
        ),
        (1_767_268_800, datetime(2026, 1, 1, 12, tzinfo=UTC)),
        (1_767_268_800.5, datetime(2026, 1, 1, 12, 0, 0, 500_000, UTC)),
        (None, None),
    ],
)
def test_a_time_is_iso_8601_or_seconds(timestamp: object, time: datetime | None) -> None:
    assert [e.RunStarted(time=time)] == said({"type": "start", "timestamp": timestamp})


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({}, "type: missing"),
        ({"type": 3}, "type: Expected `str`, got `int`"),
        ({"type": "progress"}, "type: 'progress' is none of start, node_start, node_complete, "),
        ({"layer": "intake", "status": "executing"}, "type: missing"),
        ({"type": "run.started"}, "type: 'run.started' is none of start"),
        ({"type": "workflow_started", "execution_id": "r1"}, "type: 'workflow_started' is none"),
        ({"type": "node_start"}, "node_id: missing; 'node_start' is said of a node"),
        ({"type": "node_complete", "result": 1}, "node_id: missing; 'node_complete'"),
        ({"type": "node_start", "node_id": 3}, "node_id: Expected `str | null`, got `int`"),
        ({"type": "node_start", "node_id": ""}, "node_id: Expected `str` of length >= 1"),
        ({"type": "start", "node_id": "read"}, "node_id: 'start' is said of a run"),
        ({"type": "complete", "node_id": "read"}, "node_id: 'complete' is said of a run"),
        ({"type": "error"}, "error: missing; say why it failed"),
        ({"type": "error", "node_id": "read"}, "error: missing"),
        ({"type": "complete", "error": "no disk"}, "error: only what failed has one"),
        ({"type": "node_start", **NODE, "error": "x"}, "error: only what failed has one"),
        ({"type": "node_complete", **NODE, "error": "x", "result": 1}, "result: what failed has"),
        ({"type": "node_complete", **NODE, "duration": -1}, "duration: Expected `float` >= 0.0"),
        ({"type": "node_complete", **NODE, "duration": "1s"}, "duration: Expected"),
        ({"type": "start", "total_nodes": -1}, "total_nodes: Expected `int` >= 0"),
        ({"type": "start", "total_nodes": 2, "nodes": [{"id": "a"}]}, "total_nodes: 2 contradicts"),
        ({"type": "start", "nodes": [{"name": "a"}]}, "nodes[0].id: missing"),
        ({"type": "start", "timestamp": "yesterday"}, "timestamp: Invalid RFC3339 encoded"),
        ({"type": "start", "timestamp": 1e300}, "timestamp: 1e+300 s since 1970 is no time"),
        ([], "Expected `object`, got `array`"),
        ("start", "Expected `object`, got `str`"),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_its_field(message: Any, complaint: str) -> None:
    with pytest.raises(MalformedEvent) as refused:
        read(json.dumps(message).encode())
    assert str(refused.value).startswith(complaint)


@pytest.mark.parametrize(
    "payload", [b"", b"start", b'{"type": "start"', b'{"type": "\xff"}', b"\0"]
)
def test_what_is_no_json_is_refused(payload: bytes) -> None:
    with pytest.raises(MalformedEvent):
        read(payload)


@given(json_values)
def test_any_result_comes_back_as_it_was(result: Any) -> None:
    assert result == result_of(outputs_of(result))


def test_a_message_may_be_an_object_with_these_attributes() -> None:
    for message in ({"type": "node_start", **NODE}, SimpleNamespace(type="node_start", **NODE)):
        report = report_of(message)
        assert ("node_start", "read", "Read it") == (report.type, report.node_id, report.node_name)
    for odd in ({"type": "progress"}, SimpleNamespace(type="node_start"), None, 3, [], object()):
        with pytest.raises(MalformedEvent):
            report_of(odd)


def test_it_is_read_by_its_name() -> None:
    assert read is DIALECTS["graphs"]


def test_what_the_view_tells_the_dialect_reads() -> None:
    """Both ends of a system can move: the frames that come out are those that went in."""
    messages: list[dict[str, Any]] = [
        {
            "type": "start",
            "graph_id": "g-1",
            "nodes": [{"id": "read", "name": "Read", "after": []}],
        },
        {"type": "node_start", **NODE},
        {"type": "error", **NODE, "error": "no disk", "duration": 1.5},
        {"type": "node_start", **NODE},
        {"type": "node_complete", **NODE, "result": [1, 2], "duration": 2.5},
        {"type": "complete", "result": "well"},
    ]
    fold = Fold(initial("default", "r1"))
    happened: list[e.Event] = []
    for message in messages:
        for event in said(message, fold.state):
            happened.append(event)
            [record] = records_of(event)
            fold.add(event, len(happened), record.stored_at)
    records: list[Record] = records_of(*(encode(event) for event in happened))
    told = [json.loads(message.data) for message in live(GraphsStory(), records)]
    assert [message["type"] for message in messages] == [frame["type"] for frame in told]
    for message, frame in zip(messages, told, strict=True):
        assert message == {name: frame[name] for name in message}
