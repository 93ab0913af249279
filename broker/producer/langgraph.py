"""LangGraph: a callback handler that reports the nodes of a graph as the steps of a run.

    graph = builder.compile()
    async with producer.run("research", plan=plan_of(graph)) as run:
        await graph.ainvoke(state, {"callbacks": [ProgressCallback(run)]})

Node authors report finer progress with LangChain's own `dispatch_custom_event` (or its async
twin), and need not know the broker:

    dispatch_custom_event("progress", {"current": 3, "total": 10, "unit": "pages"})
    dispatch_custom_event("log", {"text": "page 3 is empty", "level": "warning"})
    dispatch_custom_event("artifact", {"name": "report", "uri": "file:report.md"})
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

try:
    from langchain_core.callbacks import BaseCallbackHandler
    from langgraph.errors import GraphBubbleUp, NodeCancelledError, NodeTimeoutError, ParentCommand

    from broker.producer.langgraph_read import Place, outputs_of, place_of, plan_of, question_of
except ImportError as error:
    raise ImportError(
        "broker.producer.langgraph needs LangGraph: pip install 'progress-broker[langgraph]'"
    ) from error

if TYPE_CHECKING:
    from broker.producer import Run, Step

__all__ = ["ProgressCallback", "plan_of"]


@dataclass(slots=True, eq=False)
class _Visit:
    """One visit of a node, which is one step, however often LangGraph tries it."""

    step: Step
    id: str
    parent: str
    place: Place
    graph: UUID
    run_id: UUID  # the LangChain run of the latest try
    tries: int = 1
    error: BaseException | None = None  # of the latest try, until it is known what follows

    def retry(self, run_id: UUID) -> None:
        self.run_id = run_id
        self.tries += 1
        self.step.retrying(attempt=self.tries, error=self.error)
        self.step.start()
        self.error = None

    def settle(self, ended_by: BaseException | None) -> None:
        """End the step as the last try ended: nothing more will come.

        Callbacks see a node over its timeout as cancelled; the graph's own error says more.
        """
        if isinstance(self.error, Exception):
            self.step.fail(self.error)
        elif (
            isinstance(ended_by, NodeTimeoutError | NodeCancelledError)
            and ended_by.node == self.place.node
        ):
            self.step.fail(ended_by)
        else:
            self.step.cancel("another node failed" if isinstance(ended_by, Exception) else None)


class ProgressCallback(BaseCallbackHandler):
    """Reports every node that LangGraph runs as a step of `run`.

    The step is named after the node; a node visited again is the step `node#2`, and the nodes of
    a subgraph are `node/inner`, with the outer node's step as their parent. A step's outputs are
    the names of the state keys that the node wrote, never what it wrote.

    LangGraph tells its callbacks of a failed try, but not whether it will try again. So a failure
    is held back until the node starts again (then it was a retry), a later superstep starts, or
    the graph ends. A node that interrupts the graph to ask a person stays open and pauses the run;
    both go on when the graph is resumed with the same callback.

    One callback serves one run, from any number of threads and invocations.
    """

    # Called where the event happens, also from async graphs: a thread pool, LangChain's way with
    # other synchronous handlers, could deliver the end of a node before its start.
    run_inline = True

    def __init__(self, run: Run) -> None:
        self._run = run
        self._lock = threading.Lock()
        # The visit that every open LangChain run belongs to; None outside any node.
        self._owner: dict[UUID, _Visit | None] = {}
        self._open: dict[UUID, dict[Place, _Visit]] = {}  # per graph run, until settled
        self._waiting: dict[tuple[str, Place], _Visit] = {}  # interrupted, by parent and place
        self._visits: Counter[str] = Counter()

    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: dict[str, Any],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open a step if this is a node of a graph; anything else belongs to what it is in."""
        with self._lock:
            owner = self._owner.get(parent_run_id) if parent_run_id else None
            place = place_of(tags or [], metadata or {})
            if place is not None and parent_run_id is not None:
                owner = self._enter(place, run_id, parent_run_id, owner)
            self._owner[run_id] = owner

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Follow a tool, so that what it reports, and graphs it runs, find the node it is in."""
        with self._lock:
            self._owner[run_id] = self._owner.get(parent_run_id) if parent_run_id else None

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Complete the step of a node; settle what a graph left open."""
        with self._lock:
            if (visit := self._leave(run_id)) is not None:
                self._complete(visit, outputs)
            for left in self._open.pop(run_id, {}).values():
                left.settle(None)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Hold a node's error back until it is known whether LangGraph tries again."""
        with self._lock:
            if (visit := self._leave(run_id)) is not None:
                if isinstance(error, ParentCommand):  # goes on at a node of the parent graph
                    self._complete(visit, error.args[0])
                elif isinstance(error, GraphBubbleUp):
                    self._waiting[visit.parent, visit.place] = self._forget(visit)
                    if not visit.parent:
                        self._run.pause(f"{visit.id} waits for an answer", question_of(error))
                else:
                    visit.error = error
            for left in self._open.pop(run_id, {}).values():
                left.settle(error)

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget the tool."""
        with self._lock:
            self._leave(run_id)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget the tool: its node decides what the error means."""
        self.on_tool_end(None, run_id=run_id)

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Report `progress`, `log` and `artifact` events, the run's own if outside any node.

        Data that does not fit is logged, by LangChain or the SDK, and nothing else happens.
        """
        with self._lock:
            if run_id not in self._owner:
                return  # from a thread that outlived its node
            visit = self._owner[run_id]
            target: Run | Step = self._run if visit is None else visit.step
            if name == "progress":
                target.progress(**data)
            elif name == "log":
                target.log(**data if isinstance(data, Mapping) else {"text": data})
            elif name == "artifact":
                self._run.artifact(**data)

    def _enter(self, place: Place, run_id: UUID, graph: UUID, owner: _Visit | None) -> _Visit:
        visits = self._open.setdefault(graph, {})
        for past in [v for v in visits.values() if v.place.superstep < place.superstep]:
            self._forget(past).settle(None)  # its failure was handled: the graph went on
        if (again := visits.get(place)) is not None:
            again.retry(run_id)
            return again
        parent = owner.id if owner is not None else ""
        if (visit := self._waiting.pop((parent, place), None)) is not None:
            if not parent:
                self._run.resume()
            visit.graph, visit.run_id = graph, run_id
            return visits.setdefault(place, visit)
        step_id = f"{parent}/{place.node}" if parent else place.node
        self._visits[step_id] += 1
        suffix = f"#{nth}" if (nth := self._visits[step_id]) > 1 else ""
        step = self._run.step(
            step_id + suffix,
            # The plan names the top-level nodes; an inner node's id is too long to read.
            name=place.node + suffix if parent else None,
            parent=parent or None,
        )
        step.start()
        visit = _Visit(step, step_id + suffix, parent, place, graph, run_id)
        return visits.setdefault(place, visit)

    def _leave(self, run_id: UUID) -> _Visit | None:
        """The open visit whose latest try this LangChain run was, if it was one."""
        visit = self._owner.pop(run_id, None)
        if visit is None or visit.run_id != run_id:
            return None
        return self._open.get(visit.graph, {}).get(visit.place)

    def _forget(self, visit: _Visit) -> _Visit:
        return self._open[visit.graph].pop(visit.place)

    def _complete(self, visit: _Visit, written: Any) -> None:
        self._forget(visit).step.complete(outputs=outputs_of(written))
