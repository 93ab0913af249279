"""Messages of the runner's pipelines as events: the document's, and what is refused of others'."""

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.dialects.runner import LAYERS, PLAN, read, update_of
from broker.dialects.table import DIALECTS
from broker.errors import MalformedEvent
from broker.model import events as e
from broker.model.evolve import Fold, evolve
from broker.model.state import RunState, initial
from broker.views.runner import status_document
from tests.unit.runs import T0, state_after

Message = dict[str, Any]

COMPLETE: Message = {"status": "complete", "progress": 100}


def layer(name: str, status: str, **fields: Any) -> Message:
    return {"layer": name, "status": status, "index": LAYERS.index(name), **fields}


def said(message: Any, state: RunState | None = None) -> list[e.Event]:
    """What a message says of a run that stands like that."""
    found = read(json.dumps(message).encode())
    assert found.run is None
    return list(found.events) if found.judged is None else list(found.judged(state))


def after(*messages: Message, state: RunState | None = None) -> RunState:
    """The state of a run after messages, each judged by the state before it."""
    fold = Fold(initial("default", "r1")) if state is None else Fold(state)
    for message in messages:
        known = fold.state if fold.seq else None
        for event in said(message, known):
            fold.add(event, fold.seq + 1, T0)
    return fold.state


def rows(state: RunState) -> list[str]:
    """The layers that have begun, and the run."""
    shown = status_document(state)
    begun = [row for row in shown["layers"] if row["status"] != "pending"]
    return [*(f"{row['name']} {row['status']}" for row in begun), f"run {shown['status']}"]


def every_layer(last: int = len(LAYERS)) -> Iterable[Message]:
    for name in LAYERS[:last]:
        yield layer(name, "executing")
        yield layer(name, "success", duration=2.5)


def test_it_is_known_by_its_name() -> None:
    assert read is DIALECTS["runner"]


def test_the_first_message_announces_the_seven_layers() -> None:
    assert [
        e.RunStarted(pipeline="runner", plan=PLAN),
        e.StepStarted(step="intake", index=0),
    ] == said(layer("intake", "executing"))


def test_the_layers_are_announced_once_and_the_pipeline_keeps_its_name() -> None:
    queued = state_after(e.RunQueued(pipeline="night"))
    announced, started = said(layer("intake", "executing"), queued)
    assert e.RunStarted(plan=PLAN) == announced
    known = evolve(queued, announced, 2, T0)
    assert [started] == said(layer("intake", "executing"), known)


def test_a_run_goes_from_layer_to_layer_to_its_end() -> None:
    state = after(*every_layer(), COMPLETE)
    assert [*(f"{name} success" for name in LAYERS), "run completed"] == rows(state)
    assert [2.5] * 7 == [step.duration for step in state.steps.values()]
    assert 1.0 == state.progress.fraction


def test_a_layer_that_fails_is_told_with_its_error() -> None:
    failed = layer("pain_points", "failed", error="API rate limit exceeded", duration=1.2)
    state = after(*every_layer(1), layer("pain_points", "executing"), failed)
    assert ["intake success", "pain_points failed", "run running"] == rows(state)
    step = state.steps["pain_points"]
    assert (1.2, "API rate limit exceeded") == (step.duration, step.error and step.error.message)


def test_pending_says_nothing() -> None:
    assert [] == said(layer("intake", "pending"))


def test_a_layer_that_is_skipped_is_done() -> None:
    state = after(*every_layer(6), layer("cv_outreach_generation", "skipped"), COMPLETE)
    assert "cv_outreach_generation skipped" in rows(state)
    assert "run completed" == rows(state)[-1]


def test_a_layer_that_begins_again_after_it_failed_is_tried_again() -> None:
    failed = after(layer("intake", "executing"), layer("intake", "failed", error="no"))
    again = layer("intake", "executing")
    assert [e.StepRetrying(step="intake"), e.StepStarted(step="intake", index=0)] == said(
        again, failed
    )
    assert ["intake success", "run running"] == rows(
        after(again, layer("intake", "success"), state=failed)
    )


def test_complete_after_a_failed_layer_is_a_failure() -> None:
    """The pipeline of the document says `complete` and 100 whatever happened."""
    state = after(*every_layer(2), layer("company_research", "failed", error="blocked"), COMPLETE)
    assert "run failed" == rows(state)[-1]
    assert ("failed", 0.29, "blocked") == tuple(
        status_document(state)[name] for name in ("status", "progress", "error")
    )


@pytest.mark.parametrize("last", ["skipped", "pending"])
def test_layers_that_were_left_out_do_not_make_up_for_a_failed_one(last: str) -> None:
    failed = layer("people_mapping", "failed", error="blocked")
    state = after(*every_layer(5), failed, layer("cv_outreach_generation", last), COMPLETE)
    assert "run failed" == rows(state)[-1]


def test_a_pipeline_may_go_on_without_a_layer() -> None:
    failed = layer("people_mapping", "failed", error="blocked")
    last = [layer("cv_outreach_generation", "executing"), layer(LAYERS[-1], "success")]
    assert "run completed" == rows(after(*every_layer(5), failed, *last, COMPLETE))[-1]


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"status": "failed", "error": "no credit"}, "no credit"),
        ({"status": "failed"}, "blocked"),
    ],
)
def test_a_run_can_be_said_to_have_failed(message: Message, error: str) -> None:
    state = after(layer("intake", "failed", error="blocked"), message)
    assert ("failed", error) == (state.status, state.error and state.error.message)


