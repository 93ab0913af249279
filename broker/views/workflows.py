"""The workflows interface: a run told in six messages, `{"type", "execution_id", "data"}` each.

What its messages hold beyond our fields is looked for in the metadata of the run
(`deliverable_type`, `risk_score`, `requires_approval`, `execution_status`) and of its steps
(`function`), and null where it is not there. Whoever comes, or comes back, gets what was told so
far. A step of a workflow is one that was planned, or is no part of another step.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import msgspec

from broker.model.cursor import Cursor
from broker.model.events import Event, RunQueued, RunStarted, Unknown
from broker.model.state import TERMINAL, Problem, RunState, StepState, StepStatus
from broker.views.message import Message, Moment, Story
from broker.views.native import rfc3339
from broker.views.untouched import untouched

_ENDED_AS: Final[dict[StepStatus, str]] = {
    "completed": "step_completed",
    "skipped": "step_completed",
    "failed": "step_failed",
    "cancelled": "step_failed",
}

_UNDER_WAY: Final = ("running", "retrying")

_encode: Final = msgspec.json.Encoder().encode


class WorkflowsStory(Story):
    """Tells when the run and its steps begin and end.

    A lost or paused run is shown as going on. A step that waits to be tried again has begun again:
    as failed it would seem to be at its end.
    """

    name = "workflows"

    def snapshot(self, state: RunState, epoch: str) -> Iterator[Message]:
        messages = list(_so_far(state, epoch))
        yield from messages[:-1]
        for last in messages[-1:]:  # it alone has a cursor: before it the rest is not all there
            yield last._replace(cursor=Cursor(epoch, state.seq))

    def tell(self, moment: Moment, state: RunState, epoch: str) -> Iterator[Message]:
        same = moment.attempt == state.attempt
        if same and moment.status in TERMINAL:
            return
        cursor = Cursor(epoch, moment.record.seq)
        for message in _news(moment, state, epoch, same):
            yield message._replace(cursor=cursor)


def _news(moment: Moment, state: RunState, epoch: str, same: bool) -> Iterator[Message]:
    """What an event adds: in the same attempt, or as the first of a later one."""
    if state.started_at is not None and not (same and moment.begun):
        yield _started(state, epoch)
    elif state.started_at is not None and _announces_steps(moment.event, state):
        yield from _so_far(state, epoch)  # the numbers that were told are others now
        return
    name = getattr(moment.event, "step", "")
    step = state.steps.get(name)
    before, called = (moment.step, moment.called) if same else (None, None)
    if step is not None and _is_own(step):
        if step.status in _UNDER_WAY:
            again = step.status == "retrying" != before
            if again or before not in _UNDER_WAY or step.name != called:
                yield _step_started(state, name, step)
        elif step.status in _ENDED_AS and step.status != before:
            share = _Share(state)
            for each in state.steps.values():
                if each.status in _ENDED_AS:
                    share.add(each)
            yield _step_ended(state, name, step, share.percent())
    if state.ended:
        yield _ended(state, epoch)


def _so_far(state: RunState, epoch: str) -> Iterator[Message]:
    """What was told of the attempt, in the order of its times, with the progress each had."""
    if state.started_at is not None:
        yield _started(state, epoch)
    happened: list[tuple[datetime, str, StepState, bool]] = []
    for name, step in state.steps.items():
        if not _is_own(step):
            continue
        began, ended = step.started_at, step.ended_at
        if step.status == "retrying":
            began = began or state.updated_at
        if began is not None:
            happened.append((began, name, step, False))
        if ended is not None and step.status in _ENDED_AS:
            happened.append((ended if began is None else max(began, ended), name, step, True))
    happened.sort(key=lambda each: each[0])  # stable: a step that took no time begins, then ends
    share = _Share(state)
    for _, name, step, is_end in happened:
        if is_end:
            share.add(step)
            yield _step_ended(state, name, step, share.percent())
        else:
            yield _step_started(state, name, step)
    if state.ended:
        yield _ended(state, epoch)


# The six messages.


def _started(state: RunState, epoch: str) -> Message:
    data = {
        "deliverable_type": state.metadata.get("deliverable_type"),
        "total_steps": _Share(state).total,
        "started_at": None if state.started_at is None else rfc3339(state.started_at),
    }
    return _message("execution_started", state, data, epoch)


def _step_started(state: RunState, name: str, step: StepState) -> Message:
    data = {**_named(name, step), "function": (step.metadata or {}).get("function")}
    return _message("step_started", state, data)


def _step_ended(state: RunState, name: str, step: StepState, progress: int | None) -> Message:
    data = {
        **_named(name, step),
        "status": step.status,
        "execution_time_ms": None if step.duration is None else round(1000 * step.duration),
        "error_message": _step_error(step),
        "progress": progress,
    }
    return _message(_ENDED_AS[step.status], state, data)


def _ended(state: RunState, epoch: str) -> Message:
    if state.status != "completed":
        return _message(
            "execution_failed", state, {"error_message": _error(state), "progress": 0}, epoch
        )
    own = [step.status for step in state.steps.values() if _is_own(step)]
    data = {
        "status": state.metadata.get("execution_status", "completed"),
        "risk_score": state.metadata.get("risk_score"),
        "requires_approval": state.metadata.get("requires_approval"),
        "total_steps": max(_Share(state).total or 0, len(own)),
        "successful_steps": own.count("completed"),
        "progress": 100,
    }
    return _message("execution_completed", state, data, epoch)


def _message(kind: str, state: RunState, data: dict[str, Any], epoch: str | None = None) -> Message:
    """A message; with an epoch the state travels beside, where it is small enough."""
    said: dict[str, Any] = {"type": kind, "execution_id": state.run, "data": data}
    if epoch is not None:
        beside = untouched(state, epoch)
        if beside is not None:
            said["x_state"] = beside
    return Message("", _encode(said))


# What they hold.


def _named(name: str, step: StepState) -> dict[str, Any]:
    return {"step_number": step.index + 1, "step_name": step.name or name}


def _is_own(step: StepState) -> bool:
    """Whether it is a step of the workflow, and not a part of one."""
    return step.weight is not None or step.parent is None


def _announces_steps(event: Event | Unknown, state: RunState) -> bool:
    """Whether an event of this attempt says how many steps there are, or in which order."""
    if not isinstance(event, RunQueued | RunStarted) or event.attempt not in (None, state.attempt):
        return False
    return bool(event.plan) or getattr(event, "total_steps", None) is not None


class _Share:
    """How far a workflow is by the steps that have ended, be it badly.

    The number of steps is the one that was announced, so that what is told does not fall when more
    of them turn up: these count in the place of what was announced and not planned.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        planned = sum(step.weight is not None for step in state.steps.values())
        announced = planned or state.total_steps is not None
        self.total = max(state.total_steps or 0, planned) if announced else None
        """How many steps there are to be; None where that is not known."""
        self._room = (self.total or 0) - planned
        self._planned = self._others = 0

    def add(self, step: StepState) -> None:
        """Count a step that has ended."""
        if step.weight is not None:
            self._planned += 1
        elif step.parent is None:
            self._others += 1

    def percent(self) -> int | None:
        """How far it is; of an unknown number of steps no share can be told."""
        if self.total:
            return 100 * (self._planned + min(self._others, self._room)) // self.total
        fraction = self._state.progress.fraction
        return None if fraction is None else int(100 * fraction)


def _step_error(step: StepState) -> str | None:
    if step.status == "failed":
        return _text(step.error)
    return "cancelled" if step.status == "cancelled" else None


def _error(state: RunState) -> str:
    if state.status == "failed":
        return _text(state.error)
    return f"cancelled by {state.cancelled_by}" if state.cancelled_by else "cancelled"


def _text(error: Problem | None) -> str:
    return (error and (error.message or error.type)) or "failed"


WORKFLOWS: Final = WorkflowsStory()
