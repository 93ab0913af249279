"""History of a run: a page of its events, which may wait for the next, or all of them as NDJSON."""

from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from broker.errors import InvalidCursor, MalformedEvent
from broker.gateway.endpoints.parts import answer_in_parts
from broker.gateway.http.parameters import whole_number
from broker.gateway.http.waiting import wait_of
from broker.gateway.keys import LIMITS, REGISTRY, RUNS, WAITS
from broker.gateway.runs.cursors import after_of
from broker.model.cursor import Cursor
from broker.model.decode import decode
from broker.model.record import Record
from broker.model.subjects import RunKey
from broker.stream.live import LiveRuns
from broker.stream.replay import last_sequences
from broker.views.native import event_json

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
PAGE: Final = 100
LARGEST_PAGE: Final = 1000


async def page(request: web.Request, key: RunKey) -> web.Response:
    """One page after `?after=`; with `?wait=`, an empty one waits for the next event."""
    limit, patience = _limit(request), wait_of(request)
    limits = request.app[LIMITS]
    limits.polls.spend((limits.client(request), key))
    after = await _begin(request, key)
    runs = request.app[RUNS]
    records = await _read(runs, key, after, limit + 1)
    if not records and (patience or not after):
        hub = await request.app[REGISTRY].hub(key)
        if patience and await request.app[WAITS].beyond(request, hub, after, patience):
            records = await _read(runs, key, after, limit + 1)
    more = len(records) > limit
    items = b",".join(_lines(records[:limit], runs.epoch))
    body = b'{"items":[%b]' % items
    if more:
        body += b',"next":"%b"' % str(Cursor(runs.epoch, records[limit - 1].seq)).encode()
    return web.Response(body=body + b"}", content_type=JSON, headers={"Cache-Control": "no-store"})


async def history(request: web.Request, key: RunKey) -> web.StreamResponse:
    """Every event after `?after=`, one per line."""
    limits = request.app[LIMITS]
    limits.polls.spend((limits.client(request), key))
    after = await _begin(request, key)
    runs = request.app[RUNS]
    pages = runs.read(key, after)
    first = await anext(pages, None)
    if first is None and not after:
        await request.app[REGISTRY].hub(key)
    headers = {"Content-Type": NDJSON, "Cache-Control": "no-store"}
    return await answer_in_parts(request, headers, _parts(first or [], pages, runs.epoch))


async def _parts(
    first: list[Record], others: AsyncIterator[list[Record]], epoch: str
) -> AsyncIterator[bytes]:
    yield b"".join([line + b"\n" for line in _lines(first, epoch)])
    async for page in others:
        yield b"".join([line + b"\n" for line in _lines(page, epoch)])


async def _read(runs: LiveRuns, key: RunKey, after: int, most: int) -> list[Record]:
    """The stored records after a sequence, `most` at most."""
    records: list[Record] = []
    async for found in runs.read(key, after, most):
        records += found
        if len(records) >= most:
            break
    return records[:most]


async def _begin(request: web.Request, key: RunKey) -> int:
    """The sequence in `after`, which must be one of this stream and not beyond its end.

    Of a run whose events have expired the checkpoint tells the end. Raises NotFound without one.
    """
    after = after_of(request)
    if after is None:
        return 0
    runs = request.app[RUNS]
    last = (await last_sequences(runs.reads, [key.subject])).get(key.subject)
    if last is None:
        last = (await request.app[REGISTRY].hub(key)).seq
    if after.epoch != runs.epoch or after.seq > last:
        raise InvalidCursor(str(after), "after")
    return after.seq


def _limit(request: web.Request) -> int:
    if "limit" not in request.query:
        return PAGE
    return whole_number(request, "limit", least=1, most=LARGEST_PAGE)


def _lines(records: list[Record], epoch: str) -> list[bytes]:
    lines = []
    for record in records:
        try:
            lines.append(event_json(decode(record.payload), record, epoch))
        except MalformedEvent:
            continue
    return lines
