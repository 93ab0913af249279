"""The decode policy: what is an event, what is an unknown event, what is malformed.

The only place where stored bytes become events, and events bytes.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, Final, get_args

import msgspec

from broker.errors import MalformedEvent
from broker.model.events import Event, Unknown

DEEPEST: Final = 500
"""Levels of nesting an event may have: what every reader can follow, however deep its own stack."""

_SHORT: Final = 2 * DEEPEST
_OTHERS: Final = bytes(set(range(256)) - set(b"[]{}"))
_DIGITS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_TOO_MANY_DIGITS: Final = b"0" * 4301  # the first number of digits that Python does not convert
_SPELLINGS: Final = {"run.canceled": "run.cancelled", "step.canceled": "step.cancelled"}


class _Tagged(msgspec.Struct, frozen=True):
    type: str


# A number of more digits than Python converts is a plain ValueError.
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)

_decode_known: Final[Callable[[bytes], Event]] = msgspec.json.Decoder(Event).decode
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


def decode(payload: bytes) -> Event | Unknown:
    """Read one stored payload.

    A tag that this version does not know is `Unknown`. The decoder skips fields it does not know
    without reading them, so a payload that could hide a broken character, or more than every
    reader takes, is looked at again.
    Raises MalformedEvent for what is not a JSON object in valid UTF-8 with a string `type`, and
    for what breaks its type's fields.
    """
    try:
        event = _decode_known(payload)
        if not payload.isascii():
            payload.decode()
        if b"\\u" in payload:
            msgspec.json.decode(payload)
        if len(payload) > _SHORT:
            _look_closer(payload)
    except _UNREADABLE as error:
        return _otherwise(payload, error)
    return event


def _otherwise(payload: bytes, error: Exception) -> Event | Unknown:
    """Tell an unknown type, or the other spelling of a known one, from a malformed payload."""
    try:
        payload.decode()
        msgspec.json.decode(payload)
        _look_closer(payload)
        tag = _tagged(payload).type
        if tag in _SPELLINGS:
            return _decode_known(_respelled(payload))
    except _UNREADABLE as reason:
        raise MalformedEvent(_reason(reason)) from reason
    if tag in TAGS:
        raise MalformedEvent(_reason(error)) from error
    return Unknown(tag=tag)


def decode_all(payloads: Sequence[bytes]) -> Sequence[Event | Unknown] | None:
    """Read many payloads as `decode` does each, but look for broken characters in all at once.

    None where one needs a look of its own: it is malformed, or its type is not known.
    """
    text = b"".join(payloads)
    try:
        if not text.isascii() or b"\\u" in text:
            return [decode(payload) for payload in payloads]
        events = [_decode_known(payload) for payload in payloads]
        for payload in [payload for payload in payloads if len(payload) > _SHORT]:
            _look_closer(payload)
    except (*_UNREADABLE, MalformedEvent):
        return None
    return events


def _look_closer(payload: bytes) -> None:
    """Raise for what a long payload can hide in fields that nobody knows."""
    if payload.count(b"[") + payload.count(b"{") > DEEPEST and _levels(payload) > DEEPEST:
        raise ValueError("nested too deeply")
    if _TOO_MANY_DIGITS in payload.translate(_DIGITS):
        msgspec.json.decode(payload)


def _levels(payload: bytes) -> int:
    """How deeply a JSON text nests, whatever its strings hold."""
    unescaped = payload.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(unescaped.split(b'"')[::2]).translate(None, _OTHERS)
    return max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0)


def canonical(payload: bytes) -> bytes:
    """An accepted payload as it is shown: on one line, with the one spelling of `cancelled`.

    Raw line ends stand only between JSON tokens, so that a space is as good.
    """
    if (b"canceled" in payload or b"\\u" in payload) and _tagged(payload).type in _SPELLINGS:
        payload = _respelled(payload)
    return payload.replace(b"\n", b" ").replace(b"\r", b" ").strip()


def _respelled(payload: bytes) -> bytes:
    event = msgspec.json.decode(payload, type=dict[str, Any])
    event["type"] = _SPELLINGS[event["type"]]
    return _encoder.encode(event)


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"not valid UTF-8 (byte {error.start})"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error)
