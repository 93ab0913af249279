"""The URL table of existing interfaces: one block for each."""

import time
from datetime import UTC, datetime

from aiohttp import web

from broker.gateway.compat import graphs, jobs, runner, workflows
from broker.gateway.compat.executions import UNKNOWN, complaining
from broker.gateway.compat.monitors import Monitors
from broker.gateway.compat.paths import RUNNER
from broker.gateway.compat.shown import shown
from broker.gateway.compat.sockets import socket
from broker.gateway.compat.streams import stream
from broker.gateway.endpoints import health
from broker.gateway.keys import INDEX, SOCKETS
from broker.views.executions import ExecutionsStory, execution, progress
from broker.views.job import job_document
from broker.views.runner import RunnerStory, status_document
from broker.views.workflows import WORKFLOWS


def add_compat(app: web.Application) -> None:
    """The routes of every existing interface, with and without their prefixes."""
    _add_workflows(app)
    _add_executions(app)
    _add_runner(app)
    _add_jobs(app)
    _add_graphs(app)


def _add_workflows(app: web.Application) -> None:
    told = socket(WORKFLOWS, workflows.complaint, waits=True)
    for prefix in ("/api/v1", ""):
        app.router.add_get(f"{prefix}/workflows/stream/{{run:[^/]+}}", told)
        app.router.add_post(f"{prefix}/workflows/{{workflow:[^/]+}}/execute", workflows.execute)
    app.router.add_get("/health", health.alive)


def _add_executions(app: web.Application) -> None:
    complaint = complaining(lambda: datetime.now(UTC))
    told = socket(ExecutionsStory(), complaint, unknown=UNKNOWN)
    for prefix in ("/api/v1", ""):
        app.router.add_get(f"{prefix}/executions/{{run:[^/]+}}", shown(execution))
        app.router.add_get(f"{prefix}/executions/{{run:[^/]+}}/progress", shown(progress))
        app.router.add_get(f"{prefix}/executions/{{run:[^/]+}}/progress/ws", told)


def _add_runner(app: web.Application) -> None:
    told, status = stream(RunnerStory()), shown(status_document, runner.STATUS_COST)
    for prefix in RUNNER:
        app.router.add_post(f"{prefix}/run", runner.start)
        app.router.add_get(f"{prefix}/{{run:[^/]+}}/progress", told)
        app.router.add_get(f"{prefix}/{{run:[^/]+}}/status", status)
        app.router.add_get(f"{prefix}/{{run:[^/]+}}/logs", runner.logs)


def _add_jobs(app: web.Application) -> None:
    monitors = Monitors(app[INDEX], app[SOCKETS], time.time)
    for prefix in ("/api", ""):
        app.router.add_get(f"{prefix}/ws", monitors.watch)
        app.router.add_get(f"{prefix}/jobs", jobs.listing)
        app.router.add_get(f"{prefix}/jobs/{{run:[^/]+}}", shown(job_document))
        app.router.add_post(f"{prefix}/jobs/{{run:[^/]+}}/{jobs.COMMAND}", jobs.command)


def _add_graphs(app: web.Application) -> None:
    for prefix in ("/api/graphs", "/graphs"):
        app.router.add_post(f"{prefix}/load", graphs.load)
        app.router.add_get(prefix, graphs.listing)
        app.router.add_get(f"{prefix}/{{graph:[^/]+}}", graphs.one)
        app.router.add_post(f"{prefix}/{{graph:[^/]+}}/execute", graphs.execute)
        app.router.add_post(f"{prefix}/{{graph:[^/]+}}/execute/stream", graphs.execute_stream)
        app.router.add_get(
            f"{prefix}/{{graph:[^/]+}}/executions/{{run:[^/]+}}/stream", graphs.execution_stream
        )
