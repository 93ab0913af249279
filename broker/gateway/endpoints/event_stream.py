"""A stream of server-sent events: admitted, begun, taken over from aiohttp, and joined."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from aiohttp import web

from broker.gateway.http.sinks import hand_over
from broker.gateway.keys import DRAIN, LIMITS, OPTIONS, TIMING
from broker.hub.subscriber import Subscriber
from broker.protocol.sse import CHUNKED, PLAIN, Framing

EVENT_STREAM: Final = "text/event-stream"

STREAM_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}


class Begun(NamedTuple):
    """A client whose socket was taken over, and what its `hello` says of the rhythm, in seconds."""

    client: Subscriber
    framing: Framing
    heartbeat: float
    max_age: float


def admit(request: web.Request) -> str:
    """Who opens the stream. Raises Draining and RateLimited."""
    request.app[DRAIN].refuse()
    limits = request.app[LIMITS]
    who = limits.client(request)
    limits.opens.spend(who)
    return who


def unchanged() -> web.Response:
    """The answer to a client that has everything: `EventSource` then comes back no more."""
    return web.Response(status=204, headers={"Cache-Control": "no-store"})


async def begin(
    request: web.Request,
    who: str,
    join: Callable[[Begun], bool],
    headers: Mapping[str, str] = MappingProxyType({}),
) -> web.StreamResponse:
    """Send the headers, take the socket over, and have it join what it is to watch.

    `join` writes the first bytes, and is called without anything between it and the taking over;
    where it says False, what was to be watched is gone meanwhile, and the client comes again.
    """
    app = request.app
    response = web.StreamResponse(headers={**STREAM_HEADERS, **headers})
    response.force_close()
    if request.method == "HEAD":
        return response
    closed = app[LIMITS].streams.open(who, "sse")
    try:
        await response.prepare(request)
        sink = hand_over(request, high_water=app[OPTIONS].high_water, now=app[TIMING].now)
    except BaseException:
        closed("client")
        raise
    sink.on_close = closed
    now = app[TIMING].now()
    max_age = app[OPTIONS].max_age * (0.8 + 0.2 * app[TIMING].random())
    sink.client = Subscriber(sink, now=now, expires_at=now + max_age)
    framing = CHUNKED if request.version >= (1, 1) else PLAIN
    begun = Begun(sink.client, framing, app[OPTIONS].heartbeat, round(max_age, 1))
    try:
        if app[DRAIN].began:
            sink.client.ended_by = "drain"
            sink.abort()
        elif not join(begun):
            sink.client.ended_by = "interrupted"
            sink.abort()
    except BaseException:
        sink.client.ended_by = "error"
        sink.abort()
        raise
    return response
