"""The graphs' interface: loading a graph, and executing it, watched or not."""

from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from aiohttp import web
from msgspec import Meta

from broker.errors import NotOfGraph
from broker.gateway.commands.starting import Request
from broker.gateway.compat.streams import tell
from broker.gateway.endpoints.body import idempotency_key, read_json
from broker.gateway.endpoints.event_stream import admit
from broker.gateway.keys import LIMITS, REGISTRY, RUNS, STARTING, WRITES, run_key
from broker.model.graph import GRAPH_LABEL, Graph
from broker.model.subjects import DEFAULT_TENANT, RunKey
from broker.stream.graphs import every, find, keep
from broker.views.graphs import GraphsStory, graph_document

PIPELINE: Final = "graphs"
"""What workers take executions of: any graph, its file named in the inputs."""
EXECUTION: Final = "X-Execution-Id"
"""The header of a stream that names the run, before the first frame does."""

_STORY: Final = GraphsStory()

_Printable = Annotated[str, Meta(pattern=r"\A[^\x00-\x1f]+\Z")]


class LoadBody(msgspec.Struct, frozen=True):
    """Which file defines the graph; without a name it is called as its file."""

    file_path: Annotated[_Printable, Meta(max_length=1024)]
    graph_name: Annotated[_Printable, Meta(max_length=256)] | None = None
    description: Annotated[str, Meta(max_length=1024)] | None = None


class ExecuteBody(msgspec.Struct, frozen=True):
    """What the first node is given."""

    initial_state: dict[str, Any] | None = None


async def load(request: web.Request) -> web.Response:
    """Register a graph, in place of what was known of it; the file is for a worker to read."""
    body = await read_json(request, LoadBody)
    limits = request.app[LIMITS]
    limits.ingest.spend(limits.client(request))
    name = body.graph_name or PurePosixPath(body.file_path).stem or body.file_path
    graph = Graph.of(body.file_path, name, body.description, datetime.now(UTC))
    await keep(request.app[WRITES], DEFAULT_TENANT, graph)
    return web.json_response(graph_document(graph))


async def listing(request: web.Request) -> web.Response:
    """Every graph, the one loaded last at the end."""
    limits = request.app[LIMITS]
    limits.polls.spend((limits.client(request), PIPELINE))
    found = await every(request.app[RUNS].reads, DEFAULT_TENANT)
    return web.json_response({"graphs": [graph_document(graph) for graph in found]})


async def one(request: web.Request) -> web.Response:
    """One graph."""
    graph = request.match_info["graph"]
    limits = request.app[LIMITS]
    limits.polls.spend((limits.client(request), graph))
    return web.json_response(
        graph_document(await find(request.app[RUNS].reads, DEFAULT_TENANT, graph))
    )


async def execute(request: web.Request) -> web.Response:
    """Queue an execution, and say where it can be watched."""
    run = await _queued(request)
    body = {
        "execution_id": run,
        "graph_id": request.match_info["graph"],
        "status": "queued",
        "stream_url": _stream_path(request, run),
    }
    return web.json_response(body, status=202, headers={"Location": body["stream_url"]})


async def execute_stream(request: web.Request) -> web.StreamResponse:
    """Queue an execution, and stream it; it goes on when the client leaves."""
    who = admit(request)
    # Nothing is to be started for a client whose stream would be refused then.
    request.app[LIMITS].streams.require_room(who)
    run = await _queued(request)
    headers = {EXECUTION: run, "Content-Location": _stream_path(request, run)}
    key = RunKey(DEFAULT_TENANT, run)
    return await tell(request, who, key, _STORY, bare=True, headers=headers)


async def execution_stream(request: web.Request) -> web.StreamResponse:
    """Stream an execution of the graph; `EventSource` resumes where it was."""
    who, key = admit(request), run_key(request)
    hub = await request.app[REGISTRY].hub(key)
    graph = request.match_info["graph"]
    if hub.state.labels.get(GRAPH_LABEL) != graph:
        raise NotOfGraph(key.run, graph)
    return await tell(request, who, key, _STORY)


async def _queued(request: web.Request) -> str:
    """Put an execution of the graph on the work queue; gives its run."""
    app = request.app
    body = await read_json(request, ExecuteBody)
    limits = app[LIMITS]
    limits.ingest.spend(limits.client(request))
    graph = await find(app[RUNS].reads, DEFAULT_TENANT, request.match_info["graph"])
    repeated_as = idempotency_key(request)
    wanted = Request(
        pipeline=PIPELINE,
        inputs={
            "graph_id": graph.id,
            "file_path": graph.file_path,
            "graph_name": graph.name,
            "initial_state": body.initial_state or {},
        },
        name=graph.name,
        labels={GRAPH_LABEL: graph.id},
        key=repeated_as and f"{graph.id} {repeated_as}",
    )
    return await app[STARTING].start(DEFAULT_TENANT, wanted)


def _stream_path(request: web.Request, run: str) -> str:
    """Where the execution is streamed to whoever comes, with the prefix that was asked with."""
    graph_path = request.path.rsplit("/execute", 1)[0]
    return f"{quote(graph_path)}/executions/{quote(run, safe='')}/stream"
