"""What is left of a run, as each remembered run of its pipeline tells. Pure; all in seconds."""

import math
from collections.abc import Sequence
from datetime import datetime
from statistics import NormalDist, correlation, linear_regression, median
from typing import Final, TypeAlias

from broker.model.state import RunState, StepState
from broker.model.summary import Summary, worked
from broker.runs.history import Column, History, known

Work: TypeAlias = RunState | StepState | Summary
"""What began at some time, and was paused for some time."""

_PACED: Final = 10
"""Runs from which on it can be judged whether a slow run stays slow."""
_OPEN: Final = ("pending", "running", "retrying")
_GOLDEN: Final = (math.sqrt(5) - 1) / 2
_RATE_SPREAD: Final = 0.35
_OUTLASTED: Final = 0.5
"""What took longer than ever before takes up to this much of what it has taken, once more."""
_FRACTION_TOLD: Final = 1e-6


class Steps:
    """The steps of one run beside those of the remembered ones."""

    def __init__(self, state: RunState, history: History, now: datetime) -> None:
        self._state = state
        self._now = now
        self._totals = history.totals
        self._columns = history.steps
        rows = range(len(history))
        columns = list(self._columns.values())
        self._sums = [sum(known(column[row] for column in columns)) for row in rows]
        self._means = [
            together / max(1, sum(1 for _ in known(column[row] for column in columns)))
            for row, together in zip(rows, self._sums, strict=True)
        ]
        self._pace = self._paces()

    def left(self) -> tuple[list[float], bool] | None:
        """What is left by each remembered run, and whether a step's rate joined in.

        None where too many of the open steps are new.
        """
        steps, columns = self._state.steps, self._columns
        still = {name: step for name, step in steps.items() if step.status in _OPEN}
        if sum(name not in columns for name in still) * 2 > len(still):
            return None
        work = [0.0] * len(self._sums)
        longest = [0.0] * len(self._sums)
        rated = False
        for name, step in still.items():
            left = self._expected(name)
            if step.status == "running" and step.started_at is not None:
                left = beyond(left, elapsed_of(step, self._now))
                fraction = _fraction(step)
                if fraction:
                    seconds = seconds_at_rate(fraction, step, self._state.updated_at, self._now)
                    left = joined(left, fraction, seconds, step.total_final is not False)
                    rated = True
                longest = list(map(max, longest, left))
            work = [a + b for a, b in zip(work, left, strict=True)]
        for name, column in columns.items():
            if name not in steps:
                scaled = zip(work, column, self._pace, strict=True)
                work = [a + b * pace if b == b else a for a, b, pace in scaled]
        scaled = zip(work, self._totals, self._sums, strict=True)
        together = [a * total / steps if steps else a for a, total, steps in scaled]
        return list(map(max, longest, together)), rated

    def _expected(self, name: str) -> list[float]:
        """How long a step that this run has would have taken in each remembered run."""
        column = self._columns.get(name)
        figures = [] if column is None else list(known(column))
        if column is None or not figures:
            return [mean * pace for mean, pace in zip(self._means, self._pace, strict=True)]
        usual = median(figures)
        return [
            (seconds if seconds == seconds else usual) * pace
            for seconds, pace in zip(column, self._pace, strict=True)
        ]

    def _paces(self) -> list[float]:
        """By how much each remembered run must be stretched to be like this one.

        What is done of this run took longer or shorter than then. Whether what is left does so too
        is for the remembered runs to tell: how far the one followed from the other there.
        """
        taken, columns = 0.0, list[Column]()
        for name, step in self._state.steps.items():
            column = self._columns.get(name)
            if step.status == "completed" and step.duration is not None and column is not None:
                taken += worked(step.duration, step.paused_seconds)
                columns.append(column)
        done = [sum(known(column[row] for column in columns)) for row in range(len(self._sums))]
        rest = [total - part for total, part in zip(self._sums, done, strict=True)]
        pairs = [(math.log(a), math.log(b)) for a, b in zip(done, rest, strict=True) if a > 0 < b]
        if taken <= 0 or len(pairs) < _PACED:
            return [1.0] * len(done)
        before, after = zip(*pairs, strict=True)
        if max(before) == min(before) or max(after) == min(after):
            return [1.0] * len(done)
        trust = max(0.0, correlation(before, after)) * len(pairs) / (len(pairs) + _PACED)
        slope = min(1.0, max(0.0, linear_regression(before, after).slope)) * math.sqrt(trust)
        return [(taken / part) ** slope if part > 0 else 1.0 for part in done]


def beyond(durations: Sequence[float], elapsed: float) -> list[float]:
    """What is left of each duration after so many seconds, all of which were needed.

    A duration that is over by now tells nothing: those that are not stand in for it, and that this
    time may outlast them all.
    """
    if elapsed <= 0:
        return list(durations)
    longer = sorted(seconds - elapsed for seconds in durations if seconds > elapsed)
    if len(longer) == len(durations):
        return [seconds - elapsed for seconds in durations]
    outlasted = elapsed * _OUTLASTED
    left = []
    for place, seconds in enumerate(durations):
        if seconds > elapsed:
            left.append(seconds - elapsed)
            continue
        spread = _spread(place) * (len(longer) + 1)
        chosen = int(spread)
        left.append(longer[chosen] if chosen < len(longer) else outlasted * (spread - chosen))
    return left


def joined(left: list[float], fraction: float, seconds: float, final: bool) -> list[float]:
    """What history tells is left, joined with what the rate does.

    The weight of the rate grows with what is done; half of it where more may be added.
    """
    weight = fraction * (2 - fraction) * (1.0 if final else 0.5)
    width = _RATE_SPREAD * (1 - fraction)
    return [
        (1 - weight) * old + weight * seconds * math.exp(width * _NORMAL[place])
        for place, old in enumerate(left)
    ]


def seconds_at_rate(
    fraction: float, work: Work, reported_at: datetime | None, now: datetime
) -> float:
    """What is left at the rate so far, which was true when something was last reported.

    What has stopped reporting does not come nearer to its end for ever.
    """
    ahead = (1 - fraction) / fraction
    reported = elapsed_of(work, min(reported_at or now, now))
    taken = elapsed_of(work, now)
    return max(reported * ahead - (taken - reported), taken * ahead / 2)


def elapsed_of(work: Work, until: datetime) -> float:
    """For how long something was under way until a moment; the pauses that are over lie before."""
    if work.started_at is None:
        return 0.0
    return max(0.0, (until - work.started_at).total_seconds() - (work.paused_seconds or 0.0))


def _fraction(step: StepState) -> float:
    if step.current is None or not step.total:
        return 0.0
    fraction = min(1.0, step.current / step.total)
    return fraction if fraction >= _FRACTION_TOLD else 0.0


def _spread(place: int) -> float:
    """A number from 0 to 1: those of the places in a row are spread evenly, in no order."""
    return (place + 0.5) * _GOLDEN % 1


_NORMAL: Final = [NormalDist().inv_cdf(_spread(place)) for place in range(128)]
