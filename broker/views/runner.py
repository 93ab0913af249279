"""The runner's interface: each layer as it begins and ends, then how the run ended.

A layer is a step of the run that is no part of another step. Percentages are whole and never 100
before the run completed, since a page rounds what it is given.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from broker.model.cursor import Cursor
from broker.model.loglines import Line, plain
from broker.model.state import (
    TERMINAL,
    Problem,
    Progress,
    RunState,
    RunStatus,
    StepState,
    StepStatus,
)
from broker.views.lines import LinesView, address_of
from broker.views.message import Message, Moment, Story
from broker.views.untouched import untouched

_STATUS: Final[dict[RunStatus, str]] = {
    "queued": "pending",
    "running": "running",
    "paused": "running",
    "lost": "running",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "failed",
}
_LAYER_STATUS: Final[dict[StepStatus, str]] = {
    "pending": "pending",
    "running": "executing",
    "retrying": "executing",
    "completed": "success",
    "failed": "failed",
    "skipped": "skipped",
    "cancelled": "failed",
}
_CANCELLED: Final = "cancelled"

_encode: Final = msgspec.json.Encoder().encode


class _Layer(msgspec.Struct, frozen=True, gc=False):
    layer: str
    status: str
    index: int
    error: str | UnsetType
    duration: float | UnsetType
    progress: int


class RunnerStory(Story):
    """A frame when a layer changes or the run gets a percent further, and one for the end.

    Who comes late gets a frame for each layer that has begun. In a later attempt of the run those
    that have not begun again are told, too: a page may still show what they came to before.
    """

    name = "runner"

    def snapshot(self, state: RunState, epoch: str) -> Iterator[Message]:
        frames = [_frame(name, step, state) for name, step in _begun(state)]
        if state.ended:
            frames.append(_last_frame(state))
        for frame in frames[:-1]:
            yield Message("", frame)
        for frame in frames[-1:]:
            yield Message("", frame, Cursor(epoch, state.seq))

    def tell(self, moment: Moment, state: RunState, epoch: str) -> Iterator[Message]:
        cursor = Cursor(epoch, moment.record.seq)
        again = state.attempt != moment.attempt
        if again:
            for name, layer in _layers(state):
                if layer.status == "pending":
                    yield Message("", _frame(name, layer, state), cursor)
        elif moment.status in TERMINAL:
            return
        named = getattr(moment.event, "step", "")
        step = state.steps.get(named)
        before = "pending" if again or moment.step is None else moment.step
        if step is not None and step.parent is None and _differ(step.status, before):
            yield Message("", _frame(named, step, state), cursor)
        elif _gets_further(moment, state) and not again:
            for name, layer in _at_work(state):
                yield Message("", _frame(name, layer, state), cursor)
        if state.ended:
            yield Message("", _last_frame(state), cursor)


class RunnerLines(LinesView):
    """The run's log for a terminal: each message is the text of a line, the last one how it ended.

    Text that a terminal would obey is left out.
    """

    kind = "runner logs"

    def hello(self, said: dict[str, object]) -> Iterator[Message]:
        """Nothing: whatever comes is printed."""
        yield from ()

    def messages(self, lines: Iterable[Line], epoch: str) -> Iterator[Message]:
        for line in lines:
            yield Message("", plain(line.text).encode(), address_of(line, epoch))

    def end(self, state: RunState) -> Iterator[Message]:
        yield Message("end", _STATUS[state.status].encode())


def status_document(state: RunState) -> dict[str, Any]:
    """The run as one answer, with the untouched state beside."""
    shown: dict[str, Any] = {
        "status": _STATUS[state.status],
        "progress": _percent(state.progress, state.status) / 100,
        "layers": [
            {
                "name": name,
                "status": _LAYER_STATUS[step.status],
                "duration": step.duration,
                "error": _error_of_layer(step),
            }
            for name, step in _layers(state)
        ],
        "error": _error_of_run(state),
    }
    beside = untouched(state)
    return shown if beside is None else shown | {"x_state": beside}


def _layers(state: RunState) -> Iterator[tuple[str, StepState]]:
    return ((name, step) for name, step in state.steps.items() if step.parent is None)


def _differ(status: StepStatus, before: StepStatus) -> bool:
    return _LAYER_STATUS[status] != _LAYER_STATUS[before]


def _gets_further(moment: Moment, state: RunState) -> bool:
    """Whether an event that does not end the run brings it a percent further."""
    before = _percent(moment.progress, moment.status)
    return not state.ended and before != _percent(state.progress, state.status)


def _begun(state: RunState) -> list[tuple[str, StepState]]:
    """The layers that a page may show: in a later attempt all, as they may have begun before."""
    later = state.attempt > 1
    return [each for each in _layers(state) if later or each[1].status != "pending"]


def _at_work(state: RunState) -> list[tuple[str, StepState]]:
    """The layer that tells of the run's progress: the first that executes, or the last."""
    begun = _begun(state)
    executing = [each for each in begun if _LAYER_STATUS[each[1].status] == "executing"]
    return executing[:1] or begun[-1:]


def _frame(name: str, step: StepState, state: RunState) -> bytes:
    error = _error_of_layer(step)
    return _encode(
        _Layer(
            name,
            _LAYER_STATUS[step.status],
            step.index,
            UNSET if error is None else error,
            UNSET if step.duration is None else step.duration,
            _percent(state.progress, state.status),
        )
    )


def _last_frame(state: RunState) -> bytes:
    if state.status == "completed":
        return _encode({"status": "complete", "progress": 100})
    return _encode({"status": "failed", "error": _error_of_run(state)})


def _percent(progress: Progress, status: RunStatus) -> int:
    percent = round((progress.fraction or 0) * 100)
    return percent if status == "completed" else min(percent, 99)


def _error_of_layer(step: StepState) -> str | None:
    if step.status == "cancelled":
        return _CANCELLED
    return _text(step.error) if step.status == "failed" else None


def _error_of_run(state: RunState) -> str | None:
    if state.status == "cancelled":
        return _CANCELLED
    return _text(state.error) if state.status == "failed" else None


def _text(problem: Problem | None) -> str:
    """What went wrong, in the words that there are."""
    return (problem and (problem.message or problem.type)) or "failed"
