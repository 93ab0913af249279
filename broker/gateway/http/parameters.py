"""What the query of a request may hold: names that are known, and numbers."""

import difflib
from collections.abc import Collection
from typing import Final

from aiohttp import web

from broker.errors import InvalidParameter, InvalidRequest

_AGAINST_CACHES: Final = ("_", "r", "t")
"""What scripts add, with a random value, so that no cache answers."""
_DIGITS: Final = 16
"""More than any number that is asked for has."""


def require_known(request: web.Request, known: Collection[str], what: str) -> None:
    """Refuse a parameter that `what` is asked for does not take: a slip must not pass for a wish.

    Raises InvalidParameter, which names the nearest.
    """
    for name in request.query:
        if name not in known and name not in _AGAINST_CACHES:
            raise InvalidParameter(name, f"is no parameter of {what}{_instead(name, known)}")


def _instead(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f": did you mean {near[0]}?"
    return f": these are {', '.join(known)}" if known else ", which takes none"


def whole_number(request: web.Request, name: str, *, least: int, most: int) -> int:
    """The number that a parameter, which is there, must be. Raises InvalidRequest."""
    text = request.query[name]
    digits = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    if not digits or not least <= int(text) <= most:
        raise InvalidRequest(f"{name}={text[:32]!r} is not a number from {least} to {most}")
    return int(text)
