"""The lines of a run as they are logged, as server-sent events."""

from aiohttp import web

from broker.gateway.endpoints.event_stream import Begun, admit, begin, unchanged
from broker.gateway.http.line_queries import Asked
from broker.gateway.keys import LOGS, METRICS
from broker.gateway.logs.joins import beginning
from broker.gateway.runs.cursors import remembered
from broker.model.subjects import RunKey


async def stream(request: web.Request, key: RunKey, asked: Asked) -> web.StreamResponse:
    """Send the lines after the client's cursor, and then those that come."""
    who = admit(request)
    app = request.app
    cursor = _cursor_of(request, asked)
    joining = await app[LOGS].join(key, asked.chosen, cursor, asked.tail, asked.shown)
    if app[LOGS].over(joining):
        return unchanged()

    def join(begun: Begun) -> bool:
        if not app[LOGS].hubs.holds(joining.hub):
            return False
        if cursor is not None:
            app[METRICS].resumes.labels("resumed" if joining.resumed else "anew").inc()
        app[METRICS].opens.labels(begun.framing.name, joining.view.kind).inc()
        rhythm = {"heartbeat": begun.heartbeat, "max_age": begun.max_age}
        hello = beginning(begun.framing, joining, cursor, **rhythm)
        app[LOGS].endings.watch(joining.hub)
        joining.hub.join(begun.client, joining.view, begun.framing, joining.begin, hello)
        return True

    return await begin(request, who, join)


def _cursor_of(request: web.Request, asked: Asked) -> str | None:
    """The address the client came with, as it can be shown; None on a first connection."""
    return remembered(request) or (str(asked.after) if asked.after is not None else None)
