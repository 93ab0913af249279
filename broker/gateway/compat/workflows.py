"""What the workflows interface takes, and what it says when something is wrong."""

import msgspec
from aiohttp import web

from broker.gateway.commands.starting import Request
from broker.gateway.endpoints.body import idempotency_key, read_object
from broker.gateway.keys import LIMITS, STARTING
from broker.model.subjects import DEFAULT_TENANT


async def execute(request: web.Request) -> web.Response:
    """Queue a run of the workflow with the body as its inputs; 200 with the execution's id."""
    workflow = request.match_info["workflow"]
    inputs = await read_object(request, "the inputs of the workflow")
    limits = request.app[LIMITS]
    limits.ingest.spend(limits.client(request))
    wanted = Request(pipeline=workflow, inputs=inputs, key=idempotency_key(request))
    run = await request.app[STARTING].start(DEFAULT_TENANT, wanted)
    return web.json_response({"execution_id": run, "workflow_id": workflow, "status": "queued"})


def complaint(detail: str) -> bytes:
    """An `error` message: a page that does not know the type passes it over."""
    return msgspec.json.encode({"type": "error", "data": {"error_message": detail}})
