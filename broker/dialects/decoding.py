"""Reading the JSON of a message, where what is wrong is told by the name of the field."""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from broker.errors import MalformedEvent

T = TypeVar("T")

_MISSING: Final = "Object missing required field `"


def decoded(payload: bytes, decode: Callable[[bytes], T]) -> T:
    """The message as it is decoded; all of it must be UTF-8. Raises MalformedEvent."""
    try:
        payload.decode()
        return decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MalformedEvent(named(error)) from None


def named(error: Exception) -> str:
    """What is wrong, the field first."""
    if isinstance(error, UnicodeDecodeError):
        return f"not valid UTF-8 (byte {error.start})"
    what, _, where = str(error).partition(" - at `$")
    path = where.removesuffix("`").removeprefix(".")
    if what.startswith(_MISSING):
        field = what.removeprefix(_MISSING).removesuffix("`")
        return f"{path}.{field}: missing" if path else f"{field}: missing"
    return f"{path}: {what}" if path else what
