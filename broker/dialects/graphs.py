"""What executes a graph sends: nodes that start and end, as a generator yields them.

A message names its execution or not. A node that failed does not end the run, and may be tried
again; an `error` that names no node ends it.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Literal, get_args

import msgspec

from broker.dialects.decoding import decoded, named
from broker.dialects.said import Said
from broker.errors import MalformedEvent
from broker.model.events import (
    Count,
    Event,
    Failure,
    Identifier,
    PlanStep,
    RunCompleted,
    RunFailed,
    RunStarted,
    Seconds,
    StepCompleted,
    StepFailed,
    StepRetrying,
    StepStarted,
)
from broker.model.graph import GRAPH_LABEL, outputs_of
from broker.model.state import RunState

Kind = Literal["start", "node_start", "node_complete", "complete", "error"]


class Node(msgspec.Struct, frozen=True):
    """A node that is announced, and those it waits for."""

    id: Identifier
    name: str | None = None
    after: list[Identifier] = []


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A message. `timestamp` is ISO 8601, of UTC where it names no zone, or seconds since 1970."""

    type: Kind
    execution_id: Identifier | None = None
    graph_id: Identifier | None = None
    total_nodes: Count | None = None
    nodes: list[Node] | None = None
    node_id: Identifier | None = None
    node_name: str | None = None
    timestamp: datetime | float | None = None
    duration: Seconds | None = None
    result: Any = None
    error: str | None = None


class _Typed(msgspec.Struct, frozen=True):
    type: str


_typed: Final = msgspec.json.Decoder(_Typed).decode
_decode: Final = msgspec.json.Decoder(Report).decode


def read(payload: bytes) -> Said:
    """Read a message. Raises MalformedEvent."""
    _check_kind(decoded(payload, _typed).type)
    report = decoded(payload, _decode)
    _check(report)
    return Said(report.execution_id, judged=partial(_events, report, _time(report)))


def report_of(message: object) -> Report:
    """A message as a generator yields it: a mapping, or an object with these attributes.

    Raises MalformedEvent.
    """
    try:
        if isinstance(message, Mapping):
            message = dict(message)
            _check_kind(message.get("type"))
        report = msgspec.convert(message, Report, from_attributes=True)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        raise MalformedEvent(named(error)) from None
    _check(report)
    return report


def plan_of(report: Report) -> list[PlanStep] | None:
    """The steps that a `start` announces."""
    if report.nodes is None:
        return None
    return [PlanStep(step=node.id, name=node.name, after=node.after) for node in report.nodes]


def _check_kind(kind: object) -> None:
    if isinstance(kind, str) and kind not in get_args(Kind):
        raise MalformedEvent(f"type: {kind[:64]!r} is none of {', '.join(get_args(Kind))}")


def _check(report: Report) -> None:
    """Refuse what contradicts itself."""
    kind, node = report.type, report.node_id
    if kind.startswith("node_") and node is None:
        raise MalformedEvent(f"node_id: missing; {kind!r} is said of a node")
    if kind in ("start", "complete") and node is not None:
        raise MalformedEvent(f"node_id: {kind!r} is said of a run, and this names node {node!r}")
    if kind == "error" and report.error is None:
        raise MalformedEvent("error: missing; say why it failed")
    if kind not in ("error", "node_complete") and report.error is not None:
        raise MalformedEvent(f"error: only what failed has one, not {kind!r}")
    if report.error is not None and report.result is not None:
        raise MalformedEvent("result: what failed has none, and this has an error")
    if report.nodes is not None and report.total_nodes not in (None, len(report.nodes)):
        raise MalformedEvent(
            f"total_nodes: {report.total_nodes} contradicts the {len(report.nodes)} nodes"
        )


def _time(report: Report) -> datetime | None:
    """When it happened. Raises MalformedEvent for what is no time."""
    given = report.timestamp
    if isinstance(given, datetime):
        return given if given.tzinfo is not None else given.replace(tzinfo=UTC)
    if given is None:
        return None
    try:
        if math.isfinite(given):
            return datetime.fromtimestamp(given, UTC)
    except (OverflowError, ValueError, OSError):
        pass
    raise MalformedEvent(f"timestamp: {given:g} s since 1970 is no time")


def _events(report: Report, time: datetime | None, state: RunState | None) -> Sequence[Event]:
    """What a message says of a run that stands like that; None where nothing is known of it."""
    node = report.node_id
    match report.type:
        case "start":
            anew = state.attempt + 1 if state is not None and state.ended else None
            return [_started(report, time, anew)]
        case "node_start" if node is not None:
            step = None if state is None else state.steps.get(node)
            started = StepStarted(step=node, name=report.node_name, time=time)
            if step is not None and step.status == "failed":
                return [StepRetrying(step=node, time=time), started]
            return [started]
        case "complete":
            return [RunCompleted(outputs=outputs_of(report.result), time=time)]
        case _ if node is None:
            return [RunFailed(error=Failure(message=report.error), time=time)]
        case _ if report.error is not None:
            error, duration = Failure(message=report.error), report.duration
            return [StepFailed(step=node, error=error, duration=duration, time=time)]
        case _:
            outputs, duration = outputs_of(report.result), report.duration
            return [StepCompleted(step=node, outputs=outputs, duration=duration, time=time)]


def _started(report: Report, time: datetime | None, attempt: int | None) -> RunStarted:
    return RunStarted(
        labels=None if report.graph_id is None else {GRAPH_LABEL: report.graph_id},
        total_steps=report.total_nodes,
        plan=plan_of(report),
        attempt=attempt,
        time=time,
    )
