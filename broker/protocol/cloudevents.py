"""CloudEvents 1.0 as events of a run: structured JSON and the binary HTTP mode. No I/O.

`type` is the event's type, with or without `progress.` before it; `subject` is the run; `data` are
the type's fields. `source` is kept as a field.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from broker.errors import MalformedEvent

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
PREFIX: Final = "progress."
"""What a type may begin with, so that it is told from other systems' types."""

_HEADER: Final = "ce-"
_VERSION: Final = "1.0"
_REQUIRED: Final = ("id", "source", "type")
_MARK: Final = b'"specversion"'
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)

_encode: Final = msgspec.json.Encoder().encode


class _Marked(msgspec.Struct, frozen=True):
    specversion: Any = msgspec.UNSET


_marked: Final = msgspec.json.Decoder(_Marked).decode


class Given(NamedTuple):
    """A CloudEvent as an event, with its `run` where it names one.

    An id is unique for its source alone, so `key`, which is made of both, is what tells a
    repetition.
    """

    event: bytes
    key: str


def is_foreign(content_type: str) -> bool:
    """Whether a body is CloudEvents in a format that is not read here."""
    return content_type.startswith("application/cloudevents") and not is_structured(content_type)


def is_structured(content_type: str) -> bool:
    """Whether everything in a body must be a CloudEvent."""
    return content_type in (STRUCTURED, BATCH)


def is_binary(headers: Mapping[str, str], content_type: str) -> bool:
    """Whether a request's headers, in which names of any case are found, are the attributes."""
    named = "ce-specversion" in headers or "ce-type" in headers
    return named and not is_structured(content_type)


def read(text: bytes, *, required: bool = False) -> Given | None:
    """A CloudEvent in JSON; None for what has no `specversion`, unless that is `required`.

    Raises MalformedEvent.
    """
    if not required and _MARK not in text:
        return None
    try:
        text.decode()
        if not required and _marked(text).specversion is msgspec.UNSET:
            return None
        event = msgspec.json.decode(text)
    except UnicodeDecodeError as error:
        raise MalformedEvent(f"not valid UTF-8 (byte {error.start})") from None
    except _UNREADABLE as error:
        if not required:
            return None  # as an event of our own it is malformed too, and is told so
        raise MalformedEvent(str(error) or "nested too deeply") from None
    if not isinstance(event, dict):
        raise MalformedEvent("a CloudEvent is a JSON object")
    return _given(event, _data_of(event))


def read_binary(headers: Iterable[tuple[str, str]], content_type: str, body: bytes) -> Given:
    """A CloudEvent whose attributes are headers and whose data is the body.

    Raises MalformedEvent.
    """
    attributes: dict[str, Any] = {}
    for name, value in headers:
        if name.lower().startswith(_HEADER):
            attributes[name.lower().removeprefix(_HEADER)] = _unescaped(name, value)
    if not body.strip():
        return _given(attributes, {})
    _require_json(content_type)
    return _given(attributes, _object(body))


def _given(attributes: Mapping[str, Any], data: dict[str, Any]) -> Given:
    version = attributes.get("specversion")
    if version != _VERSION:
        said = "missing" if version is None else f"{_shown(version)}, not {_VERSION!r}"
        raise MalformedEvent(f"specversion is {said}")
    for name in _REQUIRED:
        value = attributes.get(name)
        if not isinstance(value, str) or not value:
            raise MalformedEvent(f"a CloudEvent needs {name!r}, which is a text and not empty")
    event: dict[str, Any] = {"source": attributes["source"], **data}
    event |= {"type": attributes["type"].removeprefix(PREFIX), "id": attributes["id"]}
    for name in ("time", "subject"):
        if not isinstance(attributes.get(name), str | None):
            raise MalformedEvent(f"{name!r} is not a text")
    event.pop("time", None)
    if attributes.get("time") is not None:
        event["time"] = attributes["time"]
    subject = attributes.get("subject")
    if subject is not None and event.setdefault("run", subject) != subject:
        raise MalformedEvent("its subject is not the run that its data names")
    named = f"{attributes['source']}\n{attributes['id']}"
    return Given(_encode(event), hashlib.blake2b(named.encode(), digest_size=16).hexdigest())


def _data_of(event: Mapping[str, Any]) -> dict[str, Any]:
    content_type = event.get("datacontenttype")
    if content_type is not None:
        _require_json(content_type)
    encoded = event.get("data_base64")
    if encoded is None:
        data = event.get("data")
        if data is None:
            return {}
        if not isinstance(data, dict):
            raise MalformedEvent("its data is not a JSON object with the fields of its type")
        return data
    if "data" in event:
        raise MalformedEvent("it has both data and data_base64")
    try:
        return _object(base64.b64decode(encoded, validate=True))
    except (binascii.Error, TypeError, ValueError):
        raise MalformedEvent("its data_base64 is not base64") from None


def _object(text: bytes) -> dict[str, Any]:
    try:
        text.decode()
        data = msgspec.json.decode(text)
    except _UNREADABLE as error:
        raise MalformedEvent(f"its data: {error}") from None
    if not isinstance(data, dict):
        raise MalformedEvent("its data is not a JSON object with the fields of its type")
    return data


def _require_json(content_type: object) -> None:
    media = str(content_type).partition(";")[0].strip().lower()
    if media not in ("application/json", "text/json") and not media.endswith("+json"):
        raise MalformedEvent(f"its data is {_shown(content_type)}, not application/json")


def _unescaped(name: str, value: str) -> str:
    """A header's value as the HTTP binding has it: percent-encoded, and perhaps quoted."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    try:
        return unquote_to_bytes(value.encode("ascii")).decode()
    except UnicodeError:
        raise MalformedEvent(f"the header {name} is not percent-encoded UTF-8") from None


def _shown(value: object) -> str:
    return repr(value)[:64]
