"""`?wait=`: how long an answer may be held until there is something new."""

from typing import Final

from aiohttp import web

from broker.errors import InvalidRequest

LONGEST: Final = 60.0
"""Seconds; below what proxies usually wait for an answer."""


def wait_of(request: web.Request) -> float:
    """Seconds to hold the answer; 0 without `?wait=`. Raises InvalidRequest."""
    text = request.query.get("wait")
    if text is None:
        return 0.0
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST:
        raise InvalidRequest(f"wait={text[:32]!r} is not a number of seconds from 0 to {LONGEST:g}")
    return seconds
