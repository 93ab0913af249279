"""A run told as the execution of a graph: what is told, and that who comes late sees the same."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.model import events as e
from broker.model.record import Record
from broker.model.state import TERMINAL
from broker.views.graphs import GraphsStory
from broker.views.message import Message
from tests.compat.golden_files import check
from tests.compat.scenarios import SCENARIOS
from tests.compat.told import framed, late, live, state_of
from tests.unit.runs import OUT_OF_MEMORY, planned, records_of

STORY = GraphsStory()

STARTED = e.RunStarted(plan=planned("read", "count"), labels={"graph_id": "g-1"})


def frames(messages: Iterable[Message]) -> list[dict[str, Any]]:
    return [json.loads(message.data) for message in messages]


def picture(told: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What a page has drawn after the frames: the graph, each node, and how the run stands."""
    drawn: dict[str, Any] = {"nodes": {}, "run": None}
    for frame in told:
        node = frame.get("node_id")
        if frame["type"] == "start":
            drawn = {"nodes": {}, "run": "executing", "start": frame}
        elif node is None:
            drawn["run"] = {k: v for k, v in frame.items() if k != "timestamp"}
        elif frame["type"] == "node_start":
            drawn["nodes"][node] = "executing"
        else:
            kept = {k: v for k, v in frame.items() if k != "timestamp"}
            drawn["nodes"][node] = kept
    return drawn


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_golden_frames(scenario: str) -> None:
    """Byte for byte, to who was there and to who comes late."""
    records = SCENARIOS[scenario]
    told = {"live": framed(live(STORY, records)), "late": framed(late(STORY, records))}
    check(f"graphs-{scenario}", told)


def test_a_run_is_told_from_start_to_complete() -> None:
    told = frames(
        live(
            STORY,
            records_of(
                STARTED,
                e.StepStarted(step="read", name="Read it"),
                e.StepCompleted(step="read", outputs={"lines": 3}, duration=0.25),
                e.RunCompleted(outputs={"words": 7}),
            ),
        )
    )
    begun = {"node_id": "read", "node_name": "Read it"}
    untouched = told[-1].pop("x_state")
    assert ("completed", {"words": 7}) == (untouched["status"], untouched["outputs"])
    assert [
        {
            "type": "start",
            "execution_id": "r1",
            "graph_id": "g-1",
            "total_nodes": 2,
            "nodes": [
                {"id": "read", "name": "read", "after": []},
                {"id": "count", "name": "count", "after": []},
            ],
            "timestamp": "2026-01-01T00:00:00.000Z",
        },
        {"type": "node_start", **begun, "timestamp": "2026-01-01T00:00:01.000Z"},
        {
            "type": "node_complete",
            **begun,
            "timestamp": "2026-01-01T00:00:02.000Z",
            "duration": 0.25,
            "result": {"lines": 3},
        },
        {
            "type": "complete",
            "timestamp": "2026-01-01T00:00:03.000Z",
            "duration": 3.0,
            "result": {"words": 7},
            "summary": {"total": 2, "completed": 1, "failed": 0, "skipped": 0},
        },
    ] == told


