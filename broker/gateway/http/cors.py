"""Which web pages may read from a browser, and headers that every answer has."""

from collections.abc import Awaitable, Callable

from aiohttp import web

_METHODS = "GET, HEAD, POST"
_HEADERS = "Content-Type, Idempotency-Key, Last-Event-ID, If-None-Match"
_EXPOSED = "ETag, Location, Content-Location, X-Execution-Id, Retry-After"

Headers = tuple[tuple[str, str], ...]
Signal = Callable[[web.Request, web.StreamResponse], Awaitable[None]]


def fixed(allowed: frozenset[str]) -> Headers:
    """Those of them that do not depend on who asks."""
    nosniff = ("X-Content-Type-Options", "nosniff")
    return (nosniff, ("Vary", "Origin")) if allowed else (nosniff,)


def headers_for(allowed: frozenset[str]) -> Signal:
    """The signal that adds them just before an answer is sent."""
    always = fixed(allowed)

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        for name, value in always:
            response.headers.add(name, value)
        if not allowed:
            return
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
