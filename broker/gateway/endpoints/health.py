"""`/healthz`, `/readyz` and `/metrics`."""

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from broker.gateway.keys import METRICS, READY


async def alive(request: web.Request) -> web.Response:
    """The process turns its loop. Says nothing of NATS: a restart would not mend that."""
    return web.json_response({"status": "alive"})


async def ready(request: web.Request) -> web.Response:
    """Whether new clients are welcome; 503 with the reason where they are not."""
    reason = request.app[READY]()
    body = {"status": "ready"} if reason is None else {"status": "not ready", "reason": reason}
    return web.Response(
        status=200 if reason is None else 503,
        body=msgspec.json.encode(body),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


async def metrics(request: web.Request) -> web.Response:
    """Everything counted and measured, in the Prometheus text format."""
    return web.Response(
        body=generate_latest(request.app[METRICS].registry),
        headers={"Content-Type": CONTENT_TYPE_LATEST},
    )
