"""`GET /v1/runs/{run}`: the state of a run, now or as soon as it differs from what is known."""

from aiohttp import web

from broker.gateway.cursors import after_of
from broker.gateway.keys import LIMITS, OPTIONS, REGISTRY, run_key
from broker.gateway.waiting import wait_of


async def snapshot(request: web.Request) -> web.Response:
    """The snapshot, or 304 where the client has this very one.

    `?wait=` holds the answer until the run has gone on from what the client has: the state of its
    `If-None-Match`, or of `?after=`. The latter makes the URL the same for all clients that are
    equally far, so that a cache before the gateway asks once for all of them.
    """
    key, patience, after = run_key(request), wait_of(request), after_of(request)
    limits = request.app[LIMITS]
    limits.polls.spend((limits.client(request), key))
    hub = await request.app[REGISTRY].hub(key)
    condition = request.headers.get("If-None-Match")
    if patience and (after == hub.cursor if after else _has(condition, f'"{hub.cursor}"')):
        await hub.beyond(hub.seq, patience)
    tag = f'"{hub.cursor}"'
    headers = {"ETag": tag, "Cache-Control": f"max-age={request.app[OPTIONS].snapshot_ttl}"}
    if _has(condition, tag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=hub.snapshot(), content_type="application/json", headers=headers)


def _has(condition: str | None, tag: str) -> bool:
    """Weak comparison of entity tags (RFC 9110 §8.8.3.2)."""
    if condition is None:
        return False
    if condition == tag:
        return True
    tags = [part.strip().removeprefix("W/") for part in condition.split(",")]
    return tag in tags or "*" in tags
