"""Graphs and their executions over HTTP, as clients of that interface ask for them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.compat.scenarios import STEPS
from tests.gateway.serving import Broker
from tests.sse import PATIENCE, Answer, Stream, Wire, ask

JSON = {"Content-Type": "application/json"}
EXAMPLES = Path(__file__).parents[2] / "examples"
STATISTICS = EXAMPLES / "graphs/text_statistics.py"

Event = dict[str, Any]


async def post(url: str, target: str, body: Any, **headers: str) -> Answer:
    """Send a body as JSON."""
    sent = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return await ask(url, target, method="POST", headers=JSON | headers, body=sent)


async def loaded(url: str, file_path: str = "graph.py", name: str = "Test") -> str:
    """Load a graph; gives its id."""
    answer = await post(url, "/api/graphs/load", {"file_path": file_path, "graph_name": name})
    assert 200 == answer.status, answer.body
    id: str = answer.json()["graph_id"]
    return id


@asynccontextmanager
async def executing(
    url: str, graph: str, body: Any = None, *, prefix: str = "/api", **headers: str
) -> AsyncIterator[Stream]:
    """Execute a graph, and stream it."""
    sent = msgspec.json.encode({"initial_state": {}} if body is None else body)
    async with Wire.connect(url) as wire:
        target = f"{prefix}/graphs/{graph}/execute/stream"
        await wire.send("POST", target, JSON | {"Accept": "text/event-stream"} | headers, sent)
        status, found = await wire.head()
        yield Stream(wire, status, found, PATIENCE)


@asynccontextmanager
async def attached(
    url: str,
    graph: str,
    run: str,
    *,
    prefix: str = "/api",
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[Stream]:
    """Stream an execution, as `EventSource` does."""
    async with Wire.connect(url) as wire:
        await wire.send("GET", f"{prefix}/graphs/{graph}/executions/{run}/stream", headers)
        status, found = await wire.head()
        yield Stream(wire, status, found, PATIENCE)


def began(graph: str) -> Event:
    """The first word of a worker."""
    plan = [{"step": step, "after": STEPS[:n][-1:]} for n, step in enumerate(STEPS)]
    return {"type": "run.started", "plan": plan, "labels": {"graph_id": graph}}


def node(step: str, kind: str, **fields: Any) -> Event:
    """What a worker says of a node."""
    return {"type": f"step.{kind}", "step": step, **fields}


def steps(*names: str) -> list[Event]:
    """Nodes that are executed."""
    return [node(name, kind) for name in names for kind in ("started", "completed")]


@asynccontextmanager
async def worker(b: Broker, folder: Path, root: str) -> AsyncIterator[None]:
    """The example's worker as a process of its own, started in a folder."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / "graphs_worker.py"),
        "--nats",
        b.nats.url,
        "--root",
        root,
        cwd=folder,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            async with asyncio.timeout(PATIENCE):
                _, said = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert 0 == process.returncode, said.decode()
