"""What the runner's pipelines send: how each of seven layers goes, and how the run ended.

The messages do not name their run. A layer that failed does not end the run: a pipeline may try it
again, or go on without it. One that says `complete` after a layer failed, and nothing came of those
after it, has failed.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from broker.dialects.decoding import decoded, named
from broker.dialects.said import Said
from broker.errors import MalformedEvent
from broker.model.events import (
    Event,
    Failure,
    PlanStep,
    RunCompleted,
    RunFailed,
    RunProgress,
    RunStarted,
    Seconds,
    StepCompleted,
    StepFailed,
    StepRetrying,
    StepSkipped,
    StepStarted,
)
from broker.model.state import Problem, RunState

PIPELINE: Final = "runner"

LAYERS: Final = (
    "intake",
    "pain_points",
    "company_research",
    "role_research",
    "fit_scoring",
    "people_mapping",
    "cv_outreach_generation",
)

PLAN: Final = [PlanStep(step=layer, index=index) for index, layer in enumerate(LAYERS)]

_UNTOUCHED: Final = ("pending", "skipped")


class Update(msgspec.Struct, frozen=True):
    """A message: of a layer, or without one of the whole run.

    `duration` is seconds, `progress` that of the run, from 0 to 100.
    """

    status: Literal["pending", "executing", "success", "failed", "skipped", "complete"]
    layer: str | None = None
    index: int | None = None
    duration: Seconds | None = None
    error: str | None = None
    progress: Annotated[float, Meta(ge=0, le=100)] | None = None


_decode: Final = msgspec.json.Decoder(Update).decode


def read(payload: bytes) -> Said:
    """Read a message. Raises MalformedEvent."""
    update = decoded(payload, _decode)
    _check(update)
    return Said() if update.status == "pending" else Said(judged=partial(_events_of, update))


def update_of(message: object) -> Update:
    """A message that is not JSON yet, as a pipeline hands it over. Raises MalformedEvent."""
    try:
        update = msgspec.convert(message, Update)
    except msgspec.ValidationError as error:
        raise MalformedEvent(named(error)) from None
    _check(update)
    return update


def _check(update: Update) -> None:
    """Refuse what names no layer that there is, or contradicts itself. Raises MalformedEvent."""
    status, layer, index = update.status, update.layer, update.index
    if update.error is not None and status != "failed":
        raise MalformedEvent(f"error: only what failed has one, not what is {status}")
    if layer is None:
        if status not in ("complete", "failed"):
            raise MalformedEvent(f"layer: missing; {status!r} is said of a layer")
        if index is not None:
            raise MalformedEvent("index: it is that of a layer, and no layer is named")
        if status == "complete" and update.progress not in (None, 100):
            raise MalformedEvent(f"progress: a complete run has 100, not {update.progress:g}")
        return
    if layer not in LAYERS:
        raise MalformedEvent(f"layer: {layer[:64]!r} is none of {', '.join(LAYERS)}")
    if status == "complete":
        raise MalformedEvent("status: 'complete' is said of a run, and this names a layer")
    if index != LAYERS.index(layer):
        given = "missing" if index is None else f"{index} is not that of {layer}"
        raise MalformedEvent(f"index: {given}; {layer} has {LAYERS.index(layer)}")


def _events_of(update: Update, state: RunState | None) -> Sequence[Event]:
    """What a message says of a run that stands like that; None where nothing is known of it."""
    known = state is not None and all(layer in state.steps for layer in LAYERS)
    pipeline = PIPELINE if state is None or state.pipeline is None else None
    if update.layer == LAYERS[0] and update.status == "executing" and state and state.ended:
        again = state.attempt + 1
        return [
            RunStarted(pipeline=pipeline, plan=PLAN, attempt=again),
            StepStarted(step=update.layer, index=0, attempt=again),
        ]
    begun: list[Event] = [] if known else [RunStarted(pipeline=pipeline, plan=PLAN)]
    if update.layer is None:
        return [*begun, _end(update, state)]
    return [*begun, *_of_layer(update, update.layer, state), *_progress(update)]


def _failed_layer(state: RunState) -> Problem | None:
    """Why the run cannot go well: the error of a layer that failed, and nothing came after it."""
    for layer in reversed(LAYERS):
        step = state.steps.get(layer)
        if step is not None and step.status not in _UNTOUCHED:
            return (step.error or Problem()) if step.status == "failed" else None
    return None


def _of_layer(update: Update, layer: str, state: RunState | None) -> list[Event]:
    step = None if state is None else state.steps.get(layer)
    match update.status:
        case "executing":
            started = StepStarted(step=layer, index=update.index)
            if step is not None and step.status == "failed":
                return [StepRetrying(step=layer), started]
            return [started]
        case "success":
            return [StepCompleted(step=layer, duration=update.duration)]
        case "skipped":
            return [StepSkipped(step=layer)]
        case _:
            error = Failure(message=update.error)
            return [StepFailed(step=layer, error=error, duration=update.duration)]


def _progress(update: Update) -> list[Event]:
    """The progress of the run; that of a message about a failure is 0 or 100 for no reason."""
    if update.progress is None or update.status == "failed":
        return []
    return [RunProgress(current=update.progress, total=100, unit="%")]


def _end(update: Update, state: RunState | None) -> Event:
    problem = None if state is None else _failed_layer(state)
    if update.status == "complete" and problem is None:
        return RunCompleted()
    problem = problem or Problem()
    return RunFailed(error=Failure(type=problem.type, message=update.error or problem.message))
