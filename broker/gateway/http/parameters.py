"""Numbers in the query of a request."""

from typing import Final

from aiohttp import web

from broker.errors import InvalidRequest

_DIGITS: Final = 16
"""More than any number that is asked for has."""


def whole_number(request: web.Request, name: str, *, least: int, most: int) -> int:
    """The number that a parameter, which is there, must be. Raises InvalidRequest."""
    text = request.query[name]
    digits = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    if not digits or not least <= int(text) <= most:
        raise InvalidRequest(f"{name}={text[:32]!r} is not a number from {least} to {most}")
    return int(text)
