"""The URL table."""

from aiohttp import web

from broker.gateway import cors, health, ingest, live, snapshot, websocket


def add_api(app: web.Application) -> None:
    """The routes for clients."""
    app.router.add_get("/v1/runs/{run}", snapshot.snapshot)
    app.router.add_get("/v1/runs/{run}/events", live.events)
    app.router.add_post("/v1/runs/{run}/events", ingest.ingest)
    app.router.add_post("/v1/events", ingest.ingest)
    app.router.add_get("/v1/ws", websocket.websocket)
    app.router.add_route("OPTIONS", "/v1/{path:.*}", cors.preflight)


def add_admin(app: web.Application) -> None:
    """The routes for who runs the gateway."""
    app.router.add_get("/healthz", health.alive)
    app.router.add_get("/readyz", health.ready)
    app.router.add_get("/metrics", health.metrics)
