"""A run as the execution of a graph: its nodes as they start and end.

The frames have no name; what they are stands in `type`. A node that fails does not end the run:
`error` with a `node_id` is the node's, and without one the run's.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from broker.model.cursor import Cursor
from broker.model.events import Event, StepCompleted, StepRetrying, Unknown
from broker.model.graph import GRAPH_LABEL, Graph, result_of
from broker.model.state import TERMINAL, Problem, RunState, StepState
from broker.model.steps import utc
from broker.views.message import Message, Moment, Story
from broker.views.native import rfc3339
from broker.views.untouched import untouched


class Node(msgspec.Struct, frozen=True):
    """A node of the graph, and those it waits for."""

    id: str
    name: str
    after: list[str]


class Summary(msgspec.Struct, frozen=True):
    """How many nodes there were, and what became of them."""

    total: int
    completed: int
    failed: int
    skipped: int


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One frame; what has no value is absent. `duration` is seconds, `timestamp` RFC 3339."""

    type: Literal["start", "node_start", "node_complete", "complete", "error"]
    execution_id: str | None = None
    graph_id: str | None = None
    total_nodes: int | None = None
    nodes: list[Node] | None = None
    node_id: str | None = None
    node_name: str | None = None
    timestamp: str | None = None
    duration: float | None = None
    result: Any = None
    error: str | None = None
    summary: Summary | None = None
    x_state: msgspec.Raw | None = None


_encode: Final = msgspec.json.Encoder().encode


def graph_document(graph: Graph) -> dict[str, Any]:
    """A graph that was loaded, under both of the names that clients look for."""
    return {
        "id": graph.id,
        "graph_id": graph.id,
        "name": graph.name,
        "graph_name": graph.name,
        "description": graph.description,
        "file_path": graph.file_path,
        "loaded_at": rfc3339(graph.loaded_at),
    }


class GraphsStory(Story):
    """The frames of an execution. `start` begins the picture anew: nothing before it counts."""

    name = "graphs"

    def snapshot(self, state: RunState, epoch: str) -> Iterable[Message]:
        """The frames so far, in the order of their times, without what was tried in vain."""
        frames = [_start(state)] if state.started_at is not None else []
        timed = [found for name, step in state.steps.items() for found in _past(name, step, state)]
        frames += [frame for _, frame in sorted(timed, key=lambda found: found[0])]
        if state.ended:
            frames.append(_end(state, state.outputs, epoch))
        return _messages(frames, Cursor(epoch, state.seq))

    def tell(self, moment: Moment, state: RunState, epoch: str) -> Iterable[Message]:
        return _messages(list(_added(moment, state, epoch)), Cursor(epoch, moment.record.seq))


def _messages(frames: list[Frame], cursor: Cursor) -> list[Message]:
    """The frames; the last one carries the cursor, so that who has it has them all."""
    messages = [Message("", _encode(frame)) for frame in frames]
    return [*messages[:-1], messages[-1]._replace(cursor=cursor)] if messages else []


def _added(moment: Moment, state: RunState, epoch: str) -> Iterator[Frame]:
    event = moment.event
    anew = state.attempt != moment.attempt
    if not anew and (moment.status in TERMINAL or event.attempt not in (None, state.attempt)):
        return
    if state.started_at is not None and (anew or not moment.begun):
        yield _start(state)
    name = getattr(event, "step", None)
    step = state.steps.get(name) if name is not None else None
    before = None if anew else moment.step
    if name is not None and step is not None and step.status != before:
        at = utc(event.time) or moment.record.stored_at
        yield from _changed(event, name, step, at, tried=before in ("failed", "retrying"))
    if state.ended:
        yield _end(state, getattr(event, "outputs", None), epoch)


def _changed(
    event: Event | Unknown, name: str, step: StepState, at: datetime, *, tried: bool
) -> Iterator[Frame]:
    """What is told of a node that stands elsewhere than before.

    There is no word for waiting until it is tried again: it has started then.
    """
    if step.status == "retrying":
        if isinstance(event, StepRetrying) and event.error is not None and not tried:
            yield _ended(name, step, at)
        yield _started(name, step, at)
    elif step.status == "running":
        if not tried:
            yield _started(name, step, at)
    elif step.status != "pending":
        outputs = event.outputs if isinstance(event, StepCompleted) else None
        yield _ended(name, step, step.ended_at or at, outputs)


def _past(name: str, step: StepState, state: RunState) -> Iterator[tuple[datetime, Frame]]:
    """The frames of a node, each with its time; the end of a node is not before its start."""
    begun = step.started_at or (state.started_at if step.status == "retrying" else None)
    if begun is not None:
        yield begun, _started(name, step, begun)
    if step.ended_at is not None:
        ended = step.ended_at if begun is None else max(begun, step.ended_at)
        yield ended, _ended(name, step, step.ended_at)


def _start(state: RunState) -> Frame:
    graph = state.labels.get(GRAPH_LABEL)
    known = [
        Node(name, step.name or name, step.after)
        for name, step in state.steps.items()
        if step.weight is not None
    ]
    return Frame(
        type="start",
        execution_id=state.run,
        graph_id=None if graph is None else str(graph),
        total_nodes=state.total_steps or len(known) or None,
        nodes=known or None,
        timestamp=_text(state.started_at),
    )


def _started(name: str, step: StepState, at: datetime) -> Frame:
    return Frame(
        type="node_start", node_id=name, node_name=step.name or name, timestamp=rfc3339(at)
    )


def _ended(
    name: str, step: StepState, at: datetime, outputs: dict[str, Any] | None = None
) -> Frame:
    """How a node ended. A skipped one is complete, and says so in its result."""
    error = result = None
    if step.status == "completed":
        result = result_of(step.outputs if outputs is None else outputs)
    elif step.status == "skipped":
        result = {"skipped": step.message or True}
    else:
        error = "cancelled" if step.status == "cancelled" else _reason(step.error)
    return Frame(
        type="node_complete" if error is None else "error",
        node_id=name,
        node_name=step.name or name,
        timestamp=rfc3339(at),
        duration=step.duration,
        result=result,
        error=error,
    )


def _end(state: RunState, outputs: dict[str, Any] | None, epoch: str) -> Frame:
    counts = state.counts
    total = max(counts.total, state.total_steps or 0)
    error = result = None
    if state.status == "completed":
        result = result_of(state.outputs if outputs is None else outputs)
    else:
        error = "cancelled" if state.status == "cancelled" else _reason(state.error)
    return Frame(
        type="complete" if error is None else "error",
        timestamp=_text(state.ended_at),
        duration=state.duration,
        result=result,
        error=error,
        summary=Summary(total, counts.completed, counts.failed, counts.skipped),
        x_state=untouched(state, epoch),
    )


def _reason(problem: Problem | None) -> str:
    return (problem and (problem.message or problem.type)) or "failed"


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
