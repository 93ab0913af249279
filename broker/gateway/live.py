"""`GET /v1/runs/{run}/events`: the run as it goes, as a page of history, or all of its history."""

import asyncio
from typing import Final

import msgspec
from aiohttp import web

from broker.errors import InvalidCursor, InvalidRequest, MalformedEvent, NotFound
from broker.gateway.accept import preferred
from broker.gateway.cursors import after_of, resume_of, still_kept
from broker.gateway.keys import METRICS, OPTIONS, REGISTRY, RUNS, TIMING, run_key
from broker.gateway.sinks import hand_over
from broker.hub.run_hub import RunHub
from broker.hub.subscriber import Subscriber
from broker.model.cursor import Cursor
from broker.model.decode import decode
from broker.model.record import Record
from broker.model.subjects import RunKey
from broker.protocol.sse import CHUNKED, PLAIN, Framing
from broker.stream.replay import last_sequences
from broker.views.native import VIEWS, event_json

EVENT_STREAM: Final = "text/event-stream"
JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
PAGE: Final = 100
LARGEST_PAGE: Final = 1000

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
        return await _history(request, key)
    return await _page(request, key)


async def _stream(request: web.Request, key: RunKey) -> web.StreamResponse:
    name = request.query.get("view", "state")
    view = VIEWS.get(name)
    if view is None:
        raise InvalidRequest(f"view={name[:64]!r} is unknown: it is one of {', '.join(VIEWS)}")
    registry = request.app[REGISTRY]
    hub = await registry.hub(key)
    resume = resume_of(request, hub)
    if resume is not None and resume.seq is not None and hub.state.ended and resume.seq == hub.seq:
        return web.Response(status=204, headers={"Cache-Control": "no-store"})
    begin = resume.seq if resume is not None else (0 if view.contiguous else None)
    if begin and view.contiguous and not await still_kept(begin, hub, request.app[RUNS]):
        begin = None
    response = web.StreamResponse(headers=_STREAM_HEADERS)
    response.force_close()
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    framing = CHUNKED if request.version >= (1, 1) else PLAIN
    metrics, timing, options = request.app[METRICS], request.app[TIMING], request.app[OPTIONS]
    sink = hand_over(request, high_water=options.high_water, now=timing.now)
    if not registry.holds(hub):
        sink.abort()
        return response
    now = timing.now()
    max_age = options.max_age * (0.8 + 0.2 * timing.random())
    client = Subscriber(sink, now=now, expires_at=now + max_age)
    sink.client = client

    def hello(resumed: bool) -> bytes:
        if resume is not None:
            metrics.resumes.labels("resumed" if resumed else "snapshot").inc()
        return _hello(
            framing,
            hub,
            resumed=resumed and resume is not None,
            came_with=resume.text if resume is not None else None,
            heartbeat=options.heartbeat,
            max_age=max_age,
        )

    metrics.opens.labels(framing.name, view.name).inc()
    hub.join(client, view, framing, begin, hello)
    return response


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
        said["from"] = came_with[:64]
    said |= {"head": str(hub.cursor), "heartbeat": heartbeat, "max_age": round(max_age, 1)}
    return framing.message("hello", msgspec.json.encode(said))


async def _page(request: web.Request, key: RunKey) -> web.Response:
    limit = _limit(request)
    after = await _begin(request, key)
    runs = request.app[RUNS]
    records: list[Record] = []
    async for page in runs.read(key, after, limit + 1):
        records += page
        if len(records) > limit:
            break
    if not records and not after:
        raise NotFound(key.run)
    more = len(records) > limit
    items = b",".join(_lines(records[:limit], runs.epoch))
    body = b'{"items":[%b]' % items
    if more:
        body += b',"next":"%b"' % str(Cursor(runs.epoch, records[limit - 1].seq)).encode()
    return web.Response(body=body + b"}", content_type=JSON, headers={"Cache-Control": "no-store"})


async def _history(request: web.Request, key: RunKey) -> web.StreamResponse:
    after = await _begin(request, key)
    runs, patience = request.app[RUNS], request.app[OPTIONS].stall_timeout
    response = web.StreamResponse(headers={"Content-Type": NDJSON, "Cache-Control": "no-store"})
    async for page in runs.read(key, after):
        if not response.prepared:
            await response.prepare(request)
        async with asyncio.timeout(patience):
            await response.write(b"".join([line + b"\n" for line in _lines(page, runs.epoch)]))
    if not response.prepared:
        if not after:
            raise NotFound(key.run)
        await response.prepare(request)
    await response.write_eof()
    return response


async def _begin(request: web.Request, key: RunKey) -> int:
    """The sequence in `after`, which must be one of this stream and not beyond its end."""
    after = after_of(request)
    if after is None:
        return 0
    runs = request.app[RUNS]
    last = (await last_sequences(runs.reads, [key.subject])).get(key.subject)
    if last is None:
        raise NotFound(key.run)
    if after.epoch != runs.epoch or after.seq > last:
        raise InvalidCursor(str(after), "after")
    return after.seq


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", str(PAGE))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= LARGEST_PAGE:
        raise InvalidRequest(f"limit={text[:32]!r} is not a number from 1 to {LARGEST_PAGE}")
    return int(text)


def _lines(records: list[Record], epoch: str) -> list[bytes]:
    lines = []
    for record in records:
        try:
            lines.append(event_json(decode(record.payload), record, epoch))
        except MalformedEvent:
            continue
    return lines
