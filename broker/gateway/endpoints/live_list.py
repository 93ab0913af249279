"""The event stream of `GET /v1/runs`: a snapshot of the page, then what changes of it."""

import msgspec
from aiohttp import web

from broker.gateway.endpoints.event_stream import Begun, admit, begin
from broker.gateway.keys import LIVE_LISTS, METRICS
from broker.runs.query import Query


async def stream(request: web.Request, query: Query) -> web.StreamResponse:
    """Take the socket over, and make it a client of the list."""
    who = admit(request)
    app = request.app
    app[LIVE_LISTS].watched(query)  # raises where one more would be too many

    def join(begun: Begun) -> bool:
        watched = app[LIVE_LISTS].watched(query)
        app[METRICS].opens.labels(begun.framing.name, "list").inc()
        said = {"resumed": False, "heartbeat": begun.heartbeat, "max_age": begun.max_age}
        hello = begun.framing.message("hello", msgspec.json.encode(said))
        watched.join(begun.client, begun.framing, hello)
        return True

    return await begin(request, who, join)
