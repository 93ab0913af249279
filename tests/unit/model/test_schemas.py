"""The published schemas say what the code accepts and shows."""

import json
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from broker.model.decode import encode
from broker.model.events import Event
from broker.model.evolve import fold
from broker.model.record import Record
from broker.model.schemas import documents
from broker.model.state import initial
from broker.views.native import snapshot_json
from tests.strategies import any_event, records

EVENT = Draft202012Validator(json.loads(documents()["event.schema.json"]))
SNAPSHOT = Draft202012Validator(json.loads(documents()["snapshot.schema.json"]))


@pytest.mark.parametrize("name", sorted(documents()))
def test_every_document_is_a_schema(name: str) -> None:
    """Each file is valid JSON Schema of the dialect it names."""
    Draft202012Validator.check_schema(json.loads(documents()[name]))


@given(any_event)
def test_every_event_that_can_be_encoded_is_valid(event: Event) -> None:
    """What the code writes, the schema allows."""
    assert [] == problems(EVENT, json.loads(encode(event)))


@given(records())
def test_every_snapshot_is_valid(stored: list[Record]) -> None:
    """Whatever is folded, the snapshot is as the schema says."""
    shown = json.loads(snapshot_json(fold(stored, initial("default", "r1")), "abc"))
    assert [] == problems(SNAPSHOT, shown)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": 5},
        {"type": "step.progress", "step": "load"},
        {"type": "step.progress", "step": "load", "current": -1},
        {"type": "run.started", "attempt": 0},
        {"type": "run.failed"},
    ],
)
def test_what_breaks_a_field_breaks_the_schema(event: dict[str, Any]) -> None:
    """The schema refuses what the decoder refuses."""
    assert problems(EVENT, event)


def problems(schema: Draft202012Validator, document: Any) -> list[str]:
    return [error.message for error in schema.iter_errors(document)]
