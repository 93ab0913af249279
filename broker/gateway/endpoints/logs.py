"""`GET /v1/runs/{run}/logs`: a page of lines, all of them streamed, or the run as it logs."""

from collections.abc import AsyncIterator, Callable
from typing import Final

from aiohttp import web

from broker.gateway.endpoints.event_stream import EVENT_STREAM
from broker.gateway.endpoints.history import JSON, NDJSON
from broker.gateway.endpoints.log_stream import stream
from broker.gateway.endpoints.parts import answer_in_parts
from broker.gateway.http.accept import preferred
from broker.gateway.http.line_queries import Asked, asked_of, limit_of, require_ours
from broker.gateway.http.parameters import require_known
from broker.gateway.http.waiting import wait_of
from broker.gateway.keys import LIMITS, LOGS, TIMING, WAITS, run_key
from broker.gateway.runs.cursors import REMEMBERED
from broker.model.loglines import (
    BEGINNING,
    WHOLE,
    Address,
    Chosen,
    Line,
    Position,
    lines_after,
)
from broker.model.subjects import RunKey, encode_token
from broker.stream.lines import LiveLines
from broker.stream.tail import Lines, batches, begin_of_tail, newest, onward
from broker.views.lines import line_json, line_text

TEXT: Final = "text/plain"

_LINES: Final = ("level", "step", "attempt", "q", "tail", "after")
_TAKES: Final = {
    JSON: ((*_LINES, "before", "limit", "wait"), "a page of lines"),
    NDJSON: ((*_LINES, "before"), "a whole log"),
    EVENT_STREAM: ((*_LINES, *REMEMBERED), "a live log"),
    TEXT: ((*_LINES, "before"), "a whole log"),
}
"""By what the client accepts: the parameters, and of what they are."""
_HEADERS: Final = {"Cache-Control": "no-store"}


async def logs(request: web.Request) -> web.StreamResponse:
    """Answer by what the client accepts; who accepts anything gets a page."""
    key = run_key(request)
    accepted = request.headers.getall("Accept", [])
    kind = preferred(accepted, tuple(_TAKES))
    require_known(request, *_TAKES[kind])
    asked = asked_of(request, page=kind == JSON)
    if kind == EVENT_STREAM:
        return await stream(request, key, asked)
    limits = request.app[LIMITS]
    limits.polls.spend((limits.client(request), key, "logs"))
    if kind == JSON:
        return await _page(request, key, asked)
    if kind == NDJSON:
        epoch = request.app[LOGS].source.epoch
        return await _all(
            request,
            key,
            asked,
            {"Content-Type": NDJSON},
            lambda line: line_json(line, epoch) + b"\n",
        )
    name = f"{encode_token(key.run)}.log"
    headers = {
        "Content-Type": f"{TEXT}; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return await _all(request, key, asked, headers, lambda line: line_text(line).encode())


async def _page(request: web.Request, key: RunKey, asked: Asked) -> web.Response:
    """Lines after `?after=`, before `?before=`, or the last `?tail=`; in their order, always."""
    count, patience = limit_of(request), wait_of(request)
    source, last = request.app[LOGS].source, await request.app[LOGS].last(key)
    if asked.before is not None or asked.tail is not None:
        end = Position(last)
        if asked.before is not None:
            end = require_ours(asked.before, "before", source.epoch, last)
        found = await newest(source.reads, key.log_subject, end, asked.chosen, count)
        body = _items(found, source.epoch, "previous")
    else:
        after = BEGINNING
        if asked.after is not None:
            after = require_ours(asked.after, "after", source.epoch, last)
        found = await onward(source.reads, key.log_subject, after, asked.chosen, count)
        if patience and not found.lines and found.more is None:
            found = await _next(request, key, max(after, Position(last)), asked.chosen, count)
        body = _items(found, source.epoch, "next")
    return web.Response(body=body, content_type=JSON, headers=_HEADERS)


async def _next(
    request: web.Request, key: RunKey, after: Position, chosen: Chosen, count: int
) -> Lines:
    """The first lines after a position that holds for the run's head, waited for."""
    source, hub = request.app[LOGS].source, await request.app[LOGS].hubs.hub(key)
    now = request.app[TIMING].now
    until = now() + wait_of(request)
    found = Lines([], None)
    while not found.lines and found.more is None and now() < until:
        if not await request.app[WAITS].beyond(request, hub, after.seq, until - now()):
            break
        head = Position(hub.seq)
        found = await onward(source.reads, key.log_subject, after, chosen, count)
        after = head
    return found


def _items(found: Lines, epoch: str, token: str) -> bytes:
    """The page; its token leads to where others may be."""
    body = b'{"items":[%b]' % b",".join([line_json(line, epoch) for line in found.lines])
    if found.more is not None:
        seq, place = found.more
        if token == "previous":
            address = Address(epoch, seq, place + 1)
        else:
            address = Address(epoch, seq, None if place == WHOLE else place)
        body += b',"%b":"%b"' % (token.encode(), str(address).encode())
    return body + b"}"


async def _all(
    request: web.Request,
    key: RunKey,
    asked: Asked,
    headers: dict[str, str],
    shown: Callable[[Line], bytes],
) -> web.StreamResponse:
    """Every line asked for, as fast as the client takes them."""
    source, last = request.app[LOGS].source, await request.app[LOGS].last(key)
    after, end = BEGINNING, Position(last)
    if asked.after is not None:
        after = require_ours(asked.after, "after", source.epoch, last)
    if asked.before is not None:
        end = require_ours(asked.before, "before", source.epoch, last)
    if asked.tail is not None:
        after = await begin_of_tail(source.reads, key.log_subject, end, asked.chosen, asked.tail)
    lines = _between(source, key, asked.chosen, after, end)
    parts = (b"".join(map(shown, ls)) async for ls in lines)
    return await answer_in_parts(request, {**_HEADERS, **headers}, parts)


async def _between(
    source: LiveLines, key: RunKey, chosen: Chosen, after: Position, end: Position
) -> AsyncIterator[list[Line]]:
    """The chosen lines between two positions: those stored by now, so that it comes to an end."""
    async for page in batches(source.reads, key.log_subject, after.begin):
        lines = [line for record in page for line in lines_after(record, chosen, after)]
        if lines:
            yield [line for line in lines if line.behind <= end]
        if page[-1].seq >= end.seq:
            return
