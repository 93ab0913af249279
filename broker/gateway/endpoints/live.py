"""`GET /v1/runs/{run}/events`: the run as it goes, or, if the client prefers, its history."""

from typing import Final

import msgspec
from aiohttp import web

from broker.errors import InvalidRequest
from broker.gateway.endpoints.event_stream import EVENT_STREAM, Begun, admit, begin, unchanged
from broker.gateway.endpoints.history import JSON, NDJSON, history, page
from broker.gateway.endpoints.states import states
from broker.gateway.http.accept import preferred
from broker.gateway.http.parameters import require_known
from broker.gateway.keys import METRICS, REGISTRY, RUNS, run_key
from broker.gateway.runs.cursors import REMEMBERED, Resume, resume_of, still_kept
from broker.hub.run_hub import RunHub
from broker.model.subjects import RunKey
from broker.views.message import View
from broker.views.native import VIEWS

_TAKES: Final = {
    EVENT_STREAM: (("view", "after", *REMEMBERED), "the live stream"),
    JSON: (("after", "limit", "wait"), "a page of events"),
    NDJSON: (("view", "after"), "a history"),
}
"""By what the client accepts: the parameters, and of what they are."""


async def events(request: web.Request) -> web.StreamResponse:
    """Answer by what the client accepts; who accepts anything gets the live stream."""
    key = run_key(request)
    kind = preferred(request.headers.getall("Accept", []), tuple(_TAKES))
    require_known(request, *_TAKES[kind])
    if kind == EVENT_STREAM:
        return await _stream(request, key)
    if kind == NDJSON:
        states_wanted = "view" in request.query and _view_of(request).patched
        return await (states if states_wanted else history)(request, key)
    return await page(request, key)


async def _stream(request: web.Request, key: RunKey) -> web.StreamResponse:
    view = _view_of(request)
    who = admit(request)
    app = request.app
    hub = await app[REGISTRY].hub(key)
    resume = await resume_of(request, hub, app[RUNS])
    if resume is not None and resume.seq is not None and hub.over_at(resume.seq, view):
        return unchanged()
    since = resume.seq if resume is not None else (0 if view.contiguous else None)
    if since and view.contiguous and not await still_kept(since, hub, app[RUNS]):
        since = None

    def join(begun: Begun) -> bool:
        if not app[REGISTRY].holds(hub):
            return False

        def hello(resumed: bool) -> bytes:
            if resume is not None:
                app[METRICS].resumes.labels("resumed" if resumed else "snapshot").inc()
            return _hello(begun, hub, resume, resumed=resumed and resume is not None)

        app[METRICS].opens.labels(begun.framing.name, view.name).inc()
        hub.join(begun.client, view, begun.framing, since, hello)
        return True

    return await begin(request, who, join)


def _view_of(request: web.Request) -> View:
    name = request.query.get("view", "state")
    view = VIEWS.get(name)
    if view is None:
        raise InvalidRequest(f"view={name[:64]!r} is unknown: it is one of {', '.join(VIEWS)}")
    return view


def _hello(begun: Begun, hub: RunHub, resume: Resume | None, *, resumed: bool) -> bytes:
    """The first frame: whether what follows continues from the client's cursor, and the rhythm."""
    said: dict[str, object] = {"resumed": resumed}
    if resume is not None:
        said["from"] = resume.text
    said |= {"head": str(hub.cursor), "heartbeat": begun.heartbeat, "max_age": begun.max_age}
    return begun.framing.message("hello", msgspec.json.encode(said))
