"""Which web pages may read from a browser, and headers that every answer has."""

from collections.abc import Awaitable, Callable

from aiohttp import web

_METHODS = "GET, HEAD, POST"
_HEADERS = "Content-Type, Idempotency-Key, Last-Event-ID, If-None-Match"
_EXPOSED = "ETag, Location, Retry-After"

Signal = Callable[[web.Request, web.StreamResponse], Awaitable[None]]


def headers_for(allowed: frozenset[str]) -> Signal:
    """The signal that adds them just before an answer is sent."""

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Content-Type-Options"] = "nosniff"
        if not allowed:
            return
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin")
        if origin is not None and (origin in allowed or "*" in allowed):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED

    return add


async def preflight(request: web.Request) -> web.Response:
    """Answer a browser that asks before it sends; the signal says whether it may."""
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _HEADERS,
            "Access-Control-Max-Age": "600",
        },
    )
