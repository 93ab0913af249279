"""`POST /v1/pipelines/{pipeline}/runs`: ask for a run of a pipeline."""

from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from aiohttp import web
from msgspec import Meta

from broker.gateway.commands.starting import Request
from broker.gateway.endpoints.body import idempotency_key, read_json
from broker.gateway.http.parameters import require_known
from broker.gateway.keys import LIMITS, STARTING
from broker.model.decide import By
from broker.model.events import Labels
from broker.model.subjects import DEFAULT_TENANT


class StartBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the run is given; without an id it gets one."""

    inputs: dict[str, Any] = {}
    name: Annotated[str, Meta(max_length=256)] | None = None
    labels: Labels | None = None
    metadata: dict[str, Any] | None = None
    run: str | None = None
    by: By | None = None


async def start(request: web.Request) -> web.Response:
    """Queue a run of the pipeline; 202 with the run's id, and where it is shown."""
    require_known(request, (), "a start")
    body = await read_json(request, StartBody)
    wanted = Request(
        pipeline=request.match_info["pipeline"],
        run=body.run,
        inputs=body.inputs,
        name=body.name,
        labels=body.labels,
        metadata=body.metadata,
        by=body.by,
        key=idempotency_key(request),
    )
    limits = request.app[LIMITS]
    limits.ingest.spend(limits.client(request))
    run = await request.app[STARTING].start(DEFAULT_TENANT, wanted)
    return web.json_response(
        {"run": run}, status=202, headers={"Location": f"/v1/runs/{quote(run, safe='')}"}
    )
