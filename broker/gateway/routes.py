"""The URL table."""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from broker.errors import StreamUnavailable
from broker.gateway.compat.routes import add_compat
from broker.gateway.endpoints import (
    badges,
    bulk,
    commands,
    estimates,
    health,
    ingest,
    listing,
    live,
    logs,
    many,
    pages,
    snapshot,
    start,
    websocket,
)
from broker.gateway.http import cors

_RUN: Final = "{run:[^/]+}"
_PIPELINE: Final = "{pipeline:[^/]+}"
"""Any id: in what aiohttp takes for a name that has no pattern there are no braces."""


def add_api(app: web.Application) -> None:
    """The routes for clients; aiohttp tries those that begin alike in this order."""
    app.router.add_get(f"/v1/runs/{_RUN}", snapshot.snapshot)
    app.router.add_get("/v1/runs", listing.listing)
    app.router.add_get(f"/v1/runs/{_RUN}/events", live.events)
    app.router.add_post(f"/v1/runs/{_RUN}/events", ingest.ingest)
    app.router.add_get(f"/v1/runs/{_RUN}/logs", logs.logs)
    app.router.add_get(f"/v1/runs/{_RUN}/estimate", estimates.run_estimate)
    app.router.add_get(f"/v1/runs/{_RUN}/badge.svg", badges.run_badge)
    app.router.add_post(commands.ROUTE, commands.command)
    app.router.add_post("/v1/commands", bulk.bulk)
    app.router.add_get("/v1/pipelines", estimates.pipelines)
    app.router.add_get(f"/v1/pipelines/{_PIPELINE}", estimates.pipeline)
    app.router.add_get(f"/v1/pipelines/{_PIPELINE}/badge.svg", badges.pipeline_badge)
    app.router.add_post(f"/v1/pipelines/{_PIPELINE}/runs", start.start)
    app.router.add_post("/v1/events", ingest.ingest)
    app.router.add_get("/v1/stream", many.stream)
    app.router.add_get("/v1/ws", websocket.websocket)
    add_compat(app)
    add_pages(app)
    app.router.add_route("OPTIONS", "/{path:.*}", cors.preflight)


def add_pages(app: web.Application) -> None:
    """The dashboard."""
    for path in ("/", "/compare", f"/runs/{_RUN}", f"/runs/{_RUN}/{{part:.+}}"):
        app.router.add_get(path, pages.page)
    app.router.add_get(f"/share/{_RUN}", pages.shared)
    app.router.add_get("/assets/{version}/{path:.+}", pages.asset)
    app.router.add_get("/embed.js", pages.embed)


def add_excuse(app: web.Application, why: Callable[[], str]) -> None:
    """In the place of the routes for clients: that they cannot be answered yet, and why."""

    async def excused(request: web.Request) -> web.Response:
        raise StreamUnavailable("the gateway cannot answer yet", why())

    add_pages(app)
    app.router.add_route("OPTIONS", "/{path:.*}", cors.preflight)
    app.router.add_route("*", "/{path:.*}", excused)


def add_admin(app: web.Application) -> None:
    """The routes for who runs the gateway."""
    app.router.add_get("/healthz", health.alive)
    app.router.add_get("/readyz", health.ready)
    app.router.add_get("/metrics", health.metrics)
