"""Reads what LangGraph hands out, its graphs and the data of its callbacks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from langgraph.constants import END, START
from langgraph.errors import GraphBubbleUp, GraphInterrupt
from langgraph.types import Command

from broker.model.events import PlanStep

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

__all__ = ["Place", "outputs_of", "place_of", "plan_of", "question_of"]


class Place(NamedTuple):
    """Where a graph run visits a node; a retry comes to the same place, a loop does not."""

    node: str
    superstep: int
    path: str


def plan_of(graph: Runnable[Any, Any]) -> list[PlanStep]:
    """The top-level nodes of a compiled graph, in an order in which they can run.

    `after` holds a node's predecessors, conditional ones included. An edge that leads back, as in
    an agent's loop, is left out: a plan is drawn from left to right.
    """
    drawn = graph.get_graph()
    waiting = {node: list[str]() for node in drawn.nodes if node not in (START, END)}
    for edge in drawn.edges:
        if edge.target in waiting and edge.source not in waiting[edge.target]:
            waiting[edge.target].append(edge.source)
    placed: dict[str, PlanStep | None] = {START: None}
    while waiting:
        node = _next(waiting, placed)
        after = [source for source in waiting.pop(node) if placed.get(source) is not None]
        placed[node] = PlanStep(step=node, index=len(placed) - 1, after=after)
    return [step for step in placed.values() if step is not None]


def _next(waiting: dict[str, list[str]], placed: Mapping[str, object]) -> str:
    """The first node whose predecessors are all placed; in a cycle, the first that is entered."""
    for node, sources in waiting.items():
        if all(source in placed for source in sources):
            return node
    entered = (n for n, sources in waiting.items() if any(s in placed for s in sources))
    return next(entered, next(iter(waiting)))


def place_of(tags: list[str], metadata: Mapping[str, Any]) -> Place | None:
    """Where a LangChain run is, if it is a node itself and not a runnable inside one.

    Both carry `langgraph_node`; only the node carries the superstep's tag, which LangGraph gives
    it as a child of the graph's run and does not let it inherit.
    """
    node = metadata.get("langgraph_node")
    if node is None or not any(t.startswith("graph:step:") for t in tags):
        return None
    return Place(
        str(node), int(metadata.get("langgraph_step", 0)), str(metadata.get("langgraph_path"))
    )


def question_of(error: GraphBubbleUp) -> str | None:
    """What an interrupted node asks, if it is plain text."""
    asked = error.args[0] if isinstance(error, GraphInterrupt) and error.args else ()
    return next((one.value for one in asked if isinstance(one.value, str)), None)


def outputs_of(written: Any) -> dict[str, Any] | None:
    """The names of the state keys that a node wrote; contents may be large, or private."""
    parts = written if isinstance(written, list) else [written]
    updates = [part.update if isinstance(part, Command) else part for part in parts]
    names = dict.fromkeys(str(key) for part in updates if isinstance(part, Mapping) for key in part)
    return {"changed": list(names)} if names else None
