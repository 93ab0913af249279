"""The steps of a run: their transitions, their counts, and the weighted mean of their progress.

Works in place on the `RunState` that a fold owns. Cost per event does not depend on the number of
steps: the mean is kept as two integers, exact, so that a fold that began at a checkpoint arrives
at the same value as one that began at the beginning.
"""

from collections.abc import Iterable, Iterator
from copy import copy
from datetime import UTC, datetime
from typing import Final, TypeAlias

import msgspec

from broker.model import bounds
from broker.model.bounds import Bounds, clip
from broker.model.events import Event, PlanStep, StepProgress, StepStarted, Unknown
from broker.model.record import Record
from broker.model.state import RunState, StepState, StepStatus

Report: TypeAlias = tuple[Event | Unknown, Record]
"""A stored record and the event it holds."""

MILLION: Final = 1_000_000

_WEIGHT_UNITS: Final = 1 << 20
_COUNTED_AS: Final[dict[StepStatus, str]] = {"retrying": "running"}
_SETTLED: Final = frozenset({"completed", "skipped", "cancelled", "failed"})


class Steps:
    """The steps of one run, as its fold changes them."""

    __slots__ = ("_bounds", "_done", "_state", "_steps", "_units", "_whole", "touched")

    def __init__(self, state: RunState, limits: Bounds) -> None:
        self._state = state
        self._bounds = limits
        self._steps = state.steps
        self.touched: dict[str, StepState | None] | None = None
        """While someone watches: each step changed since, as it was (None: it was not there)."""
        self._weigh()

    def _weigh(self) -> None:
        """Sum up what is planned and what of it is done, in millionths of weight units."""
        self._units = {
            name: int(step.weight * _WEIGHT_UNITS)
            for name, step in self._steps.items()
            if step.weight is not None
        }
        self._whole = sum(self._units.values())
        self._done = sum(units * self._steps[name].ppm for name, units in self._units.items())

    def settle(self) -> None:
        """Bring the run's fraction up to date.

        Between two changes of what it is measured by every part of the mean only grows, so it is
        enough to look when someone reads, and before the measure changes.
        """
        state = self._state
        progress = state.progress
        ppm: int | None
        if state.status == "completed":
            ppm = MILLION
        else:
            ppm = self._ppm()
            if ppm is None:
                return
            ppm = min(ppm, MILLION - 1)
        fraction = ppm / MILLION
        if progress.fraction is None or fraction > progress.fraction:
            state.progress = msgspec.structs.replace(progress, fraction=fraction)

    def _ppm(self) -> int | None:
        """How far the run is, in millionths: by its own progress, its plan, or a count of steps."""
        state = self._state
        progress = state.progress
        if progress.current is not None and progress.total:
            return int(min(MILLION, progress.current * MILLION // progress.total))
        if self._whole:
            return self._done // self._whole
        if state.total_steps:
            counts = state.counts
            whole = max(state.total_steps, counts.total)
            return (counts.completed + counts.skipped) * MILLION // whole
        return None

    def plan(self, plan: Iterable[PlanStep]) -> None:
        """Take the announced steps in their order; steps known before keep what they reached."""
        known = self._steps
        self.settle()
        self.touch_all()
        ordered: dict[str, StepState] = {}
        room = self._bounds.steps - len(known)
        for entry in plan:
            if entry.step in ordered:
                continue
            step = known.get(entry.step)
            if step is None:
                if room <= 0:
                    self._truncated("steps")
                    continue
                room -= 1
                if self.touched is not None:
                    self.touched.setdefault(entry.step, None)
                step = StepState(index=len(ordered), status="pending")
                self._state.counts.total += 1
                self._state.counts.pending += 1
            step.index = len(ordered) if entry.index is None else entry.index
            step.name = clip(entry.name, bounds.NAME) or step.name
            step.weight = 1.0 if entry.weight is None else entry.weight
            step.after = entry.after[:64]
            self._describe(step, entry.metadata)
            ordered[entry.step] = step
        for name, step in known.items():
            ordered.setdefault(name, step)
        known.clear()
        known.update(ordered)
        self._weigh()

    def reset(self) -> None:
        """Put every step back to pending, for a new attempt."""
        self.touch_all()
        for name, step in self._steps.items():
            self._steps[name] = StepState(
                index=step.index,
                status="pending",
                name=step.name,
                parent=step.parent,
                after=step.after,
                weight=step.weight,
                metadata=step.metadata,
            )
        counts = self._state.counts
        counts.pending = counts.total
        counts.running = counts.completed = counts.failed = counts.skipped = counts.cancelled = 0
        self._weigh()

    def started(self, event: StepStarted, at: datetime) -> None:
        step = self._open(event.step)
        if step is None:
            return
        step.name = clip(event.name, bounds.NAME) or step.name
        step.parent = event.parent or step.parent
        if event.index is not None:
            step.index = event.index
        if event.after is not None:
            step.after = event.after[:64]
        self._describe(step, event.metadata)
        if step.status != "running":
            self.run(step, at)

    def advance(self, reports: Iterator[Report]) -> Report | None:
        """Take `step.progress` events of the attempt; give back the first that is another.

        This is the loop that a long replay spends its time in, hence its plain style: one pass,
        local names, no call for a step that runs already.
        """
        state = self._state
        attempt, seq, taken = state.attempt, state.seq, 0
        find, units, done = self._steps.get, self._units, self._done
        stored_at = None
        rest: Report | None = None
        for event, record in reports:
            if record.seq <= seq:
                continue
            if type(event) is not StepProgress or (
                event.attempt is not None and event.attempt != attempt
            ):
                rest = (event, record)
                break
            seq = record.seq
            stored_at = record.stored_at
            taken += 1
            name = event.step
            step = find(name)
            if step is None or step.status != "running" or self.touched is not None:
                step = self._open(name)
                if step is None:
                    continue
                if step.status != "running":
                    self.run(step, utc(event.time) or stored_at)
            current = step.current = event.current
            total = step.total = event.total
            if event.unit is not None:
                step.unit = clip(event.unit, bounds.NAME)
            if event.message is not None:
                step.message = clip(event.message, bounds.MESSAGE)
            if event.total_final is not None:
                step.total_final = event.total_final
            if total:
                ppm = current * MILLION // total
                best = step.ppm
                if ppm > best:
                    ppm = step.ppm = int(ppm) if ppm < MILLION else MILLION
                    if name in units:
                        done += units[name] * (ppm - best)
        if stored_at is not None:
            self._done = done
            state.seq = seq
            state.events += taken
            state.updated_at = state.last_seen = stored_at
        return rest

    def change(self, name: str, status: StepStatus, at: datetime) -> StepState | None:
        """Bring a step to another status; None where it already stands at its end.

        A failed step can be retried; nothing else leaves an end.
        """
        step = self._open(name, reopen=status == "retrying")
        if step is None:
            return None
        self._move(step, status)
        if status in _SETTLED:
            step.ended_at = at
            if step.started_at is not None:
                step.duration = seconds_between(step.started_at, at)
        if status in ("completed", "skipped"):
            self._done += self._units.get(name, 0) * (MILLION - step.ppm)
            step.ppm = MILLION
        return step

    def unpaused(self, since: datetime, at: datetime) -> None:
        """Count a pause that has ended for every step that is under way."""
        if not self._state.counts.running:
            return
        for name, step in self._steps.items():
            if step.status in ("running", "retrying"):
                if self.touched is not None and name not in self.touched:
                    self.touched[name] = copy(step)
                self.pause(step, since, at)

    def pause(self, step: StepState, since: datetime, at: datetime) -> None:
        """Count a pause for a step, as far as it had begun."""
        if step.started_at is not None:
            step.paused_seconds = added(step.paused_seconds, max(since, step.started_at), at)

    def run(self, step: StepState, at: datetime) -> None:
        """Bring an open step to `running`; its clock starts at its first start."""
        self._move(step, "running")
        if step.started_at is None:
            step.started_at = at

    def touch_all(self) -> None:
        """Remember every step as it is, where someone watches."""
        if self.touched is not None:
            for name, step in self._steps.items():
                if name not in self.touched:
                    self.touched[name] = copy(step)

    def _open(self, name: str, *, reopen: bool = False) -> StepState | None:
        """The step, made if it is new; None if it stands at its end or there are too many."""
        step = self._steps.get(name)
        if step is None:
            if len(self._steps) >= self._bounds.steps:
                self._truncated("steps")
                return None
            counts = self._state.counts
            if self._state.total_steps is not None and counts.total >= self._state.total_steps:
                self.settle()
            if self.touched is not None:
                self.touched.setdefault(name, None)
            step = self._steps[name] = StepState(index=len(self._steps), status="pending")
            counts.total += 1
            counts.pending += 1
            return step
        if step.status in _SETTLED and not (reopen and step.status == "failed"):
            return None
        if self.touched is not None and name not in self.touched:
            self.touched[name] = copy(step)
        return step

    def _move(self, step: StepState, status: StepStatus) -> None:
        counts = self._state.counts
        before = _COUNTED_AS.get(step.status, step.status)
        after = _COUNTED_AS.get(status, status)
        setattr(counts, before, getattr(counts, before) - 1)
        setattr(counts, after, getattr(counts, after) + 1)
        step.status = status

    def _describe(self, step: StepState, metadata: dict[str, object] | None) -> None:
        if metadata is None:
            return
        cleaned = bounds.clean(metadata)
        if bounds.fits(cleaned, self._bounds.step_document):
            step.metadata = cleaned
        else:
            self._truncated("metadata")

    def _truncated(self, what: str) -> None:
        truncated = self._state.truncated
        self._state.truncated = {**truncated, what: truncated.get(what, 0) + 1}


def seconds_between(start: datetime, end: datetime) -> float:
    """Seconds from start to end, to the millisecond; clocks that disagree give 0."""
    return max(0.0, round((end - start).total_seconds(), 3))


def added(seconds: float | None, start: datetime, end: datetime) -> float | None:
    """Seconds, and those from start to end; None where there are none."""
    return round((seconds or 0.0) + seconds_between(start, end), 3) or None


def utc(time: datetime | None) -> datetime | None:
    """The time in UTC; None for none, and for one that UTC cannot express."""
    if time is None or time.tzinfo is UTC:
        return time
    try:
        return time.astimezone(UTC)
    except OverflowError:
        return None
