"""`GET /v1/runs/{run}`: the state of a run, now or as soon as it differs from what is known."""

from aiohttp import web

from broker.gateway.attempts import MAX_AGE, attempt_of
from broker.gateway.cursors import after_of
from broker.gateway.keys import ATTEMPTS, LIMITS, OPTIONS, REGISTRY, WAITS, run_key
from broker.gateway.waiting import wait_of
from broker.gateway.whole import whole


async def snapshot(request: web.Request) -> web.StreamResponse:
    """The snapshot, or 304 where the client has this very one.

    `?wait=` holds the answer until the run has gone on from what the client has: the state of its
    `If-None-Match`, or of `?after=`. The latter makes the URL the same for all clients that are
    equally far, so that a cache before the gateway asks once for all of them.

    `?attempt=` gives an earlier attempt as it ended.
    """
    key, patience, after, attempt = run_key(request), 0.0, None, None
    if request.query:
        patience, after, attempt = wait_of(request), after_of(request), attempt_of(request)
    app = request.app
    limits = app[LIMITS]
    limits.polls.spend((limits.client(request), key))
    hub = await app[REGISTRY].hub(key)
    condition = request.headers.get("If-None-Match")
    waiting = patience and attempt in (None, hub.state.attempt)
    if waiting and (after == hub.cursor if after else has_tag(condition, f'"{hub.cursor}"')):
        await app[WAITS].beyond(request, hub, hub.seq, patience)
    options = app[OPTIONS]
    cursor, age = hub.cursor, options.snapshot_ttl
    past = None
    if attempt is not None and attempt != hub.state.attempt:
        cursor, past = await app[ATTEMPTS].past(key, attempt, hub.state)
        age = MAX_AGE
    tag = f'"{cursor}"'
    headers = {"ETag": tag, "Cache-Control": f"max-age={age}"}
    if has_tag(condition, tag):
        return whole(request, 304, headers, always=options.fixed_headers)
    headers["Content-Type"] = "application/json"
    body = hub.snapshot() if past is None else past
    return whole(request, 200, headers, body, always=options.fixed_headers)


def has_tag(condition: str | None, tag: str) -> bool:
    """Weak comparison of entity tags (RFC 9110 §8.8.3.2)."""
    if condition is None:
        return False
    if condition == tag:
        return True
    tags = [part.strip().removeprefix("W/") for part in condition.split(",")]
    return tag in tags or "*" in tags
