"""The broker's own views, byte for byte."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given

from broker.errors import MalformedEvent
from broker.model.cursor import Cursor
from broker.model.decode import decode, encode
from broker.model.events import (
    Event,
    Failure,
    RunCompleted,
    RunFailed,
    RunStarted,
    StepCompleted,
    StepProgress,
    Unknown,
)
from broker.model.evolve import Fold
from broker.model.patch import Watch
from broker.model.record import Record
from broker.views.message import Change, Message
from broker.views.native import (
    VIEWS,
    EventsView,
    StateView,
    event_json,
    name_of,
    rfc3339,
    snapshot_json,
)
from tests import strategies as some
from tests.unit.runs import T0, at, new, planned, records_of, state_after

RUN: list[Event] = [
    RunStarted(pipeline="etl", plan=planned("load", "save")),
    StepProgress(step="load", current=5, total=10, unit="rows"),
    StepCompleted(step="load"),
]


def change_by(*happened: Event | bytes, after: int) -> Change:
    """What happened to a run after its first records, watched."""
    log = records_of(*happened)
    fold = Fold(new())
    fold.extend(log[:after])
    watch = Watch(fold)
    reports = []
    for record in log[after:]:
        event = fold.add_record(record)
        assert event is not None
        if not isinstance(event, MalformedEvent):
            reports.append((event, record))
    return Change("e1", reports, fold.state, watch.patch())


def shown(payload: bytes) -> bytes:
    """A payload stored as 7 at `T0`, as the events view shows it."""
    return event_json(decode(payload), Record(7, T0, payload), "e1")


# --- The state view -------------------------------------------------------------------------------


def test_a_snapshot() -> None:
    """The whole state, with its cursor in place of the sequence."""
    golden = (
        b'{"run":"r1","tenant":"default","status":"running","attempt":1,"pipeline":"etl",'
        b'"progress":{"fraction":0.25},'
        b'"counts":{"total":2,"pending":1,"running":1,"completed":0,"failed":0,"skipped":0,'
        b'"cancelled":0},'
        b'"steps":{'
        b'"load":{"index":0,"status":"running","weight":1.0,"current":5,"total":10,"unit":"rows",'
        b'"ppm":500000,"started_at":"2026-01-01T00:00:01Z"},'
        b'"save":{"index":1,"status":"pending","weight":1.0}},'
        b'"started_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:01Z",'
        b'"last_seen":"2026-01-01T00:00:01Z","events":2,"cursor":"e1-2"}'
    )
    state = state_after(*RUN[:2])
    assert [Message("snapshot", golden, Cursor("e1", 2))] == list(StateView().snapshot(state, "e1"))


def test_a_patch() -> None:
    """What changed since the last look, with the cursor that the snapshot would have."""
    golden = (
        b'{"progress":{"fraction":0.5},'
        b'"counts":{"running":0,"completed":1},'
        b'"updated_at":"2026-01-01T00:00:02Z","last_seen":"2026-01-01T00:00:02Z","events":3,'
        b'"steps":{"load":{"status":"completed","ppm":1000000,'
        b'"ended_at":"2026-01-01T00:00:02Z","duration":1.0}},'
        b'"cursor":"e1-3"}'
    )
    change = change_by(*RUN, after=2)
    assert [Message("patch", golden, Cursor("e1", 3))] == list(StateView().changes(change))


def test_a_malformed_record_moves_the_cursor() -> None:
    """A client that comes back with it is not sent the same again."""
    change = change_by(RunStarted(), b"garbage", after=1)
    expected = Message("patch", b'{"cursor":"e1-2"}', Cursor("e1", 2))
    assert [expected] == list(StateView().changes(change))


def test_the_snapshot_of_nothing() -> None:
    """A run without events has a snapshot too, at sequence 0."""
    golden = (
        b'{"run":"r1","tenant":"default","status":"queued","attempt":1,"progress":{},'
        b'"counts":{"total":0,"pending":0,"running":0,"completed":0,"failed":0,"skipped":0,'
        b'"cancelled":0},"steps":{},"events":0,"cursor":"e1-0"}'
    )
    assert golden == snapshot_json(new(), "e1")


# --- The events view ------------------------------------------------------------------------------


def test_events_are_shown_as_stored() -> None:
    """Each event in order under its own name, with its cursor, and a time in any case."""
    change = change_by(
        RunStarted(),
        b'{ "type": "step.progress",\n "step": "load", "current": 5.0, "new": "field" }',
        StepCompleted(step="load", time=at(1.5)),
        b"garbage",
        b'{"type":"run.canceled"}',
        after=1,
    )
    assert [
        Message(
            "step.progress",
            b'{ "type": "step.progress",  "step": "load", "current": 5.0, "new": "field" '
            b',"time":"2026-01-01T00:00:01.000Z","cursor":"e1-2"}',
            Cursor("e1", 2),
        ),
        Message(
            "step.completed",
            b'{"type":"step.completed","time":"2026-01-01T00:00:01.500000Z","step":"load",'
            b'"cursor":"e1-3"}',
            Cursor("e1", 3),
        ),
        Message(
            "run.cancelled",
            b'{"type":"run.cancelled","time":"2026-01-01T00:00:04.000Z","cursor":"e1-5"}',
            Cursor("e1", 5),
        ),
    ] == list(EventsView().changes(change))


@given(some.payloads)
def test_every_event_is_one_line_of_json(payload: bytes) -> None:
    """What was stored, and besides it the cursor and a time, whatever the payload holds."""
    try:
        event = decode(payload)
    except MalformedEvent:
        return
    line = event_json(event, Record(7, T0, payload), "e1")
    assert b"\n" not in line
    stored, sent = json.loads(payload), json.loads(line)
    assert "e1-7" == sent.pop("cursor")
    time = stored.get("time")
    assert (rfc3339(T0) if time is None else time) == sent.pop("time")
    kept = {k: v for k, v in stored.items() if k not in ("time", "cursor", "type")}
    assert kept == {k: v for k, v in sent.items() if k != "type"}


@pytest.mark.parametrize(
    ("payload", "time"),
    [
        (b'{"type":"run.started"}', "2026-01-01T00:00:00.000Z"),
        (b'{"type":"run.started","time":null}', "2026-01-01T00:00:00.000Z"),
        (b'{"type":"run.started","time":"2025-12-31T23:00:00-01:00"}', "2025-12-31T23:00:00-01:00"),
        (b'{"type":"x.y"}', "2026-01-01T00:00:00.000Z"),
        (b'{"type":"x.y","time":null}', "2026-01-01T00:00:00.000Z"),
        (b'{"type":"x.y","time":"yesterday"}', "yesterday"),
        (b'{"type":"x.y","data":{"time":"yesterday"}}', "2026-01-01T00:00:00.000Z"),
    ],
)
def test_the_time_of_an_event(payload: bytes, time: str) -> None:
    """The producer's own, as it wrote it; else when the event was stored."""
    assert time == json.loads(shown(payload))["time"]


