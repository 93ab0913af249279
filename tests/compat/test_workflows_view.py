"""What the workflows interface tells of a run, to who was there and to who comes late."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given

from broker.model import events as e
from broker.model.decode import encode
from broker.model.record import Record
from broker.views.message import Message
from broker.views.untouched import X_STATE_MAX
from broker.views.workflows import WORKFLOWS
from tests.compat.golden_files import check
from tests.compat.scenarios import SCENARIOS
from tests.compat.told import framed, late, live, state_of
from tests.strategies import common_events, records
from tests.unit.runs import OUT_OF_MEMORY, planned, records_of

Said = dict[str, Any]


def said(messages: Iterable[Message]) -> list[Said]:
    """The messages as a client reads them."""
    return [json.loads(message.data) for message in messages]


def told(*happened: e.Event) -> list[Said]:
    """What a client hears that was there from the beginning."""
    return said(live(WORKFLOWS, records_of(*happened)))


def data_of(messages: Iterable[Said], kind: str) -> list[Said]:
    """The data of the messages of a type."""
    return [message["data"] for message in messages if message["type"] == kind]


def kinds(messages: Iterable[Said]) -> list[str]:
    """Their types."""
    return [message["type"] for message in messages]


class Page:
    """What a frontend of this interface shows after the messages."""

    def __init__(self, messages: Iterable[Said]) -> None:
        self.begun = False
        self.steps: dict[int, Said] = {}
        self.end: Said | None = None
        for message in messages:
            self.take(message["type"], message["data"])

    def take(self, kind: str, data: Said) -> None:
        if kind == "execution_started":
            self.begun, self.end = True, None
            self.steps.clear()
        elif kind == "step_started":
            self.steps[data["step_number"]] = {"step_name": data["step_name"]}
        elif kind.startswith("step"):
            told = ("step_name", "status", "execution_time_ms", "error_message")
            self.steps[data["step_number"]] = {name: data[name] for name in told}
        else:
            self.end = data


@pytest.mark.parametrize("name", SCENARIOS)
def test_golden(name: str) -> None:
    records = SCENARIOS[name]
    check(
        f"workflows-{name}",
        {
            "live": framed(live(WORKFLOWS, records)),
            "late": framed(late(WORKFLOWS, records)),
        },
    )


def three_steps() -> list[e.Event]:
    """A run of three steps, as its producer reports it."""
    happened: list[e.Event] = [
        e.RunStarted(total_steps=3, metadata={"deliverable_type": "risk_report"})
    ]
    for number, name in enumerate(("Read", "Score", "Write"), 1):
        step = f"step-{number}"
        function = {"function": f"{name.lower()}_it"}
        happened += [
            e.StepStarted(step=step, name=name, index=number - 1, metadata=function),
            e.StepCompleted(step=step, duration=0.25),
        ]
    return [
        *happened,
        e.RunAnnotated(metadata={"risk_score": 0.4, "requires_approval": True}),
        e.RunCompleted(),
    ]


def test_three_steps_are_33_66_100() -> None:
    """Every field that the document names, with its number."""
    messages = told(*three_steps())
    assert [
        "execution_started",
        *["step_started", "step_completed"] * 3,
        "execution_completed",
    ] == kinds(messages)
    assert {"r1"} == {message["execution_id"] for message in messages}
    [began] = data_of(messages, "execution_started")
    assert {
        "deliverable_type": "risk_report",
        "total_steps": 3,
        "started_at": "2026-01-01T00:00:00.000Z",
    } == began
    assert [
        {"step_number": 1, "step_name": "Read", "function": "read_it"},
        {"step_number": 2, "step_name": "Score", "function": "score_it"},
        {"step_number": 3, "step_name": "Write", "function": "write_it"},
    ] == data_of(messages, "step_started")
    ended = data_of(messages, "step_completed")
    assert [33, 66, 100] == [data["progress"] for data in ended]
    assert {
        "step_number": 2,
        "step_name": "Score",
        "status": "completed",
        "execution_time_ms": 250,
        "error_message": None,
        "progress": 66,
    } == ended[1]
    assert [
        {
            "status": "completed",
            "risk_score": 0.4,
            "requires_approval": True,
            "total_steps": 3,
            "successful_steps": 3,
            "progress": 100,
        }
    ] == data_of(messages, "execution_completed")


def test_who_comes_late_hears_every_message_with_the_progress_it_had() -> None:
    records = records_of(*three_steps())
    here, there = said(live(WORKFLOWS, records)), said(late(WORKFLOWS, records))
    for message in (here[0], there[0]):
        message.pop("x_state", None)
    assert here == there


@given(records(common_events.map(encode), min_size=1))
def test_live_and_late_show_the_same(happened: list[Record]) -> None:
    """Whatever happens, and wherever a client comes in, until the run has ended.

    Of an attempt that never began no beginning is told: who was there still sees the one before.
    A step is never found out to be a part of another when it was told already.
    """
    happened = [r for r in happened if r.payload != b"{}" and b'"parent"' not in r.payload]
    for upto in range(1, len(happened) + 1):
        state = state_of(happened[:upto])
        if state.started_at is None:
            continue
        here = Page(said(live(WORKFLOWS, happened[:upto])))
        there = Page(said(late(WORKFLOWS, happened[:upto])))
        assert here.begun == there.begun
        assert here.steps == there.steps
        assert here.end == there.end
        if state.ended:
            break


def test_steps_that_run_beside_each_other_are_told_in_the_order_of_their_times() -> None:
    records = records_of(
        e.RunStarted(plan=planned("a", "b", "c")),
        e.StepStarted(step="b"),
        e.StepStarted(step="a"),
        e.StepFailed(step="a", error=OUT_OF_MEMORY),
        e.StepCompleted(step="b"),
    )
    there = said(late(WORKFLOWS, records))
    assert said(live(WORKFLOWS, records))[1:] == there[1:]
    assert [
        ("step_started", 2, None),
        ("step_started", 1, None),
        ("step_failed", 1, 33),
        ("step_completed", 2, 66),
    ] == [(m["type"], m["data"]["step_number"], m["data"].get("progress")) for m in there[1:]]


def test_a_failed_step_counts_as_done_and_says_why() -> None:
    messages = told(
        e.RunStarted(total_steps=3),
        e.StepStarted(step="a"),
        e.StepFailed(step="a", error=OUT_OF_MEMORY, duration=0.0126),
        e.RunFailed(error=e.Failure(type="ValueError")),
    )
    [failed] = data_of(messages, "step_failed")
    assert ("failed", 13, "out of memory", 33) == (
        failed["status"],
        failed["execution_time_ms"],
        failed["error_message"],
        failed["progress"],
    )
    assert [{"error_message": "ValueError", "progress": 0}] == data_of(messages, "execution_failed")
    assert "execution_failed" == messages[-1]["type"]


def test_a_step_that_is_tried_again_starts_again() -> None:
    messages = told(
        e.RunStarted(plan=planned("a", "b")),
        e.StepStarted(step="a"),
        e.StepFailed(step="a", error=OUT_OF_MEMORY),
        e.StepRetrying(step="a"),
        e.StepStarted(step="a"),
        e.StepCompleted(step="a"),
    )
    assert [
        "execution_started",
        "step_started",
        "step_failed",
        "step_started",
        "step_completed",
    ] == kinds(messages)
    assert [50, 50] == [m["data"]["progress"] for m in messages if "progress" in m["data"]]


@pytest.mark.parametrize(
    ("by", "words"), [(None, "cancelled"), ("ann", "cancelled by ann")], ids=["unknown", "known"]
)
def test_a_cancelled_run_has_failed_and_says_by_whom(by: str | None, words: str) -> None:
    messages = told(
        e.RunStarted(plan=planned("a")),
        e.StepStarted(step="a"),
        e.StepCancelled(step="a"),
        e.RunCancelled(by=by),
    )
    [step] = data_of(messages, "step_failed")
    assert ("cancelled", "cancelled") == (step["status"], step["error_message"])
    assert [{"error_message": words, "progress": 0}] == data_of(messages, "execution_failed")


def test_a_skipped_step_is_done() -> None:
    messages = told(e.RunStarted(plan=planned("a", "b")), e.StepSkipped(step="a", cached=True))
    [data] = data_of(messages, "step_completed")
    assert ("skipped", 50, None, None) == (
        data["status"],
        data["progress"],
        data["execution_time_ms"],
        data["error_message"],
    )


def test_lost_and_paused_are_not_told() -> None:
    """A frontend that took them for an end would stop listening to a run that goes on."""
    begun = (e.RunStarted(plan=planned("a", "b")), e.StepStarted(step="a"))
    silent = (e.RunLost(threshold=30.0), e.RunRecovered(), e.RunPaused(), e.RunResumed())
    assert told(*begun) == told(*begun, *silent)
    recovered = told(*begun, e.RunLost(), e.StepCompleted(step="a"))
    assert [50] == [data["progress"] for data in data_of(recovered, "step_completed")]


def test_what_changes_nothing_is_not_told() -> None:
    once = (e.RunStarted(plan=planned("a")), e.StepStarted(step="a"), e.StepCompleted(step="a"))
    again = (*once, e.StepStarted(step="a"), e.StepCompleted(step="a"), e.RunStarted())
    assert told(*once) == told(*again)
    end = e.RunCompleted()
    assert told(*once, end) == told(*once, end, e.RunFailed(error=OUT_OF_MEMORY))
    after = (e.StepStarted(step="late"), e.StepStarted(step="b", attempt=1))
    assert told(*once, end) == told(*once, end, *after)


def test_another_attempt_is_told_from_its_beginning() -> None:
    first = (e.RunStarted(plan=planned("a")), e.StepStarted(step="a"))
    messages = told(*first, e.StepStarted(step="a", attempt=2), e.RunFailed(error=OUT_OF_MEMORY))
    assert ["execution_started", "step_started"] * 2 + ["execution_failed"] == kinds(messages)
    queued = (*first, e.RunFailed(error=OUT_OF_MEMORY), e.RunQueued(attempt=2))
    assert [] == late(WORKFLOWS, records_of(*queued))
    late_of_the_first = e.StepCompleted(step="a", attempt=1)
    assert told(*queued) == told(*queued, late_of_the_first)
    begun = (*first, e.RunStarted(attempt=2))
    assert told(*begun) == told(*begun, e.RunStarted(attempt=1, plan=planned("a", "b")))


def test_a_run_that_waits_is_not_told() -> None:
    assert [] == told(e.RunQueued(pipeline="p"))
    assert ["execution_started"] == kinds(told(e.RunQueued(pipeline="p"), e.RunPaused()))


def test_of_an_unknown_number_of_steps_no_percentage_is_invented() -> None:
    begun = (e.RunStarted(), e.StepStarted(step="a"))
    messages = told(*begun, e.StepCompleted(step="a"))
    assert [None] == [data["total_steps"] for data in data_of(messages, "execution_started")]
    assert [None] == [data["progress"] for data in data_of(messages, "step_completed")]
    measured = told(*begun, e.RunProgress(current=1, total=8), e.StepCompleted(step="a"))
    assert [12] == [data["progress"] for data in data_of(measured, "step_completed")]


def test_a_plan_that_turns_out_too_short_never_gives_more_than_100() -> None:
    messages = told(
        e.RunStarted(total_steps=1), *[e.StepCompleted(step=name) for name in ("a", "b", "c")]
    )
    assert [100, 100, 100] == [data["progress"] for data in data_of(messages, "step_completed")]


def test_more_steps_than_were_planned_take_nothing_back() -> None:
    """They are told, and the bar stays where the planned ones have brought it."""
    messages = told(
        e.RunStarted(plan=planned("a", "b")),
        e.StepCompleted(step="a"),
        *[e.StepStarted(step=name) for name in ("c", "d", "e")],
        e.StepCompleted(step="c"),
        e.StepCompleted(step="b"),
        e.RunCompleted(),
    )
    assert [50, 50, 100] == [data["progress"] for data in data_of(messages, "step_completed")]
    assert [2] == [data["total_steps"] for data in data_of(messages, "execution_started")]
    [end] = data_of(messages, "execution_completed")
    assert (5, 3) == (end["total_steps"], end["successful_steps"])


def test_a_part_of_a_step_is_no_step() -> None:
    parts = [e.StepStarted(step=f"a/{n}", parent="a") for n in range(10)]
    messages = told(
        e.RunStarted(total_steps=2),
        e.StepStarted(step="a"),
        *parts,
        *[e.StepCompleted(step=part.step) for part in parts],
        e.StepCompleted(step="a"),
        e.RunCompleted(),
    )
    assert ["execution_started", "step_started", "step_completed", "execution_completed"] == kinds(
        messages
    )
    assert (50, 2) == (messages[2]["data"]["progress"], messages[3]["data"]["total_steps"])


def test_a_plan_that_comes_late_gives_every_step_its_number() -> None:
    """All is told anew, as to who comes back: the numbers that were told are others now."""
    happened = (
        e.RunStarted(),
        e.StepStarted(step="b"),
        e.StepCompleted(step="b"),
        e.RunStarted(plan=planned("a", "b")),
    )
    messages = told(*happened)
    assert [1, 1, 2, 2] == [
        message["data"]["step_number"] for message in messages if "step" in message["type"]
    ]
    assert ([None, 2], [None, 50]) == (
        [data["total_steps"] for data in data_of(messages, "execution_started")],
        [data["progress"] for data in data_of(messages, "step_completed")],
    )
    assert messages[3:] == said(late(WORKFLOWS, records_of(*happened)))


def test_a_step_that_is_renamed_while_it_runs_starts_under_its_name() -> None:
    happened = (
        e.RunStarted(),
        e.StepProgress(step="a", current=1),
        e.StepStarted(step="a", name="Read"),
    )
    assert ["a", "Read"] == [data["step_name"] for data in data_of(told(*happened), "step_started")]


def test_steps_without_a_name_are_named_by_their_id() -> None:
    assert ["a"] == [
        data["step_name"] for data in data_of(told(e.StepStarted(step="a")), "step_started")
    ]


def test_the_word_of_the_producer_for_a_good_end_is_kept() -> None:
    annotated = e.RunAnnotated(metadata={"execution_status": "completed_with_warnings"})
    messages = told(e.RunStarted(), annotated, e.RunCompleted())
    [data] = data_of(messages, "execution_completed")
    assert "completed_with_warnings" == data["status"]


def test_the_state_travels_on_the_first_and_the_last_message() -> None:
    messages = told(*three_steps())
    assert [True, *[False] * 6, True] == ["x_state" in message for message in messages]
    assert ("running", "completed") == (
        messages[0]["x_state"]["status"],
        messages[-1]["x_state"]["status"],
    )
    assert "e1-1" == messages[0]["x_state"]["cursor"]


def test_a_large_state_does_not_travel() -> None:
    steps = [str(number) for number in range(X_STATE_MAX // 32)]
    [first] = told(e.RunStarted(plan=planned(*steps)))
    assert len(steps) == first["data"]["total_steps"]
    assert "x_state" not in first


def test_only_the_last_message_of_what_was_missed_has_a_cursor() -> None:
    """A client whose stream is cut in the middle has not got it all."""
    messages = late(WORKFLOWS, records_of(*three_steps()))
    assert [None] * 7 + ["e1-9"] == [str(m.cursor) if m.cursor else None for m in messages]
    assert [f"e1-{seq}" for seq in (1, 2, 3, 4, 5, 6, 7, 9)] == [
        str(message.cursor) for message in live(WORKFLOWS, records_of(*three_steps()))
    ]
