"""Runs of a pipeline that went as a test says, and how one of them stands at some moment."""

from collections.abc import Sequence

from broker.model.events import (
    Event,
    PlanStep,
    RunCompleted,
    RunStarted,
    StepCompleted,
    StepProgress,
    StepStarted,
)
from broker.model.evolve import Fold
from broker.model.state import RunState, initial
from broker.model.summary import Summary, summarize
from broker.runs.history import History
from tests.unit.runs import at

Taken = Sequence[tuple[str, float]]
"""Steps and the seconds that each takes."""
Course = list[tuple[float, Event]]
"""What happens, and after how many seconds."""


def course(taken: Taken, *, side_by_side: bool = False, reports: int = 0) -> Course:
    """A run whose steps take so long, one after the other or all at once."""
    happens: Course = [
        (0.0, RunStarted(pipeline="import", plan=[PlanStep(step=name) for name, _ in taken]))
    ]
    begin = end = 0.0
    for name, seconds in taken:
        happens.append((begin, StepStarted(step=name)))
        for n in range(1, reports + 1):
            moment = begin + seconds * n / (reports + 1)
            happens.append((moment, StepProgress(step=name, current=n, total=reports + 1)))
        happens.append((begin + seconds, StepCompleted(step=name)))
        end = max(end, begin + seconds)
        if not side_by_side:
            begin += seconds
    happens.sort(key=lambda each: each[0])
    return [*happens, (end, RunCompleted())]


def state_at(happens: Course, seconds: float, run: str = "new") -> RunState:
    """The run's state after so many seconds."""
    fold = Fold(initial("default", run))
    for seq, (moment, event) in enumerate(happens, 1):
        if moment > seconds:
            break
        fold.add(event, seq, at(moment))
    return fold.state


def ended(taken: Taken, run: str = "old", **how: bool) -> Summary:
    """The summary of a run that completed."""
    return summarize(state_at(course(taken, **how), 1e9, run), "e1")


def history(*runs: Taken, **how: bool) -> History:
    """What is remembered of runs that completed."""
    found = History()
    for number, taken in enumerate(runs):
        found.add(ended(taken, f"old-{number}", **how))
    return found
