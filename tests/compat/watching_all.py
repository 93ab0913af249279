"""One run watched through every interface at once, each read into the same few facts."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, NamedTuple

from websockets.asyncio.client import ClientConnection, connect

from tests.sse import PATIENCE, Stream, Wire, stream

RUN: Final = "r1"
GRAPH: Final = "g-1"
LABELS: Final = {"subject": "s-7", "graph_id": GRAPH}
STEPS: Final = ("fetch", "clean", "fit")
CANCELLED: Final = "cancelled"

Said = dict[str, Any]


class Facts(NamedTuple):
    """What each step was seen to do, in order; why steps failed; how the run ended, and why."""

    steps: dict[str, list[str]]
    errors: dict[str, str]
    end: str
    error: str | None


class Notes:
    """Facts as they are heard of."""

    def __init__(self) -> None:
        self._steps: dict[str, list[str]] = {}
        self._errors: dict[str, str] = {}
        self._end = ""
        self._error: str | None = None

    def step(self, step: str, does: str, error: str | None = None) -> None:
        """A step does something; that it goes on doing it is no news."""
        done = self._steps.setdefault(step, [])
        if does not in done[-1:]:
            done.append(does)
        if does == "failed" and error is not None:
            self._errors[step] = error

    def end(self, status: str, error: str | None = None) -> None:
        """The run has ended."""
        self._end = status
        self._error = error if status == "failed" else None

    @property
    def ended(self) -> bool:
        return bool(self._end)

    @property
    def facts(self) -> Facts:
        return Facts(self._steps, self._errors, self._end, self._error)


Hear = Callable[[Notes, Said], None]


def _failed(error: str | None) -> str:
    """These interfaces have no word for what was stopped, and say it as the error."""
    return CANCELLED if (error or "").startswith(CANCELLED) else "failed"


def _v1(notes: Notes, said: Said) -> None:
    kind = said.get("type", "")
    error = said.get("error", {}).get("message")
    if kind.startswith("step.") and kind != "step.retrying":
        does = kind.removeprefix("step.")
        notes.step(said["step"], "running" if does in ("started", "progress") else does, error)
    elif kind in ("run.completed", "run.failed", "run.cancelled"):
        notes.end(kind.removeprefix("run."), error)


def _runner(notes: Notes, said: Said) -> None:
    error = said.get("error")
    if "layer" in said:
        words = {"executing": "running", "success": "completed", "failed": _failed(error)}
        notes.step(said["layer"], words[said["status"]], error)
    else:
        notes.end("completed" if said["status"] == "complete" else _failed(error), error)


def _workflows(notes: Notes, said: Said) -> None:
    kind, data = said["type"], said["data"]
    error = data.get("error_message")
    if kind == "step_started":
        notes.step(STEPS[data["step_number"] - 1], "running")
    elif kind in ("step_completed", "step_failed"):
        notes.step(STEPS[data["step_number"] - 1], data["status"], error)
    elif kind == "execution_completed":
        notes.end(data["status"])
    elif kind == "execution_failed":
        notes.end(_failed(error), error)


def _executions(notes: Notes, said: Said) -> None:
    if said["type"] in ("completed", "failed", "cancelled"):
        notes.end(said["status"], said.get("error", {}).get("message"))
    elif "current_step_name" in said.get("progress", {}):
        notes.step(said["progress"]["current_step_name"], "running")


def _jobs(notes: Notes, said: Said) -> None:
    payload = said.get("payload", {})
    if said["type"] == "subject_stage_status":
        words = {"done": "completed", "not_run": CANCELLED}
        notes.step(payload["stageId"], words.get(payload["status"], payload["status"]))
    elif said["type"] == "job_status" and payload["status"] not in ("queued", "running"):
        notes.end(payload["status"], payload.get("error"))


def _graphs(notes: Notes, said: Said) -> None:
    kind, error = said["type"], said.get("error")
    if kind == "start":
        return
    does = {"node_start": "running", "node_complete": "completed", "complete": "completed"}
    status = does.get(kind) or _failed(error)
    if "node_id" in said:
        notes.step(said["node_id"], status, error)
    else:
        notes.end(status, error)


async def _hear_stream(frames: Stream, hear: Hear) -> Facts:
    notes = Notes()
    for frame in await frames.rest():
        hear(notes, frame.data)
    return notes.facts


async def _hear_socket(socket: ClientConnection, hear: Hear) -> Facts:
    notes = Notes()
    async with asyncio.timeout(PATIENCE):
        while not notes.ended:
            hear(notes, json.loads(await socket.recv()))
    return notes.facts


@asynccontextmanager
async def watching_all(url: str) -> AsyncIterator[Callable[[], Any]]:
    """Open every interface for the run; gives what waits for its end and gives all facts."""
    ws = url.replace("http", "ws", 1)
    async with AsyncExitStack() as stack:
        heard: dict[str, asyncio.Task[Facts]] = {}

        async def listen(name: str, hear: Hear, target: str) -> None:
            if target.startswith("ws"):
                socket = await stack.enter_async_context(connect(target, proxy=None))
                heard[name] = asyncio.create_task(_hear_socket(socket, hear))
                return
            wire = await stack.enter_async_context(Wire.connect(url))
            await wire.send("GET", target, {"Accept": "text/event-stream"})
            status, headers = await wire.head()
            assert 200 == status
            heard[name] = asyncio.create_task(
                _hear_stream(Stream(wire, status, headers, PATIENCE), hear)
            )

        events = await stack.enter_async_context(stream(url, RUN, "events"))
        heard["v1"] = asyncio.create_task(_hear_stream(events, _v1))
        await listen("runner", _runner, f"/api/runner/jobs/{RUN}/progress")
        await listen("graphs", _graphs, f"/api/graphs/{GRAPH}/executions/{RUN}/stream")
        await listen("workflows", _workflows, f"{ws}/api/v1/workflows/stream/{RUN}")
        await listen("executions", _executions, f"{ws}/api/v1/executions/{RUN}/progress/ws")
        await listen("jobs", _jobs, f"{ws}/ws")

        async def told() -> dict[str, Facts]:
            return dict(zip(heard, await asyncio.gather(*heard.values()), strict=True))

        try:
            yield told
        finally:
            for task in heard.values():
                task.cancel()
