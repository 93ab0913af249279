"""The decode policy: what is an event, what is an unknown event, what is malformed.

The only place where stored bytes become events, and events bytes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, get_args

import msgspec

from broker.errors import MalformedEvent
from broker.model.events import Event, Unknown

_SPELLINGS: Final = {"run.canceled": "run.cancelled", "step.canceled": "step.cancelled"}


class _Tagged(msgspec.Struct, frozen=True):
    type: str


# A number of more digits than Python converts is a plain ValueError.
UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)

decode_plain: Final[Callable[[bytes], Event]] = msgspec.json.Decoder(Event).decode
"""Read a payload that `is_plain`; raises any of `UNREADABLE` where `decode` must judge."""

_converted: Final[Callable[[Any], Event]] = partial(msgspec.convert, type=Event)
_tagged: Final = msgspec.json.Decoder(_Tagged).decode
_encoder: Final = msgspec.json.Encoder()


def tag_of(event: Event | Unknown) -> str:
    """The wire name of an event's type."""
    if isinstance(event, Unknown):
        return event.tag
    return str(type(event).__struct_config__.tag)


TAGS: Final = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Event))


def encode(event: Event) -> bytes:
    """The stored form of an event; `decode` gives it back."""
    return _encoder.encode(event)


def is_plain(text: bytes) -> bool:
    """Whether the text can hide no broken character: ASCII without escapes of code points."""
    return text.isascii() and b"\\u" not in text


def decode(payload: bytes) -> Event | Unknown:
    """Read one stored payload.

    A tag that this version does not know is `Unknown`. The decoder skips fields it does not know
    without reading their text, so text that could hide a broken character is looked at again.
    Raises MalformedEvent for what is not a JSON object in valid UTF-8 with a string `type`, and
    for what breaks its type's fields.
    """
    try:
        event = decode_plain(payload)
        if not payload.isascii():
            payload.decode()
        if b"\\u" in payload:
            msgspec.json.decode(payload)
    except UNREADABLE as error:
        return _otherwise(payload, error)
    return event


def _otherwise(payload: bytes, error: Exception) -> Event | Unknown:
    """Tell an unknown type, or the other spelling of a known one, from a malformed payload."""
    try:
        payload.decode()
        msgspec.json.decode(payload)
        tag = _tagged(payload).type
        if tag in _SPELLINGS:
            return _converted(_respelled(payload))
    except UNREADABLE as reason:
        raise MalformedEvent(_reason(reason)) from reason
    if tag in TAGS:
        raise MalformedEvent(_reason(error)) from error
    return Unknown(tag=tag)


def canonical(payload: bytes) -> bytes:
    """The payload as it is shown: on one line, with the one spelling of `cancelled`.

    Raw line ends stand only between JSON tokens, so that a space is as good.
    """
    if b"canceled" in payload:
        payload = _encoder.encode(_respelled(payload))
    return payload.replace(b"\n", b" ").replace(b"\r", b" ").strip()


def _respelled(payload: bytes) -> dict[str, Any]:
    event = msgspec.json.decode(payload, type=dict[str, Any])
    event["type"] = _SPELLINGS.get(event["type"], event["type"])
    return event


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"not valid UTF-8 (byte {error.start})"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error)
