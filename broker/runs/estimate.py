"""When a run will end: what it may still take, judged by the last runs of its pipeline. Pure.

Each remembered run is asked: had this run's remaining work gone as it went then, how long would it
take from now on? So many answers give a range. They keep together what goes together (a run with
much input is slow in every step), which adding up medians would not. ADR 0009 says more.

1. *Step by step*, where the durations of all steps are remembered: steps that are done cost
   nothing, those to come what they cost then, those under way what is left of it, as far as it is
   known that they were not done before now. Steps that ran side by side count for less, by how much
   longer they took together than that run.
2. *As a whole*, where they are not.
3. *By its rate alone*, where no run is remembered, once it has come far enough.

Where a run or step says how far it is, its rate joins in, with a weight that grows on the way.
"""

from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

import msgspec

from broker.model.state import RunState, RunStatus
from broker.model.summary import Summary
from broker.runs.history import History, quantile
from broker.runs.remaining import Steps, beyond, elapsed_of, joined, seconds_at_rate

Basis: TypeAlias = Literal["history", "history+rate", "rate"]

FRACTION_LEAST: Final = 0.05
ELAPSED_LEAST: Final = 5.0
"""From how far on, and after how many seconds, a rate alone says anything."""
OVERDUE_RUNS: Final = 5
"""Runs that must be remembered before another is called longer than usual."""

_SHOWN_LEAST: Final = 1.0
"""Seconds to the later end of a range: no run is surer than that to end at once."""
_WIDE: Final = 9
"""Fewer runs than this cannot show a p90: it is set later, by up to this much for one alone."""
_WIDENED: Final = 0.7
_WHY_NONE: Final[dict[RunStatus, str]] = {
    "queued": "the run waits to be started",
    "paused": "the run is paused",
    "lost": "nothing is heard of the run",
    "completed": "the run has ended",
    "failed": "the run has ended",
    "cancelled": "the run has ended",
}


class Range(msgspec.Struct, frozen=True):
    """Seconds from now: as likely before as after the first, nine times in ten before the other."""

    p50: float
    p90: float


class Ends(msgspec.Struct, frozen=True):
    """The same as moments."""

    p50: datetime
    p90: datetime


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """When a run will end, should it complete; where nobody can say, `reason` says why.

    `runs` is how many completed runs it is judged by; `overdue`, that it has taken longer than 95
    in 100 of them.
    """

    finish: Ends | None = None
    remaining: Range | None = None
    basis: Basis | None = None
    runs: int = 0
    overdue: bool = False
    reason: str | None = None


def estimate(run: RunState | Summary, history: History | None, now: datetime) -> Estimate:
    """Judge a run, as it stands, by the history of its pipeline.

    A summary tells nothing of the steps: it is judged as a whole.
    """
    runs = 0 if history is None else len(history)
    if run.started_at is None or run.ended_at is not None:
        elapsed, overdue = 0.0, False
    else:
        elapsed = elapsed_of(run, now if run.paused is None else min(now, run.paused.since))
        overdue = (
            history is not None and runs >= OVERDUE_RUNS and elapsed > history.quantiles(0.95)[0]
        )
    if run.status != "running":
        return Estimate(runs=runs, overdue=overdue, reason=_WHY_NONE[run.status])
    found = _by_history(run, history, elapsed, now) if history is not None and runs else None
    if found is None:
        remaining = _by_rate_alone(run, elapsed, now)
        basis: Basis = "rate"
        if remaining is None:
            why = "no run of the pipeline completed of late, and this one's rate says nothing yet"
            return Estimate(reason=why)
    else:
        answers, basis = found
        remaining = _range(answers)
    return Estimate(
        finish=Ends(_after(now, remaining.p50), _after(now, remaining.p90)),
        remaining=Range(_rounded(remaining.p50), _rounded(remaining.p90)),
        basis=basis,
        runs=runs,
        overdue=overdue,
    )


def _by_history(
    run: RunState | Summary, history: History, elapsed: float, now: datetime
) -> tuple[list[float], Basis]:
    """Seconds that are left, as each remembered run tells."""
    progress = run.progress
    fraction = progress.fraction if progress.current is not None and progress.total else None
    found = None
    if isinstance(run, RunState) and history.whole and run.steps:
        found = Steps(run, history, now).left()
    if found is not None:
        left, rated = found
    elif fraction:
        left, rated = [total * (1 - fraction) for total in history.totals], False
    else:
        left, rated = beyond(history.totals, elapsed), False
    if fraction:
        seconds = seconds_at_rate(fraction, run, run.updated_at, now)
        left, rated = joined(left, fraction, seconds, progress.total_final is not False), True
    return left, "history+rate" if rated else "history"


def _by_rate_alone(run: RunState | Summary, elapsed: float, now: datetime) -> Range | None:
    fraction = run.progress.fraction
    if fraction is None or fraction < FRACTION_LEAST or elapsed < ELAPSED_LEAST:
        return None
    seconds = seconds_at_rate(fraction, run, run.updated_at, now)
    late = max(seconds * (1 + 1.5 * (1 - fraction)), _SHOWN_LEAST)
    return Range(seconds, late)


def _range(answers: list[float]) -> Range:
    ordered = sorted(answers)
    runs = len(ordered)
    middle = quantile(ordered, 0.5)
    # The k-th of n answers is as late as the next run with probability k / (n + 1).
    late = quantile(ordered, min(1.0, (0.9 * (runs + 1) - 1) / max(1, runs - 1)))
    if runs < _WIDE:
        late *= 1 + _WIDENED * (_WIDE - runs) / _WIDE
    late = max(late, middle, _SHOWN_LEAST)
    return Range(max(0.0, middle), late)


def _after(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=min(seconds, 3e9))


def _rounded(seconds: float) -> float:
    return round(seconds, 3 if seconds < 10 else 1)
