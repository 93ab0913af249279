"""`GET /v1/runs/{run}`: the state of a run, now or as soon as it differs from what is known."""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from broker.errors import InvalidRequest
from broker.gateway.http.parameters import require_known
from broker.gateway.http.waiting import wait_of
from broker.gateway.http.whole import whole
from broker.gateway.keys import ATTEMPTS, LIMITS, OPTIONS, REGISTRY, RUNS, WAITS, run_key
from broker.gateway.runs.attempts import MAX_AGE, attempt_of
from broker.gateway.runs.cursors import after_of, moment_of
from broker.model.cursor import Cursor

_TAKES: Final = ("wait", "after", "attempt", "at")


async def snapshot(request: web.Request) -> web.StreamResponse:
    """The snapshot, or 304 where the client has this very one.

    `?wait=` holds the answer until the run has gone on from what the client has: the state of its
    `If-None-Match`, or of `?after=`. The latter makes the URL the same for all clients that are
    equally far, so that a cache before the gateway asks once for all of them.

    `?attempt=` gives an earlier attempt as it ended, `?at=` the run as it was after an event.
    """
    key, patience, after, attempt, moment = run_key(request), 0.0, None, None, False
    if request.query:
        require_known(request, _TAKES, "a snapshot")
        patience, after = wait_of(request), after_of(request)
        attempt, moment = attempt_of(request), "at" in request.query
    if moment and attempt is not None:
        raise InvalidRequest("at and attempt exclude each other: give one of them")
    app = request.app
    limits = app[LIMITS]
    limits.polls.spend((limits.client(request), key))
    hub = await app[REGISTRY].hub(key)
    condition = request.headers.get("If-None-Match")
    waiting = patience and not moment and attempt in (None, hub.state.attempt)
    if waiting and (after == hub.cursor if after else has_tag(condition, f'"{hub.cursor}"')):
        await app[WAITS].beyond(request, hub, hub.seq, patience)
    past = None
    if attempt is not None and attempt != hub.state.attempt:
        past = await app[ATTEMPTS].past(key, attempt, hub.state)
    elif moment:
        seq = await moment_of(request, hub, app[RUNS])
        if seq is not None:
            past = await app[ATTEMPTS].at(key, seq, hub.seq, hub.state.events)
    if past is not None:
        return _answer(request, *past, max_age=MAX_AGE)
    return _answer(request, hub.cursor, hub.snapshot, max_age=app[OPTIONS].snapshot_ttl)


def _answer(
    request: web.Request, cursor: Cursor, body: bytes | Callable[[], bytes], *, max_age: int
) -> web.StreamResponse:
    """A snapshot, which is not made where the client has it."""
    tag = f'"{cursor}"'
    headers = {"ETag": tag, "Cache-Control": f"max-age={max_age}"}
    always = request.app[OPTIONS].fixed_headers
    if has_tag(request.headers.get("If-None-Match"), tag):
        return whole(request, 304, headers, always=always)
    headers["Content-Type"] = "application/json"
    content = body if isinstance(body, bytes) else body()
    return whole(request, 200, headers, content, always=always)


def has_tag(condition: str | None, tag: str) -> bool:
    """Weak comparison of entity tags (RFC 9110 §8.8.3.2)."""
    if condition is None:
        return False
    if condition == tag:
        return True
    tags = [part.strip().removeprefix("W/") for part in condition.split(",")]
    return tag in tags or "*" in tags