def test_complete_of_a_run_of_which_nothing_is_known() -> None:
    assert [e.RunStarted(pipeline="runner", plan=PLAN), e.RunCompleted()] == said(COMPLETE)


def test_the_first_layer_after_the_end_begins_the_next_attempt() -> None:
    ended = after(*every_layer(), COMPLETE)
    state = after(layer("intake", "executing"), state=ended)
    assert (2, ["intake executing", "run running"]) == (state.attempt, rows(state))


def test_a_message_that_comes_again_changes_nothing() -> None:
    messages = [*every_layer(3), layer("role_research", "executing")]
    once, twice = after(*messages), after(*[m for m in messages for _ in range(2)])
    assert rows(once) == rows(twice)
    assert once.counts == twice.counts


def test_progress_is_that_of_the_run() -> None:
    state = after(layer("intake", "executing", progress=5), layer("intake", "success", progress=30))
    assert (30, 100, 0.3) == (state.progress.current, state.progress.total, state.progress.fraction)


@pytest.mark.parametrize("progress", [0, 100])
def test_the_progress_of_a_failure_is_not_taken(progress: int) -> None:
    before = after(*every_layer(3))
    state = after(layer("role_research", "failed", progress=progress), state=before)
    assert 0.43 == status_document(state)["progress"]
    assert state.progress.current is None


def test_fields_that_nobody_knows_are_ignored() -> None:
    assert said(layer("intake", "executing")) == said(layer("intake", "executing", run="x", eta=3))


def test_null_is_no_value() -> None:
    message = layer("intake", "success", error=None, duration=None, progress=None)
    assert e.StepCompleted(step="intake") == said(message)[-1]


REFUSED: list[tuple[Any, str]] = [
    ({}, "status"),
    ([], "object"),
    ("complete", "object"),
    (None, "object"),
    ({"layer": "intake", "index": 0}, "status"),
    ({"layer": "intake", "index": 0, "status": "running"}, "status"),
    ({"layer": "intake", "index": 0, "status": "completed"}, "status"),
    ({"layer": "intake", "index": 0, "status": 1}, "status"),
    ({"layer": "intake", "index": 0, "status": "complete"}, "status"),
    ({"layer": "fetch", "index": 0, "status": "executing"}, "layer"),
    ({"layer": "Intake", "index": 0, "status": "executing"}, "layer"),
    ({"layer": 1, "index": 0, "status": "executing"}, "layer"),
    ({"status": "executing", "index": 0}, "layer"),
    ({"status": "skipped"}, "layer"),
    ({"layer": "intake", "status": "executing"}, "index"),
    ({"layer": "intake", "index": 1, "status": "executing"}, "index"),
    ({"layer": "intake", "index": -1, "status": "executing"}, "index"),
    ({"layer": "intake", "index": 7, "status": "executing"}, "index"),
    ({"layer": "intake", "index": "0", "status": "executing"}, "index"),
    ({"status": "complete", "index": 6}, "index"),
    ({"layer": "intake", "index": 0, "status": "success", "duration": "2.5"}, "duration"),
    ({"layer": "intake", "index": 0, "status": "success", "duration": -1}, "duration"),
    ({"layer": "intake", "index": 0, "status": "success", "error": "no"}, "error"),
    ({"layer": "intake", "index": 0, "status": "failed", "error": {"message": "no"}}, "error"),
    ({"status": "complete", "error": "no"}, "error"),
    ({"layer": "intake", "index": 0, "status": "success", "progress": 101}, "progress"),
    ({"layer": "intake", "index": 0, "status": "success", "progress": -1}, "progress"),
    ({"status": "complete", "progress": 57}, "progress"),
    # what other systems send
    ({"type": "step.started", "step": "intake"}, "status"),
    ({"type": "step_start", "execution_id": "x", "data": {"step_number": 1}}, "status"),
    ({"type": "job_status", "payload": {"id": "x", "status": "running"}}, "status"),
    ({"type": "node_start", "node_id": "intake", "status": "running"}, "status"),
    ({"type": "progress", "status": "running", "progress": {"current_step": 1}}, "status"),
]


@pytest.mark.parametrize(("message", "field"), REFUSED)
def test_what_is_refused_names_the_field(message: Any, field: str) -> None:
    with pytest.raises(MalformedEvent, match=rf"^{field}: |`{field}`"):
        said(message)
    with pytest.raises(MalformedEvent, match=rf"^{field}: |`{field}`"):
        update_of(message)


@pytest.mark.parametrize(
    "payload",
    [b"", b"not json", b'{"status":"complete"', b'{"status":"complete","x":"\xff"}', b"[" * 5000],
)
def test_what_is_no_json_is_refused(payload: bytes) -> None:
    with pytest.raises(MalformedEvent):
        read(payload)


@given(
    st.binary(max_size=64) | st.recursive(st.none() | st.text(), st.lists).map(repr).map(str.encode)
)
def test_whatever_comes_is_read_or_refused(payload: bytes) -> None:
    with suppress(MalformedEvent):
        read(payload)


def test_the_error_of_a_layer_without_a_text_is_said_to_have_failed() -> None:
    state = after(layer("intake", "failed"), COMPLETE)
    assert ("failed", "failed") == (
        status_document(state)["layers"][0]["error"],
        status_document(state)["error"],
    )
