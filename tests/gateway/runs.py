"""Runs to watch."""

from typing import Any

STEPS = ("fetch", "clean", "fit")

Event = dict[str, Any]


def started() -> Event:
    return {"type": "run.started", "pipeline": "import", "plan": [{"step": s} for s in STEPS]}


def step_started(step: str) -> Event:
    return {"type": "step.started", "step": step}


def step_progress(step: str, current: int, total: int = 10, **more: Any) -> Event:
    return {"type": "step.progress", "step": step, "current": current, "total": total, **more}


def step_completed(step: str) -> Event:
    return {"type": "step.completed", "step": step}


def completed() -> Event:
    return {"type": "run.completed"}


def short_run() -> list[Event]:
    """Forty events, from the start to the end, some of them of types that nobody knows."""
    events = [started()]
    for step in STEPS:
        events += [step_started(step), *(step_progress(step, n) for n in range(1, 11))]
        events += [step_completed(step)]
    return [*events, {"type": "lab.sampled", "value": 7}, {"type": "run.heartbeat"}, completed()]


def long_run(length: int) -> list[Event]:
    """As many events as asked for, the last of them the end."""
    middle = [step_progress("fetch", n, length, message=f"file {n}") for n in range(length - 3)]
    return [started(), step_started("fetch"), *middle, completed()]
