"""Events from whatever a pipeline reports: what is wrong is left out, and said.

An event is checked by the decoder that the broker reads it with, so that nothing is published that
it would call malformed. Nothing here raises.
"""

import os
import traceback
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, get_args

import msgspec

from broker.errors import MalformedEvent
from broker.model.bounds import STACK
from broker.model.decode import decode
from broker.model.events import Event
from broker.producer.loglines import writable
from broker.stream.topology import MAX_EVENT

MESSAGE: Final = 8 * 1024
"""Characters of an error's message."""

_REQUIRED: Final = {
    str(kind.__struct_config__.tag): {
        field.encode_name for field in msgspec.structs.fields(kind) if field.required
    }
    for kind in get_args(Event)
}


class Composed(NamedTuple):
    """The stored form of an event, or None, and a sentence for each thing that was left out."""

    payload: bytes | None
    problems: list[str]


def compose(fields: Mapping[str, Any]) -> Composed:
    """Write an event; `fields` are its fields, `type` among them, and None is no value.

    A field that is not what its type asks for, or makes the event too large, is left out; without
    a required one there is no event.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    payload, reason = _write(given)
    if payload is not None:
        return Composed(payload, [])
    needed = _REQUIRED[given["type"]] | {"type", "id", "time"}
    kept = {name: value for name, value in given.items() if name in needed}
    payload, reason = _write(kept)
    if payload is None:
        return Composed(None, [reason])
    problems = []
    for name, value in given.items():
        if name not in kept:
            larger, reason = _write(kept | {name: value})
            if larger is None:
                problems.append(f"{name}: {reason}")
            else:
                kept[name], payload = value, larger
    return Composed(payload, problems)


def failure(error: BaseException | object) -> dict[str, str]:
    """The `error` of an event: of an exception its type, message and stack, else its text."""
    if not isinstance(error, BaseException):
        return {"message": writable(_text(error))[:MESSAGE]}
    kind = type(error)
    return {
        "type": kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}",
        "message": writable(_text(error))[:MESSAGE],
        "stack": writable(_stack(error)),
    }


def _write(fields: dict[str, Any]) -> tuple[bytes | None, str]:
    """The event as JSON, or why there is none."""
    try:
        payload = _encode(fields)
        decode(payload)
    except MalformedEvent as error:
        return None, error.reason
    except Exception as error:  # whatever the methods of a pipeline's objects raise
        return None, f"{type(error).__name__}: {_text(error)}"
    if len(payload) > MAX_EVENT:
        return None, f"with it the event has {len(payload):,} bytes, {MAX_EVENT:,} are the limit"
    return payload, ""


def _plain(value: Any) -> Any:
    """JSON for what msgspec does not know: paths, numbers of NumPy and their like."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return dict(value)
    if callable(getattr(value, "item", None)) and getattr(value, "shape", ()) == ():
        return value.item()
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__} cannot be JSON")


def _stack(error: BaseException) -> str:
    try:
        stack = "".join(traceback.format_exception(error))
    except Exception:  # an exception may be unfit even for that
        return ""
    return stack if len(stack) <= STACK else "…" + stack[1 - STACK :]  # its cause is at the end


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # a broken __str__ is not ours to report
        return f"<{type(value).__name__} without a text>"


_encode: Final = msgspec.json.Encoder(enc_hook=_plain).encode
