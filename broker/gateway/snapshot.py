"""`GET /v1/runs/{run}`: the state of a run, now or as soon as it differs from what is known."""

from aiohttp import web

from broker.gateway.attempts import MAX_AGE, attempt_of
from broker.gateway.cursors import after_of
from broker.gateway.keys import ATTEMPTS, LIMITS, OPTIONS, REGISTRY, WAITS, run_key
from broker.gateway.waiting import wait_of


async def snapshot(request: web.Request) -> web.Response:
    """The snapshot, or 304 where the client has this very one.

    `?wait=` holds the answer until the run has gone on from what the client has: the state of its
    `If-None-Match`, or of `?after=`. The latter makes the URL the same for all clients that are
    equally far, so that a cache before the gateway asks once for all of them.

    `?attempt=` gives an earlier attempt as it ended.
    """
    key, patience, after = run_key(request), wait_of(request), after_of(request)
    attempt = attempt_of(request)
    limits = request.app[LIMITS]
    limits.polls.spend((limits.client(request), key))
    hub = await request.app[REGISTRY].hub(key)
    condition = request.headers.get("If-None-Match")
    waiting = patience and attempt in (None, hub.state.attempt)
    if waiting and (after == hub.cursor if after else has_tag(condition, f'"{hub.cursor}"')):
        await request.app[WAITS].beyond(request, hub, hub.seq, patience)
    cursor, age = hub.cursor, request.app[OPTIONS].snapshot_ttl
    past = None
    if attempt is not None and attempt != hub.state.attempt:
        cursor, past = await request.app[ATTEMPTS].past(key, attempt, hub.state)
        age = MAX_AGE
    tag = f'"{cursor}"'
    headers = {"ETag": tag, "Cache-Control": f"max-age={age}"}
    if has_tag(condition, tag):
        return web.Response(status=304, headers=headers)
    body = hub.snapshot() if past is None else past
    return web.Response(body=body, content_type="application/json", headers=headers)


def has_tag(condition: str | None, tag: str) -> bool:
    """Weak comparison of entity tags (RFC 9110 §8.8.3.2)."""
    if condition is None:
        return False
    if condition == tag:
        return True
    tags = [part.strip().removeprefix("W/") for part in condition.split(",")]
    return tag in tags or "*" in tags