def test_a_failed_node_is_an_error_with_its_id_and_the_run_goes_on() -> None:
    told = frames(
        live(
            STORY,
            records_of(
                STARTED,
                e.StepStarted(step="read"),
                e.StepFailed(step="read", error=OUT_OF_MEMORY, duration=2.0),
                e.StepStarted(step="count"),
                e.StepCompleted(step="count"),
                e.RunCompleted(),
            ),
        )
    )
    kinds = [(frame["type"], frame.get("node_id")) for frame in told]
    assert [
        ("start", None),
        ("node_start", "read"),
        ("error", "read"),
        ("node_start", "count"),
        ("node_complete", "count"),
        ("complete", None),
    ] == kinds
    assert ("out of memory", 2.0) == (told[2]["error"], told[2]["duration"])
    assert {"total": 2, "completed": 1, "failed": 1, "skipped": 0} == told[-1]["summary"]


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (e.RunFailed(error=e.Failure(type="OSError", message="no disk")), "no disk"),
        (e.RunFailed(error=e.Failure(type="OSError")), "OSError"),
        (e.RunFailed(error=e.Failure()), "failed"),
        (e.RunCancelled(by="ann", reason="wrong"), "cancelled"),
    ],
)
def test_a_run_that_did_not_end_well_ends_with_an_error_of_no_node(
    end: e.Event, error: str
) -> None:
    for told in (live, late):
        last = frames(told(STORY, records_of(STARTED, end)))[-1]
        assert ("error", error) == (last["type"], last["error"])
        assert "node_id" not in last


def test_a_node_that_is_tried_again_starts_again() -> None:
    """Once, be it while it waits; what failed before is told if nothing has told it yet."""
    begun = (STARTED, e.StepStarted(step="read"))
    again = (
        e.StepRetrying(step="read", error=OUT_OF_MEMORY, delay=3),
        e.StepRetrying(step="read", error=OUT_OF_MEMORY, delay=6),
        e.StepStarted(step="read"),
    )
    failed = e.StepFailed(step="read", error=OUT_OF_MEMORY)
    for events in ((*begun, failed, *again), (*begun, *again)):
        kinds = [frame["type"] for frame in frames(live(STORY, records_of(*events)))]
        assert ["start", "node_start", "error", "node_start"] == kinds
    silently = records_of(*begun, e.StepRetrying(step="read"), e.StepStarted(step="read"))
    kinds = [frame["type"] for frame in frames(live(STORY, silently))]
    assert ["start", "node_start", "node_start"] == kinds


@pytest.mark.parametrize("quiet", [e.RunLost(), e.RunPaused(), e.RunHeartbeat(), e.RunAnnotated()])
def test_what_the_document_has_no_word_for_is_not_told(quiet: e.Event) -> None:
    before = records_of(STARTED, e.StepStarted(step="read"))
    with_it = records_of(STARTED, e.StepStarted(step="read"), quiet)
    for told in (live, late):
        assert frames(told(STORY, before)) == frames(told(STORY, with_it))


def test_before_it_starts_nothing_is_told() -> None:
    queued = records_of(e.RunQueued(pipeline="graphs"), e.RunLost())
    assert [] == live(STORY, queued) == late(STORY, queued)


def test_a_later_attempt_starts_anew_and_what_comes_of_the_earlier_is_not_told() -> None:
    records = records_of(
        STARTED,
        e.StepStarted(step="read"),
        e.RunStarted(attempt=2),
        e.StepCompleted(step="read", attempt=1),
        e.StepStarted(step="count", attempt=2),
    )
    kinds = [(frame["type"], frame.get("node_id")) for frame in frames(live(STORY, records))]
    assert [
        ("start", None),
        ("node_start", "read"),
        ("start", None),
        ("node_start", "count"),
    ] == kinds


def test_after_the_end_nothing_is_told() -> None:
    ended = (STARTED, e.RunCompleted())
    late_words = (e.StepStarted(step="read"), e.RunFailed(error=OUT_OF_MEMORY), e.RunHeartbeat())
    assert live(STORY, records_of(*ended)) == live(STORY, records_of(*ended, *late_words))


@pytest.mark.parametrize(
    ("outputs", "result"),
    [
        ({"a": 1}, {"a": 1}),
        ({"result": [1, 2]}, [1, 2]),
        ({"result": 0}, 0),
        ({"result": {"result": 1}}, {"result": 1}),
        ({"result": 1, "b": 2}, {"result": 1, "b": 2}),
        ({}, {}),
    ],
)
def test_a_result_is_what_the_node_gave(outputs: dict[str, Any], result: object) -> None:
    records = records_of(STARTED, e.StepCompleted(step="read", outputs=outputs))
    for told in (live, late):
        assert result == frames(told(STORY, records))[-1]["result"]


