"""The URL table."""

from aiohttp import web

from broker.gateway import (
    bulk,
    commands,
    cors,
    estimates,
    health,
    ingest,
    listing,
    live,
    logs,
    many,
    snapshot,
    start,
    websocket,
)
from broker.gateway.compat.routes import add_compat


def add_api(app: web.Application) -> None:
    """The routes for clients; aiohttp tries those that begin alike in this order."""
    app.router.add_get("/v1/runs/{run}", snapshot.snapshot)
    app.router.add_get("/v1/runs", listing.listing)
    app.router.add_get("/v1/runs/{run}/events", live.events)
    app.router.add_post("/v1/runs/{run}/events", ingest.ingest)
    app.router.add_get("/v1/runs/{run}/logs", logs.logs)
    app.router.add_get("/v1/runs/{run}/estimate", estimates.run_estimate)
    app.router.add_post(commands.ROUTE, commands.command)
    app.router.add_post("/v1/commands", bulk.bulk)
    app.router.add_get("/v1/pipelines", estimates.pipelines)
    app.router.add_get("/v1/pipelines/{pipeline}", estimates.pipeline)
    app.router.add_post("/v1/pipelines/{pipeline}/runs", start.start)
    app.router.add_post("/v1/events", ingest.ingest)
    app.router.add_get("/v1/stream", many.stream)
    app.router.add_get("/v1/ws", websocket.websocket)
    add_compat(app)
    app.router.add_route("OPTIONS", "/{path:.*}", cors.preflight)


def add_admin(app: web.Application) -> None:
    """The routes for who runs the gateway."""
    app.router.add_get("/healthz", health.alive)
    app.router.add_get("/readyz", health.ready)
    app.router.add_get("/metrics", health.metrics)
