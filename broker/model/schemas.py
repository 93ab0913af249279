"""The contracts as JSON Schema (draft 2020-12): every event, and the snapshot of a run."""

import json
from typing import Any, get_args

import msgspec

from broker.model.events import Event
from broker.model.state import RunState

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def documents() -> dict[str, str]:
    """The schema documents by file name."""
    return {
        "event.schema.json": _text(_event()),
        "snapshot.schema.json": _text(_snapshot()),
    }


def _event() -> dict[str, Any]:
    (schema,), definitions = msgspec.json.schema_components([Event])
    for kind in get_args(Event):
        definition = definitions[kind.__name__]
        definition["description"] = (kind.__doc__ or "").strip()
    return {
        "$schema": _DIALECT,
        "$id": "urn:progress-broker:schema:event",
        "title": "Event",
        "description": "One event of a run, as published to `progress.<tenant>.<run>`.",
        **schema,
        "$defs": definitions,
    }


def _snapshot() -> dict[str, Any]:
    """The state as clients see it: a cursor stands for the sequence."""
    (schema,), definitions = msgspec.json.schema_components([RunState])
    state = definitions["RunState"]
    state["title"] = "Snapshot"
    del state["properties"]["seq"]
    state["properties"]["cursor"] = {
        "type": "string",
        "pattern": "^[0-9a-z]{1,16}-(0|[1-9][0-9]{0,18})$",
        "description": "The position in the stream: `<epoch>-<sequence>`.",
    }
    state["required"] = [name for name in state["required"] if name != "seq"] + ["cursor"]
    return {
        "$schema": _DIALECT,
        "$id": "urn:progress-broker:schema:snapshot",
        **schema,
        "$defs": definitions,
    }


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"
