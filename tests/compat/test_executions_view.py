"""Runs as executions: what is told live, what a late client gets, and the documents."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.model import events as e
from broker.model.evolve import Fold
from broker.model.record import Record
from broker.model.state import TERMINAL, initial
from broker.views.executions import ExecutionsStory, execution, progress
from broker.views.message import Message
from broker.views.untouched import X_STATE_MAX
from tests.compat import golden_files
from tests.compat.scenarios import SCENARIOS
from tests.compat.told import EPOCH, framed, late, live, state_of
from tests.strategies import common_events
from tests.unit.runs import OUT_OF_MEMORY, planned, records_of, state_after

STORY = ExecutionsStory()

Said = dict[str, Any]


def told(*happened: e.Event) -> list[Said]:
    """What was told of events, without the state beside it."""
    return said(live(STORY, records_of(*happened)))


def told_late(*happened: e.Event) -> list[Said]:
    """What one is told who comes after events."""
    return said(late(STORY, records_of(*happened)))


def said(messages: list[Message]) -> list[Said]:
    found = [json.loads(message.data) for message in messages]
    for message in found:
        message.pop("x_state", None)
    return found


def kinds(messages: list[Said]) -> list[str]:
    return [message["type"] for message in messages]


def steps(*names: str) -> e.RunStarted:
    return e.RunStarted(plan=planned(*names))


@pytest.mark.parametrize("name", SCENARIOS)
def test_golden(name: str) -> None:
    """What is told to who was there and to who comes late, and the two documents."""
    records = SCENARIOS[name]
    state = state_of(records)
    golden_files.check(
        f"executions_{name}",
        {
            "live": framed(live(STORY, records)),
            "late": framed(late(STORY, records)),
            "GET /executions/{id}": msgspec.json.encode(execution(state)) + b"\n",
            "GET /executions/{id}/progress": msgspec.json.encode(progress(state)) + b"\n",
        },
    )


def test_a_run_is_told_from_its_start_to_its_end() -> None:
    messages = told(
        e.RunQueued(pipeline="import"),
        steps("fetch", "fit"),
        e.StepStarted(step="fetch", name="Fetch files"),
        e.StepCompleted(step="fetch"),
        e.StepStarted(step="fit"),
        e.StepCompleted(step="fit"),
        e.RunCompleted(outputs={"model": "m-1"}),
    )
    assert [
        {"type": "started", "status": "running"},
        {"type": "progress", "progress": [0, 2, 0.0, None]},
        {"type": "progress", "progress": [0, 2, 0.0, "Fetch files"]},
        {"type": "progress", "progress": [1, 2, 50.0, None]},
        {"type": "progress", "progress": [1, 2, 50.0, "fit"]},
        {"type": "progress", "progress": [2, 2, 99.9999, None]},
        {"type": "progress", "progress": [2, 2, 100.0, None]},
        {"type": "completed", "status": "completed", "outputs": {"model": "m-1"}},
    ] == [shortened(message) for message in messages]
    assert {"r1"} == {message["execution_id"] for message in messages}


def shortened(message: Said) -> Said:
    """A message without what all have, its progress as a row."""
    if message["type"] == "progress":
        assert "running" == message["status"]
        return {"type": "progress", "progress": row(message["progress"])}
    return {k: v for k, v in message.items() if k not in ("execution_id", "timestamp")}


def row(shown: Said | None) -> list[Any] | None:
    """Step, total, percentage and name of a progress."""
    if shown is None:
        return None
    members = ("current_step", "total_steps", "percentage", "current_step_name")
    assert set(shown) <= set(members)
    return [shown.get(member) for member in members]


def test_the_numbers_are_those_of_the_document() -> None:
    """Two of five steps are done, the third is under way: step 2 of 5, counted from 0; 40.0."""
    names = ("load", "clean", "data_processing", "fit", "report")
    done = [e.StepCompleted(step=name) for name in names[:2]]
    state = state_after(steps(*names), *done, e.StepStarted(step="data_processing"))
    shown = progress(state)
    assert [2, 5, 40.0, "data_processing"] == row(shown)
    assert b'"percentage":40.0,' in msgspec.json.encode(shown)


def test_skipped_steps_are_done_and_failed_ones_are_not() -> None:
    begun = steps("a", "b", "c", "d")
    state = state_after(
        begun,
        e.StepSkipped(step="a", cached=True),
        e.StepFailed(step="b", error=OUT_OF_MEMORY),
        e.StepCancelled(step="c"),
    )
    assert [1, 4, 25.0, None] == row(progress(state))


def test_a_step_that_is_tried_again_is_under_way() -> None:
    messages = told(
        steps("fit"),
        e.StepStarted(step="fit"),
        e.StepFailed(step="fit", error=OUT_OF_MEMORY),
        e.StepRetrying(step="fit"),
        e.StepStarted(step="fit"),
    )
    names = [message["progress"].get("current_step_name") for message in messages[1:]]
    assert [None, "fit", None, "fit"] == names


def test_of_several_steps_under_way_the_first_is_named() -> None:
    happened: list[e.Event] = [steps("a", "b"), e.StepStarted(step="b"), e.StepStarted(step="a")]
    assert [0, 2, 0.0, "a"] == row(told(*happened)[-1]["progress"])
    assert [1, 2, 50.0, "b"] == row(told(*happened, e.StepCompleted(step="a"))[-1]["progress"])


def test_a_part_of_a_step_counts_in_the_percentage() -> None:
    happened: list[e.Event] = [steps("a", "b"), e.StepStarted(step="a")]
    again = e.StepProgress(step="a", current=1, total=4)
    messages = told(*happened, again, again, e.StepProgress(step="a", current=2, total=4))
    assert [0.0, 0.0, 12.5, 25.0] == [message["progress"]["percentage"] for message in messages[1:]]


def test_the_runs_own_progress_stands_for_steps() -> None:
    def reports(current: float, total: float | None, message: str | None = None) -> e.RunProgress:
        return e.RunProgress(current=current, total=total, message=message)

    messages = told(
        e.RunStarted(),
        reports(1, 5, "load"),
        reports(3, 5, "aggregation"),
        reports(3, 5, "aggregation"),
        reports(3, 5, "sums"),
        reports(7, 5),
        e.RunCompleted(message="fine"),
    )
    assert ["started", *["progress"] * 5, "completed"] == kinds(messages)
    assert [
        [1, 5, 20.0, "load"],
        [3, 5, 60.0, "aggregation"],
        [3, 5, 60.0, "sums"],
        [5, 5, 99.9999, "sums"],
        [5, 5, 100.0, None],
    ] == [row(message["progress"]) for message in messages[1:-1]]


def test_fractions_and_unknown_totals() -> None:
    """Steps are whole; while nobody knows a total it is what is known of so far, and 0 %."""
    assert [2, 4, 66.6666, None] == row(
        progress(state_after(e.RunProgress(current=2.5, total=3.75)))
    )
    assert [7, 7, 0.0, None] == row(progress(state_after(e.RunProgress(current=7))))
    assert [1, 1, 0.0, None] == row(progress(state_after(e.StepCompleted(step="a"))))
    announced = e.RunStarted(total_steps=4)
    assert [0, 4, 0.0, None] == row(progress(state_after(announced)))
    assert [1, 4, 25.0, None] == row(progress(state_after(announced, e.StepCompleted(step="a"))))


def test_nothing_reported_is_no_progress() -> None:
    for happened in (e.RunQueued(pipeline="p"), e.RunStarted(), e.RunHeartbeat()):
        assert progress(state_after(happened)) is None
    assert progress(state_after(e.RunStarted(), e.RunCompleted())) is None
    assert ["started", "completed"] == kinds(told(e.RunStarted(), e.RunCompleted()))


@pytest.mark.parametrize(
    ("happened", "word"),
    [
        ([e.RunQueued()], "pending"),
        ([e.RunStarted()], "running"),
        ([e.RunStarted(), e.RunPaused()], "running"),
        ([e.RunStarted(), e.RunLost()], "running"),
        ([e.RunStarted(), e.RunCompleted()], "completed"),
        ([e.RunStarted(), e.RunFailed(error=OUT_OF_MEMORY)], "failed"),
        ([e.RunStarted(), e.RunCancelled()], "cancelled"),
    ],
)
def test_status_words(happened: list[e.Event], word: str) -> None:
    assert word == execution(state_after(*happened))["status"]
    first, *rest = told_late(*happened)
    assert ("status", word) == (first["type"], first["status"])
    assert [word] * (word in TERMINAL) == kinds(rest)


def test_what_the_interface_has_no_word_for_ends_nothing() -> None:
    """A lost run that comes back goes on without a word; what it is travels beside."""
    messages = told(e.RunStarted(), e.RunLost(), e.RunRecovered(), e.RunPaused(), e.RunResumed())
    assert ["started"] == kinds(messages)
    [message] = late(STORY, records_of(e.RunStarted(), e.RunLost()))
    untouched = json.loads(message.data)["x_state"]
    assert ("lost", f"{EPOCH}-2") == (untouched["status"], untouched["cursor"])


def test_an_execution() -> None:
    state = state_after(
        e.RunQueued(pipeline="customer_service_flow"),
        steps("a"),
        e.StepCompleted(step="a"),
        e.RunCompleted(outputs={"result": "ok"}),
    )
    shown = execution(state)
    untouched = msgspec.json.decode(shown.pop("x_state"))
    assert ("completed", "customer_service_flow") == (untouched["status"], untouched["pipeline"])
    assert {
        "execution_id": "r1",
        "type": "pipeline",
        "target_id": "customer_service_flow",
        "status": "completed",
        "progress": {"current_step": 1, "total_steps": 1, "percentage": 100.0},
        "started_at": "2026-01-01T00:00:01.000Z",
        "ended_at": "2026-01-01T00:00:03.000Z",
        "outputs": {"result": "ok"},
    } == shown


def test_how_it_failed() -> None:
    error = e.Failure(type="ValueError", message="Invalid input", details={"field": "x"}, stack="…")
    happened: list[e.Event] = [e.RunStarted(), e.RunFailed(error=error)]
    expected = {"type": "ValueError", "message": "Invalid input", "details": {"field": "x"}}
    assert expected == told(*happened)[-1]["error"]
    assert expected == execution(state_after(*happened))["error"]
    bare: list[e.Event] = [e.RunStarted(), e.RunFailed(error=e.Failure())]
    assert {"type": "Error", "message": ""} == told(*bare)[-1]["error"]


def test_a_failure_leaves_the_percentage_where_it_was() -> None:
    happened: list[e.Event] = [
        steps("a", "b"),
        e.StepCompleted(step="a"),
        e.RunFailed(error=OUT_OF_MEMORY),
    ]
    messages = told(*happened)
    assert ["progress", "failed"] == kinds(messages)[-2:]
    assert [1, 2, 50.0, None] == row(messages[-2]["progress"])
    assert [1, 2, 50.0, None] == row(progress(state_after(*happened)))


def test_an_execution_without_outputs_completes_with_none() -> None:
    assert {} == told(e.RunStarted(), e.RunCompleted())[-1]["outputs"]


def test_a_cancelled_execution() -> None:
    last = told(e.RunStarted(), e.RunCancelled(reason="wrong month"))[-1]
    assert {"type", "execution_id", "status", "timestamp"} == set(last)
    assert ("cancelled", "cancelled") == (last["type"], last["status"])


def test_the_time_of_a_message_is_that_of_the_event() -> None:
    [record] = records_of(e.RunStarted())
    payload = b'{"type":"run.started","time":"2026-01-01T02:00:00.5+02:00"}'
    [message] = said(live(STORY, [Record(1, record.stored_at, payload)]))
    assert "2026-01-01T00:00:00.500Z" == message["timestamp"]
    assert "2026-01-01T00:00:00.000Z" == told(e.RunStarted())[0]["timestamp"]


def test_what_changes_nothing_is_not_told() -> None:
    happened: list[e.Event] = [
        steps("a", "b"),
        e.StepStarted(step="a"),
        e.StepCompleted(step="a"),
        e.RunFailed(error=OUT_OF_MEMORY),
    ]
    before = told(*happened[:-1])
    repeated = [happened[2], happened[1], e.RunHeartbeat(), e.RunAnnotated(labels={"x": "y"})]
    assert before == told(*happened[:-1], *repeated)
    ended = told(*happened)
    for late_event in (happened[0], e.StepCompleted(step="b"), e.RunCompleted()):
        assert ended == told(*happened, late_event)


def test_another_attempt_begins_anew() -> None:
    """Its numbers begin at 0; what the first one still says is not told."""
    happened: list[e.Event] = [
        steps("a", "b"),
        e.StepCompleted(step="a"),
        e.RunQueued(attempt=2),
        e.RunStarted(attempt=2),
        e.RunCompleted(attempt=1),
    ]
    messages = told(*happened)
    assert ["started", "progress", "progress", "status", "started", "progress"] == kinds(messages)
    assert "pending" == messages[3]["status"]
    assert [0, 2, 0.0, None] == row(messages[3]["progress"]) == row(messages[-1]["progress"])


def test_a_later_attempt_that_reports_nothing_yet_stands_at_0() -> None:
    """Else a page would go on showing how far the one before had come."""
    messages = told(e.RunProgress(current=3, total=5), e.RunStarted(attempt=2))
    assert [0, 0, 0.0, None] == row(messages[-1]["progress"])


def test_an_execution_that_is_cancelled_while_it_waits_was_never_running() -> None:
    assert ["status", "cancelled"] == kinds(told(e.RunQueued(plan=planned("a")), e.RunCancelled()))


def test_what_is_announced_while_it_waits_is_told() -> None:
    [status] = told(e.RunQueued(), e.RunQueued(plan=planned("a", "b")))
    assert ("status", "pending") == (status["type"], status["status"])
    assert [0, 2, 0.0, None] == row(status["progress"])


def test_another_attempt_that_waits_stands_at_0_for_who_comes_back_too() -> None:
    happened = (e.RunProgress(current=3, total=5), e.RunQueued(attempt=2))
    assert told(*happened)[-1:] == told_late(*happened)
    assert [0, 0, 0.0, None] == row(told_late(*happened)[0]["progress"])


def test_a_step_that_is_renamed_while_it_runs() -> None:
    begun = (e.RunStarted(), e.StepStarted(step="a", name="Read"))
    assert told(*begun) == told(*begun, begun[1])
    renamed = told(*begun, e.StepStarted(step="a", name="Write"))
    assert "Write" == renamed[-1]["progress"]["current_step_name"]


def test_only_the_last_message_has_the_cursor() -> None:
    """Who comes back with it has all of the event's messages."""
    records = records_of(steps("a"), e.RunCompleted())
    assert [None, f"{EPOCH}-1", None, f"{EPOCH}-2"] == cursors_of(live(STORY, records))
    assert [None, f"{EPOCH}-2"] == cursors_of(late(STORY, records))


