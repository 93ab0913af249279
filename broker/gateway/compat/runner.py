"""The runner's interface: starting a run, and its log for a terminal."""

from typing import Annotated, Final
from urllib.parse import quote

import msgspec
from aiohttp import web
from msgspec import Meta

from broker.dialects.runner import PIPELINE, PLAN
from broker.gateway.commands.starting import Request
from broker.gateway.endpoints.body import idempotency_key, read_json
from broker.gateway.endpoints.log_stream import stream
from broker.gateway.http.line_queries import Asked
from broker.gateway.keys import LIMITS, STARTING, run_key
from broker.model.events import Count
from broker.model.loglines import EVERY
from broker.model.subjects import DEFAULT_TENANT
from broker.views.runner import RunnerLines

STATUS_COST: Final = 1.0
"""A poll as any other: pages ask every two seconds, and more than once a second is too much."""

_WHOLE_LOG: Final = Asked(EVERY, after=None, before=None, tail=None, shown=RunnerLines)


class RunBody(msgspec.Struct, frozen=True):
    """Which job is to be processed, and how thoroughly; what else a page sends is not used."""

    job_id: Annotated[str, Meta(min_length=1, max_length=256)] | Count
    level: Count = 2


async def start(request: web.Request) -> web.Response:
    """Queue a run of the pipeline; pages send the body without saying that it is JSON."""
    body = await read_json(request, RunBody, any_type=True)
    wanted = Request(
        pipeline=PIPELINE,
        inputs={"job_id": body.job_id, "level": body.level},
        labels={"job_id": body.job_id},
        plan=PLAN,
        key=idempotency_key(request),
    )
    limits = request.app[LIMITS]
    limits.ingest.spend(limits.client(request))
    run = await request.app[STARTING].start(DEFAULT_TENANT, wanted)
    here = f"{request.path.removesuffix('/run')}/{quote(run, safe='')}"
    return web.json_response(
        {
            "run_id": run,
            "status": "pending",
            "progress_url": f"{here}/progress",
            "status_url": f"{here}/status",
            "log_stream_url": f"{here}/logs",
        }
    )


async def logs(request: web.Request) -> web.StreamResponse:
    """Stream the run's log, from the beginning or where the client was."""
    return await stream(request, run_key(request), _WHOLE_LOG)