def test_a_result_that_a_state_does_not_hold_is_told_all_the_same_to_who_is_there() -> None:
    records = records_of(STARTED, e.StepCompleted(step="read", outputs={"text": "x" * 10_000}))
    assert 10_000 == len(frames(live(STORY, records))[-1]["result"]["text"])
    assert "result" not in frames(late(STORY, records))[-1]


def test_a_skipped_node_is_complete_and_says_why() -> None:
    told = frames(
        live(
            STORY,
            records_of(
                STARTED,
                e.StepSkipped(step="read", reason="cached"),
                e.StepSkipped(step="count"),
                e.StepCancelled(step="third"),
            ),
        )
    )
    assert [
        ("node_complete", {"skipped": "cached"}),
        ("node_complete", {"skipped": True}),
        ("error", None),
    ] == [(frame["type"], frame.get("result")) for frame in told[1:]]
    assert "cancelled" == told[-1]["error"]


def test_late_frames_are_in_the_order_of_their_times() -> None:
    records = records_of(
        STARTED,
        e.StepStarted(step="count"),
        e.StepStarted(step="read"),
        e.StepCompleted(step="count"),
        e.StepCompleted(step="read"),
    )
    assert frames(live(STORY, records)) == frames(late(STORY, records))


def test_the_cursor_stands_on_the_last_message_of_an_event() -> None:
    """Who has it has both, and who was cut between them gets both again."""
    told = live(STORY, records_of(e.StepStarted(step="read")))
    assert ["start", "node_start"] == [frame["type"] for frame in frames(told)]
    assert [None, "e1-1"] == [message.cursor and str(message.cursor) for message in told]


step_names = st.sampled_from(["read", "count", "größe"])
documents = st.none() | st.dictionaries(st.sampled_from(["a", "result"]), st.integers(0, 3))
errors = st.builds(e.Failure, message=st.sampled_from(["", "no disk"]))
happenings = st.lists(
    st.one_of(
        st.builds(e.RunStarted, plan=st.none() | st.just(planned("read", "count"))),
        st.builds(e.StepStarted, step=step_names, name=st.none() | st.just("Name")),
        st.builds(e.StepProgress, step=step_names, current=st.just(1)),
        st.builds(e.StepCompleted, step=step_names, outputs=documents, duration=st.none()),
        st.builds(e.StepFailed, step=step_names, error=errors),
        st.builds(e.StepRetrying, step=step_names, error=st.none() | errors),
        st.builds(e.StepSkipped, step=step_names),
        st.builds(e.StepCancelled, step=step_names),
        st.builds(e.RunLost),
        st.builds(e.RunPaused),
        st.builds(e.RunHeartbeat),
        st.builds(e.RunStarted, attempt=st.just(2)),
    ),
    max_size=12,
)
ends = st.sampled_from(
    [None, e.RunCompleted(), e.RunFailed(error=OUT_OF_MEMORY), e.RunCancelled(by="ann")]
)


@given(st.booleans(), happenings, ends)
def test_who_comes_late_sees_what_those_see_who_were_there(
    planned_first: bool, happened: list[e.Event], end: e.Event | None
) -> None:
    """But for names and nodes that were told after they were shown."""
    first: list[e.Event] = [e.RunQueued(plan=planned("read", "count"))] if planned_first else []
    records: list[Record] = records_of(*first, *happened, *([end] if end else []))
    there, after = picture(frames(live(STORY, records))), picture(frames(late(STORY, records)))
    for drawn in (there, after):
        drawn.pop("start", None)
        for node in drawn["nodes"].values():
            if isinstance(node, dict):
                node.pop("node_name")
    assert there == after
    assert (state_of(records).status in TERMINAL) == isinstance(after["run"], dict)