def cursors_of(messages: list[Message]) -> list[str | None]:
    return [None if cursor is None else str(cursor) for _, _, cursor in messages]


def test_a_large_state_does_not_travel_along() -> None:
    state = state_after(steps(*(f"step {n}" for n in range(2_000))))
    assert len(msgspec.json.encode(state)) > X_STATE_MAX
    assert "x_state" not in execution(state)


@given(st.lists(common_events, max_size=30))
def test_live_and_late_end_in_the_same_picture(happened: list[e.Event]) -> None:
    """Up to the end of the run: with that a socket closes."""
    fold = Fold(initial("default", "r1"))
    records = []
    for record in records_of(*happened):
        fold.add_record(record)
        records.append(record)
        if fold.state.ended:
            break
    if fold.state.status != "queued":
        seen = said(live(STORY, records))
        assert picture(said(late(STORY, records))) == picture(seen)


def picture(messages: list[Said]) -> Said:
    """What a page shows that got the messages: at the end no step is under way any more."""
    shown: Said = {"progress": {"current_step": 0, "total_steps": 0, "percentage": 0.0}}
    for message in messages:
        shown["status"] = message["status"]
        shown.update({k: message[k] for k in ("progress", "outputs", "error") if k in message})
    if shown["status"] in TERMINAL:
        shown["progress"].pop("current_step_name", None)
    return shown
