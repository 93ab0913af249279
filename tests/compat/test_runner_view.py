"""The runner's interface: what is told live, what a late client gets, and the answer to a poll."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.dialects.runner import PLAN
from broker.model import events as e
from broker.model.decode import encode
from broker.model.evolve import Fold
from broker.model.loglines import EVERY
from broker.model.record import Record
from broker.model.state import initial
from broker.views.message import Change, Message
from broker.views.runner import RunnerLines, RunnerStory, status_document
from broker.views.untouched import X_STATE_MAX
from tests.compat import golden_files
from tests.compat.scenarios import SCENARIOS
from tests.compat.told import framed, late, live, state_of
from tests.strategies import common_events
from tests.unit.runs import OUT_OF_MEMORY, T0, planned, records_of, state_after

STORY = RunnerStory()

Frame = dict[str, Any]


def frames(messages: list[Message]) -> list[Frame]:
    assert {""} >= {message.kind for message in messages}
    return [json.loads(message.data) for message in messages]


def told(*happened: e.Event) -> list[Frame]:
    """What was told of events."""
    return frames(live(STORY, records_of(*happened)))


def told_late(*happened: e.Event) -> list[Frame]:
    """What one is told who comes after events."""
    return frames(late(STORY, records_of(*happened)))


def short(shown: list[Frame]) -> list[str]:
    """Frames without their numbers, to be read in a row."""
    return [" ".join([frame.get("layer", "run"), frame["status"]]) for frame in shown]


def layers(*names: str) -> e.RunStarted:
    return e.RunStarted(plan=planned(*names))


@pytest.mark.parametrize("name", SCENARIOS)
def test_golden(name: str) -> None:
    """What is told to who was there and to who comes late, and the answer to a poll."""
    records = SCENARIOS[name]
    golden_files.check(
        f"runner_{name}",
        {
            "live": framed(live(STORY, records)),
            "late": framed(late(STORY, records)),
            "GET /status": msgspec.json.encode(status_document(state_of(records))) + b"\n",
        },
    )


def test_frames_have_the_members_of_the_document_in_its_order() -> None:
    shown = live(
        STORY,
        records_of(
            e.RunStarted(plan=PLAN),
            e.StepStarted(step="intake"),
            e.StepCompleted(step="intake", duration=2.5),
            e.StepStarted(step="pain_points"),
            e.StepFailed(
                step="pain_points",
                error=e.Failure(message="API rate limit exceeded"),
                duration=1.2,
            ),
        ),
    )
    assert [
        b'{"layer":"intake","status":"executing","index":0,"progress":0}',
        b'{"layer":"intake","status":"success","index":0,"duration":2.5,"progress":14}',
        b'{"layer":"pain_points","status":"executing","index":1,"progress":14}',
        b'{"layer":"pain_points","status":"failed","index":1,"error":"API rate limit exceeded",'
        b'"duration":1.2,"progress":14}',
    ] == [message.data for message in shown]


def test_a_run_that_completed_says_so_last() -> None:
    shown = told(layers("a"), e.StepCompleted(step="a"), e.RunCompleted())
    assert ["a success", "run complete"] == short(shown)
    assert {"status": "complete", "progress": 100} == shown[-1]


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (e.RunFailed(error=OUT_OF_MEMORY), "out of memory"),
        (e.RunFailed(error=e.Failure(type="MemoryError")), "MemoryError"),
        (e.RunFailed(error=e.Failure()), "failed"),
        (e.RunCancelled(by="ann", reason="wrong month"), "cancelled"),
    ],
)
def test_a_run_that_did_not_complete_has_failed(end: e.Event, error: str) -> None:
    happened = (layers("a", "b"), e.StepCompleted(step="a"), e.StepStarted(step="b"), end)
    last = {"status": "failed", "error": error}
    assert [last] == told(*happened)[-1:] == told_late(*happened)[-1:]
    document = status_document(state_after(*happened))
    assert ["failed", error, 0.5] == [document[name] for name in ("status", "error", "progress")]


@pytest.mark.parametrize(
    ("status", "happened"),
    [
        ("pending", [e.RunQueued()]),
        ("running", [e.RunStarted()]),
        ("running", [e.RunStarted(), e.RunPaused()]),
        ("running", [e.RunStarted(), e.RunLost()]),
        ("completed", [e.RunCompleted()]),
        ("failed", [e.RunFailed(error=OUT_OF_MEMORY)]),
        ("failed", [e.RunCancelled()]),
    ],
)
def test_the_status_of_a_run(status: str, happened: list[e.Event]) -> None:
    state = state_after(*happened)
    document = json.loads(msgspec.json.encode(status_document(state)))
    assert status == document["status"]
    assert state.status == document["x_state"]["status"]


@pytest.mark.parametrize("happened", [e.RunPaused(), e.RunLost()])
def test_a_run_that_is_paused_or_lost_has_not_ended(happened: e.Event) -> None:
    begun = (layers("a"), e.StepStarted(step="a"))
    assert ["a executing"] == short(told(*begun, happened)) == short(told_late(*begun, happened))


def test_the_statuses_of_layers() -> None:
    happened = (
        layers("a", "b", "c", "d", "e", "f"),
        e.StepStarted(step="a"),
        e.StepCompleted(step="b"),
        e.StepSkipped(step="c"),
        e.StepFailed(step="d", error=OUT_OF_MEMORY),
        e.StepCancelled(step="e"),
    )
    document = status_document(state_after(*happened))
    rows = [(layer["name"], layer["status"], layer["error"]) for layer in document["layers"]]
    assert [
        ("a", "executing", None),
        ("b", "success", None),
        ("c", "skipped", None),
        ("d", "failed", "out of memory"),
        ("e", "failed", "cancelled"),
        ("f", "pending", None),
    ] == rows
    assert [f"{name} {status}" for name, status, _ in rows[:-1]] == short(told(*happened))
    assert short(told(*happened)) == short(told_late(*happened))


def test_a_layer_that_is_tried_again_executes_again() -> None:
    happened: list[e.Event] = [
        layers("a"),
        e.StepStarted(step="a"),
        e.StepFailed(step="a", error=OUT_OF_MEMORY),
        e.StepRetrying(step="a"),
        e.StepStarted(step="a"),
        e.StepCompleted(step="a"),
    ]
    assert ["a executing", "a failed", "a executing", "a success"] == short(told(*happened))
    assert not [frame for frame in told_late(*happened) if "error" in frame]
    at_once = [event for event in happened if not isinstance(event, e.StepFailed)]
    assert ["a executing", "a success"] == short(told(*at_once))


def test_what_changes_nothing_is_not_told() -> None:
    happened = (
        layers("a"),
        e.RunQueued(attempt=2),
        e.RunStarted(),
        e.StepStarted(step="a"),
        e.StepStarted(step="a"),
        e.StepFailed(step="a", error=OUT_OF_MEMORY, attempt=1),
        e.StepCompleted(step="a"),
        e.StepCompleted(step="a"),
        e.StepStarted(step="a"),
        e.RunHeartbeat(),
        e.RunCompleted(),
        e.RunFailed(error=OUT_OF_MEMORY),
        e.StepStarted(step="late"),
    )
    assert ["a pending", "a executing", "a success", "run complete"] == short(told(*happened))


def test_steps_of_a_layer_are_no_layers() -> None:
    happened = (
        layers("a"),
        e.StepStarted(step="a"),
        e.StepStarted(step="a/inner", parent="a"),
        e.StepFailed(step="a/inner", error=OUT_OF_MEMORY),
    )
    assert ["a executing"] == short(told(*happened)) == short(told_late(*happened))
    assert ["a"] == [layer["name"] for layer in status_document(state_after(*happened))["layers"]]


def test_a_late_client_gets_a_frame_for_each_layer_that_has_begun() -> None:
    happened = (
        e.RunStarted(plan=PLAN),
        e.StepCompleted(step="intake", duration=2.5),
        e.StepStarted(step="company_research"),
        e.StepStarted(step="pain_points"),
    )
    shown = late(STORY, records_of(*happened))
    assert ["intake success", "pain_points executing", "company_research executing"] == short(
        frames(shown)
    )
    assert [None, None, "e1-4"] == [m.cursor and str(m.cursor) for m in shown]


def test_the_next_attempt_begins_with_every_layer_pending() -> None:
    """A page that was cut off in the first attempt, and one that was not, come to the same."""
    first = (layers("a", "b"), e.StepCompleted(step="a"), e.StepStarted(step="b"))
    second = (e.RunStarted(attempt=2), e.StepStarted(step="a", attempt=2))
    there, back = told(*first, *second), told(*first) + told_late(*first, *second)
    assert ["a pending", "b pending", "a executing"] == short(there)[2:]
    assert page(there) == page(back)
    assert {"a": "executing", "b": "pending"} == page(back)


def test_a_layer_tells_how_far_the_run_is_percent_by_percent() -> None:
    steps = (e.StepProgress(step="a", current=n, total=1000) for n in range(500))
    shown = told(layers("a", "b"), *steps)
    assert list(range(25 + 1)) == [frame["progress"] for frame in shown]
    assert {"a executing"} == set(short(shown))


def test_progress_that_no_layer_made_is_told_by_the_layer_at_work() -> None:
    """Of the run itself, or of a part of a layer; between two layers by the last one."""
    happened: list[e.Event] = [
        layers("a", "b"),
        e.StepStarted(step="a"),
        e.RunProgress(current=30, total=100),
        e.StepCompleted(step="a"),
        e.RunProgress(current=60, total=100),
        e.RunProgress(current=60.1, total=100),
    ]
    shown = told(*happened)
    assert ["a executing", "a executing", "a success", "a success"] == short(shown)
    assert [0, 30, 30, 60] == [frame["progress"] for frame in shown]
    assert shown[-1:] == told_late(*happened)


def test_a_page_that_rounds_shows_100_only_when_the_run_completed() -> None:
    happened = (
        layers("a"),
        e.StepProgress(step="a", current=999, total=1000),
        e.StepFailed(step="a", error=OUT_OF_MEMORY),
    )
    failed = (*happened, e.RunFailed(error=OUT_OF_MEMORY))
    assert 99 == told(*happened)[-1]["progress"]
    assert 0.99 == status_document(state_after(*failed))["progress"]
    assert not [frame for frame in told(*failed) if 100 == frame.get("progress")]
    assert 1.0 == status_document(state_after(e.RunCompleted()))["progress"]


def test_the_document_of_a_poll() -> None:
    """The numbers of the document: four of seven layers are 0.57, three are 0.43."""
    done = [e.StepCompleted(step=step.step, duration=2.5) for step in PLAN[:4]]
    shown = status_document(
        state_after(e.RunStarted(plan=PLAN), *done, e.StepStarted(step="fit_scoring"))
    )
    del shown["x_state"]
    statuses = ["success"] * 4 + ["executing"] + ["pending"] * 2
    assert {
        "status": "running",
        "progress": 0.57,
        "layers": [
            {
                "name": step.step,
                "status": status,
                "duration": 2.5 if status == "success" else None,
                "error": None,
            }
            for step, status in zip(PLAN, statuses, strict=True)
        ],
        "error": None,
    } == shown
    three = state_after(e.RunStarted(plan=PLAN), *done[:3])
    assert 0.43 == status_document(three)["progress"]


def test_a_state_that_is_too_large_does_not_travel_along() -> None:
    large = state_after(e.RunStarted())
    assert "x_state" in status_document(large)
    large.outputs = {"y": "y" * X_STATE_MAX}
    assert "x_state" not in status_document(large)


def page(shown: list[Frame]) -> dict[str, str]:
    """What a page shows of the layers, and of the run, after frames."""
    found: dict[str, str] = {}
    for frame in shown:
        found[frame.get("layer", "run")] = frame["status"]
    return found


@given(st.lists(common_events, max_size=20))
def test_who_was_there_and_who_comes_late_see_the_same(happened: list[e.Event]) -> None:
    """Up to the first end, at which a client leaves."""
    records = _up_to_the_end(records_of(*happened))
    there = page(frames(live(STORY, records)))
    came_late = page(frames(late(STORY, records)))
    assert {k: v for k, v in there.items() if v != "pending"} == {
        k: v for k, v in came_late.items() if v != "pending"
    }


@given(st.lists(common_events, max_size=20))
def test_progress_never_falls_and_100_comes_last(happened: list[e.Event]) -> None:
    """Within an attempt: the next one begins anew."""
    first = [event for event in happened if event.attempt in (None, 1)]
    shown = frames(live(STORY, _up_to_the_end(records_of(*first))))
    progress = [frame["progress"] for frame in shown if "progress" in frame]
    assert sorted(progress) == progress
    assert 100 not in progress[:-1]
    assert (100 in progress) == (page(shown).get("run") == "complete")


def _up_to_the_end(records: list[Record]) -> list[Record]:
    fold = Fold(initial("default", "r1"))
    for number, record in enumerate(records, 1):
        fold.add_record(record)
        if fold.state.ended:
            return records[:number]
    return records


def test_the_log_is_lines_as_they_were_logged() -> None:
    lines = [
        e.LogLine(text="LAYER 2: Pain-Point Miner", level="error", step="pain_points"),
        e.LogLine(text="\x1b[31mred\x1b[0m\ttab"),
        e.LogLine(text="two\nlines"),
        e.LogLine(text=""),
    ]
    record = Record(7, T0, encode(e.LogAppended(lines=lines)))
    view = RunnerLines(EVERY)
    event = e.LogAppended(lines=lines)
    shown = list(view.changes(Change("e1", [(event, record)], state_after(), {})))
    assert (
        b"id: e1-7.0\ndata: LAYER 2: Pain-Point Miner\n\n"
        b"id: e1-7.1\ndata: red\ttab\n\n"
        b"id: e1-7.2\ndata: two\ndata: lines\n\n"
        b"id: e1-7.3\ndata: \n\n"
    ) == framed(shown)
    assert [] == list(view.hello({"resumed": False}))


@pytest.mark.parametrize(
    ("end", "word"),
    [
        (e.RunCompleted(), b"completed"),
        (e.RunFailed(error=OUT_OF_MEMORY), b"failed"),
        (e.RunCancelled(), b"failed"),
    ],
)
def test_the_log_ends_with_how_the_run_ended(end: e.Event, word: bytes) -> None:
    assert [("end", word, None)] == list(RunnerLines(EVERY).end(state_after(end)))
