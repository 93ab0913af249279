"""What is now, as one JSON document in a form of its own."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from broker.gateway.endpoints.snapshot import has_tag
from broker.gateway.keys import LIMITS, OPTIONS, REGISTRY, run_key
from broker.model.state import RunState

POLL: Final = 0.25
"""What a poll costs: existing clients ask twice every half second, and `poll_rate` is 1."""


def shown(show: Callable[[RunState], dict[str, Any] | None], cost: float = POLL) -> Handler:
    """A handler that shows the run of the path; 204 where there is nothing to show.

    A request costs so much of `poll_rate`.
    """

    async def handler(request: web.Request) -> web.Response:
        key = run_key(request)
        limits = request.app[LIMITS]
        limits.polls.spend((limits.client(request), key), cost)
        hub = await request.app[REGISTRY].hub(key)
        tag = f'"{hub.cursor}"'
        headers = {"ETag": tag, "Cache-Control": f"max-age={request.app[OPTIONS].snapshot_ttl}"}
        if has_tag(request.headers.get("If-None-Match"), tag):
            return web.Response(status=304, headers=headers)
        body = show(hub.state)
        if body is None:
            return web.Response(status=204, headers=headers)
        return web.Response(
            body=msgspec.json.encode(body), content_type="application/json", headers=headers
        )

    return handler
