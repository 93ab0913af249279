"""`GET /v1/runs/{run}/events`: the run as it goes, or, if the client prefers, its history."""

from typing import Final

import msgspec
from aiohttp import web

from broker.errors import InvalidRequest
from broker.gateway.accept import preferred
from broker.gateway.cursors import Resume, resume_of, still_kept
from broker.gateway.history import JSON, NDJSON, history, page
from broker.gateway.keys import DRAIN, LIMITS, METRICS, OPTIONS, REGISTRY, RUNS, TIMING, run_key
from broker.gateway.sinks import StreamSink, hand_over
from broker.hub.run_hub import RunHub
from broker.hub.subscriber import Subscriber
from broker.model.subjects import RunKey
from broker.protocol.sse import CHUNKED, PLAIN, Framing
from broker.views.message import View
from broker.views.native import VIEWS

EVENT_STREAM: Final = "text/event-stream"

_STREAM_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}


async def events(request: web.Request) -> web.StreamResponse:
    """Answer by what the client accepts; who accepts anything gets the live stream."""
    key = run_key(request)
    kind = preferred(request.headers.getall("Accept", []), (EVENT_STREAM, JSON, NDJSON))
    if kind == EVENT_STREAM:
        return await _stream(request, key)
    if kind == NDJSON:
        return await history(request, key)
    return await page(request, key)


async def _stream(request: web.Request, key: RunKey) -> web.StreamResponse:
    view = _view_of(request)
    request.app[DRAIN].refuse()
    limits = request.app[LIMITS]
    who = limits.client(request)
    limits.opens.spend(who)
    hub = await request.app[REGISTRY].hub(key)
    resume = await resume_of(request, hub, request.app[RUNS])
    if resume is not None and resume.seq is not None and hub.over_at(resume.seq):
        return web.Response(status=204, headers={"Cache-Control": "no-store"})
    begin = resume.seq if resume is not None else (0 if view.contiguous else None)
    if begin and view.contiguous and not await still_kept(begin, hub, request.app[RUNS]):
        begin = None
    response = web.StreamResponse(headers=_STREAM_HEADERS)
    response.force_close()
    if request.method == "HEAD":
        return response
    closed = limits.streams.open(who)
    try:
        await response.prepare(request)
        high_water, now = request.app[OPTIONS].high_water, request.app[TIMING].now
        sink = hand_over(request, high_water=high_water, now=now)
    except BaseException:
        closed()
        raise
    sink.on_close = closed
    try:
        _join(request, sink, hub, view, begin, resume)
    except BaseException:
        sink.abort()
        raise
    return response


def _view_of(request: web.Request) -> View:
    name = request.query.get("view", "state")
    view = VIEWS.get(name)
    if view is None:
        raise InvalidRequest(f"view={name[:64]!r} is unknown: it is one of {', '.join(VIEWS)}")
    return view


def _join(
    request: web.Request,
    sink: StreamSink,
    hub: RunHub,
    view: View,
    begin: int | None,
    resume: Resume | None,
) -> None:
    """Make the taken over socket a client of the run; no await, so that nothing comes between."""
    app = request.app
    if not app[REGISTRY].holds(hub) or app[DRAIN].began:
        sink.abort()
        return
    framing: Framing = CHUNKED if request.version >= (1, 1) else PLAIN
    now = app[TIMING].now()
    max_age = app[OPTIONS].max_age * (0.8 + 0.2 * app[TIMING].random())
    sink.client = Subscriber(sink, now=now, expires_at=now + max_age)

    def hello(resumed: bool) -> bytes:
        if resume is not None:
            app[METRICS].resumes.labels("resumed" if resumed else "snapshot").inc()
        return _hello(
            framing,
            hub,
            resumed=resumed and resume is not None,
            came_with=resume.text if resume is not None else None,
            heartbeat=app[OPTIONS].heartbeat,
            max_age=max_age,
        )

    app[METRICS].opens.labels(framing.name, view.name).inc()
    hub.join(sink.client, view, framing, begin, hello)


def _hello(
    framing: Framing,
    hub: RunHub,
    *,
    resumed: bool,
    came_with: str | None,
    heartbeat: float,
    max_age: float,
) -> bytes:
    """The first frame: whether what follows continues from the client's cursor, and the rhythm."""
    said: dict[str, object] = {"resumed": resumed}
    if came_with is not None:
        said["from"] = came_with
    said |= {"head": str(hub.cursor), "heartbeat": heartbeat, "max_age": round(max_age, 1)}
    return framing.message("hello", msgspec.json.encode(said))
