"""`GET /v1/runs/{run}`: the state of a run, now."""

from aiohttp import web

from broker.gateway.keys import OPTIONS, REGISTRY, run_key


async def snapshot(request: web.Request) -> web.Response:
    """The snapshot, or 304 where the client has this very one."""
    hub = await request.app[REGISTRY].hub(run_key(request))
    tag = f'"{hub.cursor}"'
    headers = {"ETag": tag, "Cache-Control": f"max-age={request.app[OPTIONS].snapshot_ttl}"}
    if _has(request.headers.get("If-None-Match"), tag):
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