def test_an_events_own_cursor_does_not_count() -> None:
    """A producer cannot send a client to another place: the last of two members wins."""
    assert "e1-7" == json.loads(shown(b'{"type":"run.started","cursor":"e1-99"}'))["cursor"]


@given(some.any_event)
def test_a_known_event_is_sent_under_its_type(event: Event) -> None:
    """`event:` is the type itself."""
    assert name_of(event) == json.loads(encode(event))["type"]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("order.shipped", "order.shipped"),
        ("com.example.order.shipped", "com.example.order.shipped"),
        ("a.b.c.d.e", "unknown"),
        ("error", "unknown"),
        ("open", "unknown"),
        ("message", "unknown"),
        ("snapshot", "unknown"),
        ("end", "unknown"),
        ("", "unknown"),
        (".", "unknown"),
        ("x.", "unknown"),
        ("x.y\nid: 7", "unknown"),
        ("x.y\n", "unknown"),
        ("größe.neu", "unknown"),
        ("x." + "y" * 33, "unknown"),
    ],
)
def test_names_of_foreign_events(tag: str, expected: str) -> None:
    """A foreign type keeps its name only where no client could take it for something else."""
    assert expected == name_of(Unknown(tag=tag))


# --- Both -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize(
    ("last", "status"),
    [(RunCompleted(), "completed"), (RunFailed(error=Failure(message="no")), "failed")],
)
def test_the_end(view: StateView | EventsView, last: Event, status: str) -> None:
    """The last message says how the run ended; it carries no state, so no cursor."""
    state = state_after(*RUN, last)
    golden = b'{"run":"r1","status":"%b"}' % status.encode()
    assert [Message("end", golden)] == list(view.end(state))


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_both_views_have_the_same_snapshot(view: StateView | EventsView) -> None:
    """A client whose cursor is of no use begins with the state in either view."""
    state = state_after(*RUN)
    expected = Message("snapshot", snapshot_json(state, "e1"), Cursor("e1", 3))
    assert [expected] == list(view.snapshot(state, "e1"))


def test_what_the_views_are() -> None:
    """One conflates and needs patches, the other shows every event and needs none."""
    traits: Sequence[tuple[str, bool, bool]] = [
        (view.name, view.contiguous, view.patched) for view in VIEWS.values()
    ]
    assert [("state", False, True), ("events", True, False)] == traits
    assert ["state", "events"] == list(VIEWS)


def test_rfc3339() -> None:
    """UTC, to the millisecond."""
    assert "2026-01-01T00:00:01.500Z" == rfc3339(at(1.5))
