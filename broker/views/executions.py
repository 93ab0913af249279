"""Runs as executions: their state as JSON documents, and messages of seven types.

An execution has a number of steps, of which some are done. Where a run reports its own progress and
no steps, the numbers of that stand for them.
"""

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import msgspec

from broker.model import events
from broker.model.cursor import Cursor
from broker.model.state import TERMINAL, RunState, RunStatus, StepState, StepStatus
from broker.model.steps import utc
from broker.views.message import Message, Moment, Story
from broker.views.native import rfc3339
from broker.views.untouched import untouched

Document = dict[str, Any]

_encode: Final = msgspec.json.Encoder().encode

_WORDS: Final[dict[RunStatus, str]] = {
    "queued": "pending",
    "running": "running",
    "paused": "running",
    "lost": "running",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}
_NOTHING_YET: Final = {"current_step": 0, "total_steps": 0, "percentage": 0.0}
"""What a later attempt begins with, so that nothing of the one before stays on a page."""

_UNDER_WAY: Final = frozenset({"running", "retrying"})
_DONE: Final = frozenset({"completed", "skipped"})


def execution(state: RunState) -> Document:
    """The run as an execution; what has no value is absent."""
    shown: Document = {
        "execution_id": state.run,
        "type": "pipeline",
        "target_id": state.pipeline,
        "status": _WORDS[state.status],
        "progress": progress(state),
        "started_at": _time(state.started_at),
        "ended_at": _time(state.ended_at),
        "outputs": state.outputs,
        "error": _error(state) if state.status == "failed" else None,
        "x_state": untouched(state),
    }
    return {name: value for name, value in shown.items() if value is not None}


def progress(state: RunState) -> Document | None:
    """How far the run is; None where it has reported neither a step nor progress.

    `percentage` never falls, and is 100 only when the run completed. Without a plan or a total it
    is 0, and `total_steps` is what is known of so far.
    """
    found = _numbers(state)
    if found is None:
        return None
    current, total = found
    fraction = state.progress.fraction or 0.0
    shown: Document = {
        "current_step": current,
        "total_steps": total,
        "percentage": round(fraction * 100, 4),
    }
    name = None if state.ended else _current_name(state)
    if name is not None:
        shown["current_step_name"] = name
    return shown


class ExecutionsStory(Story):
    """The status, then what happens, each as one message."""

    name = "executions"

    def snapshot(self, state: RunState, epoch: str) -> Iterator[Message]:
        told = [_status(state, state.updated_at, epoch)]
        if state.ended:
            told.append(_end(state, state.ended_at))
        return _messages(told, Cursor(epoch, state.seq))

    def tell(self, moment: Moment, state: RunState, epoch: str) -> Iterator[Message]:
        return _messages(_news(moment, state, epoch), Cursor(epoch, moment.record.seq))


def _messages(told: list[Document], cursor: Cursor) -> Iterator[Message]:
    """The last of them carries the cursor: who has it has them all."""
    for number, message in enumerate(told, 1):
        yield Message("", _encode(message), cursor if number == len(told) else None)


def _news(moment: Moment, state: RunState, epoch: str) -> list[Document]:
    """What an event adds."""
    event, anew = moment.event, state.attempt != moment.attempt
    if not anew and (moment.status in TERMINAL or (event.attempt or state.attempt) < state.attempt):
        return []
    at = utc(event.time) or moment.record.stored_at
    before = "pending" if anew else _WORDS[moment.status]
    word = _WORDS[state.status]
    told = []
    begins = before == "pending" and word == "running"
    if begins:
        told.append(_said("started", state, at))
    if word == "pending":
        if anew or _goes_on(moment, state):
            told.append(_status(state, at, epoch))
    elif begins or anew or _goes_on(moment, state):
        shown = _shown(state)
        if shown is not None:
            told.append({**_said("progress", state, at, progress=shown), "status": "running"})
    if state.ended:
        told.append(_end(state, at))
    return told


def _shown(state: RunState) -> Document | None:
    """The progress in a message: a later attempt has one before it reports any."""
    return progress(state) or (_NOTHING_YET if state.attempt > 1 else None)


def _goes_on(moment: Moment, state: RunState) -> bool:
    """Whether an event changes the progress that is shown."""
    event = moment.event
    if state.progress != moment.progress:
        return True
    if isinstance(event, events.RunProgress):
        return state.message != moment.message
    if isinstance(event, events.RunQueued | events.RunStarted):
        return bool(event.plan) or getattr(event, "total_steps", None) is not None
    step = state.steps.get(getattr(event, "step", ""))
    if step is None:
        return False
    if moment.step is None or _part(moment.step) != _part(step.status):
        return True
    return step.name != moment.called


def _part(status: StepStatus) -> tuple[bool, bool]:
    """What a step of a status counts as."""
    return status in _DONE, status in _UNDER_WAY


def _numbers(state: RunState) -> tuple[int, int] | None:
    """Of how many steps how many are done; None where there is nothing to count."""
    counts, reported = state.counts, state.progress
    if reported.current is not None and not counts.total:
        current = math.floor(reported.current)
        return (current, current) if not reported.total else _within(current, reported.total)
    total = max(counts.total, state.total_steps or 0)
    return (counts.completed + counts.skipped, total) if total else None


def _within(current: int, total: float) -> tuple[int, int]:
    whole = math.ceil(total)
    return min(current, whole), whole


def _current_name(state: RunState) -> str | None:
    """The first step under way, in the order of the plan; without steps what the run says."""
    if not state.counts.total:
        return state.message
    if not state.counts.running:
        return None
    found: tuple[str, StepState] | None = next(
        (item for item in state.steps.items() if item[1].status in _UNDER_WAY), None
    )
    return None if found is None else found[1].name or found[0]


def _said(kind: str, state: RunState, at: datetime | None, **more: Any) -> Document:
    """A message; what has no value is absent."""
    shown = {
        "type": kind,
        "execution_id": state.run,
        "status": _WORDS[state.status],
        **more,
        "timestamp": _time(at),
    }
    return {name: value for name, value in shown.items() if value is not None}


def _status(state: RunState, at: datetime | None, epoch: str) -> Document:
    """How the run stands."""
    return _said("status", state, at, progress=_shown(state), x_state=untouched(state, epoch))


def _end(state: RunState, at: datetime | None) -> Document:
    """How the run ended."""
    if state.status == "completed":
        return _said("completed", state, at, outputs=state.outputs or {})
    if state.status == "failed":
        return _said("failed", state, at, error=_error(state))
    return _said("cancelled", state, at)


def _error(state: RunState) -> Document:
    """Why a run failed; clients read its type and message without asking whether they are there."""
    error = state.error
    shown: Document = {"type": "Error", "message": ""}
    if error is not None:
        shown = {"type": error.type or "Error", "message": error.message or ""}
        if error.details is not None:
            shown["details"] = error.details
    return shown


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
