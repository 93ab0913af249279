"""`GET /v1/runs`: a page of the runs that a query finds, or, if preferred, the list live."""

import hashlib
from typing import Final

import msgspec
from aiohttp import web

from broker.errors import IndexNotBuilt
from broker.gateway.endpoints.event_stream import EVENT_STREAM
from broker.gateway.endpoints.history import JSON
from broker.gateway.endpoints.live_list import stream
from broker.gateway.endpoints.snapshot import has_tag
from broker.gateway.http.accept import preferred
from broker.gateway.keys import INDEX, LIMITS, LIVE_LISTS, OPTIONS
from broker.gateway.runs.cursors import REMEMBERED
from broker.runs.query import parse

_encode: Final = msgspec.json.Encoder().encode


async def listing(request: web.Request) -> web.StreamResponse:
    """Answer by what the client accepts; who accepts anything gets the page."""
    query = parse(request.query.items(), besides=REMEMBERED)
    kind = preferred(request.headers.getall("Accept", []), (JSON, EVENT_STREAM))
    if kind == EVENT_STREAM:
        return await stream(request, query)
    limits = request.app[LIMITS]
    limits.polls.spend((limits.client(request), "list"))
    index = request.app[INDEX]
    if not index.built:
        raise IndexNotBuilt(len(index))
    page = index.page(query)
    body: dict[str, object] = {"items": list(map(request.app[LIVE_LISTS].row, page.rows))}
    if page.next is not None:
        body["next"] = page.next
    encoded = _encode(body | {"counts": page.counts})
    tag = f'"{hashlib.blake2b(encoded, digest_size=12).hexdigest()}"'
    headers = {
        "ETag": tag,
        "Cache-Control": f"max-age={request.app[OPTIONS].snapshot_ttl}",
        "Vary": "Accept",  # no cache may give a page to who wants the list live
    }
    if has_tag(request.headers.get("If-None-Match"), tag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=encoded, content_type=JSON, headers=headers)
