"""The lines of a story add up to the snapshot after each of its events."""

import json
from typing import Any

from hypothesis import given, settings

from broker.errors import MalformedEvent
from broker.model.bounds import Bounds
from broker.model.decode import decode
from broker.model.evolve import fold
from broker.model.record import Record
from broker.model.state import initial
from broker.model.subjects import RunKey
from broker.views.native import snapshot_json
from broker.views.states import States
from tests import strategies as some
from tests.sse import merged
from tests.unit.runs import exactly

KEY = RunKey("default", "r1")


def is_event(record: Record) -> bool:
    try:
        decode(record.payload)
    except MalformedEvent:
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(some.records(max_size=30))
def test_patches_up_to_any_line_are_a_fold_of_its_events(log: list[Record]) -> None:
    """Whatever they hold, and whatever between them is no event."""
    states = States(KEY, "e1", Bounds())
    lines = [json.loads(line) for record in log if (line := states.line(record))]
    good = [record for record in log if is_event(record)]
    assert [f"e1-{record.seq}" for record in good] == [line["cursor"] for line in lines]
    client: Any = None
    for record, line in zip(good, lines, strict=True):
        client = merged(client, line["patch"])
        upto = [each for each in log if each.seq <= record.seq]
        state = fold(upto, initial(*KEY))
        assert exactly(json.loads(snapshot_json(state, "e1"))) == exactly(client)


def test_a_line_says_what_happened_and_when() -> None:
    """By the producer's clock, or else by the stream's; a type that is unknown has its own name."""
    at = some.BEGINNING
    states = States(KEY, "e1", Bounds())
    told = [
        json.loads(states.line(Record(seq, at, payload)))
        for seq, payload in enumerate(
            (
                b'{"type":"run.started","time":"2025-06-01T12:00:00+02:00"}',
                b'{"type":"step.started","step":"a"}',
                b'{"type":"lab.sampled"}',
                b'{"type":"end"}',
            ),
            7,
        )
    ]
    assert [
        ("e1-7", "run.started", "2025-06-01T10:00:00.000Z"),
        ("e1-8", "step.started", "2026-01-01T00:00:00.000Z"),
        ("e1-9", "lab.sampled", "2026-01-01T00:00:00.000Z"),
        ("e1-10", "unknown", "2026-01-01T00:00:00.000Z"),
    ] == [(line["cursor"], line["type"], line["time"]) for line in told]
    assert "running" == told[0]["patch"]["status"]
    assert {"cursor", "events", "updated_at", "last_seen"} >= told[2]["patch"].keys()


def test_what_was_told_is_not_told_again() -> None:
    """A patch costs what its event changed."""
    states = States(KEY, "e1", Bounds())
    plan = ",".join(f'{{"step":"s{n}"}}' for n in range(1000))
    events = (f'{{"type":"run.started","plan":[{plan}]}}', '{"type":"step.started","step":"s7"}')
    first, second = [
        states.line(Record(seq, some.BEGINNING, text.encode()))
        for seq, text in enumerate(events, 1)
    ]
    assert len(first) > 10_000
    assert len(second) < 1_000


def test_a_record_that_came_before_is_no_line() -> None:
    states = States(KEY, "e1", Bounds())
    record = Record(5, some.BEGINNING, b'{"type":"run.started"}')
    assert states.line(record)
    assert b"" == states.line(record)
    assert b"" == states.line(Record(6, some.BEGINNING, b"rubbish"))
