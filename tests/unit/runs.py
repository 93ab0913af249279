"""Small runs to write examples with: one event a second, the first at `T0`."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from broker.model.bounds import Bounds
from broker.model.decode import encode
from broker.model.events import Event, Failure, PlanStep, Unknown
from broker.model.evolve import DEFAULT_BOUNDS, evolve
from broker.model.record import Record
from broker.model.state import RunState, initial
from tests.strategies import BEGINNING

T0 = BEGINNING
SMALL = Bounds(
    steps=2,
    groups=1,
    labels=2,
    artifacts=2,
    attempts=1,
    commands=2,
    metadata=40,
    outputs=20,
    step_document=20,
)
"""Bounds that a few events reach."""

OUT_OF_MEMORY = Failure(type="MemoryError", message="out of memory")


def at(seconds: float) -> datetime:
    """A moment, counted from the first event."""
    return T0 + timedelta(seconds=seconds)


def new() -> RunState:
    """A run of which nothing is known."""
    return initial("default", "r1")


def state_after(
    *happened: Event | Unknown, onto: RunState | None = None, limits: Bounds = DEFAULT_BOUNDS
) -> RunState:
    """The state after the events, stored one a second as 1, 2, 3, …"""
    state = new() if onto is None else onto
    for event in happened:
        seq = state.seq + 1
        state = evolve(state, event, seq, at(seq - 1), limits)
    return state


def records_of(*happened: Event | bytes) -> list[Record]:
    """The events as they are stored, one a second as 1, 2, 3, …"""
    return [
        Record(seq, at(seq - 1), event if isinstance(event, bytes) else encode(event))
        for seq, event in enumerate(happened, 1)
    ]


def planned(*steps: str) -> list[PlanStep]:
    """A plan of steps that weigh the same."""
    return [PlanStep(step=step) for step in steps]


def exactly(value: Any) -> bytes:
    """A value as JSON: unlike `==`, it tells 1 from 1.0 and true, and 0.0 from -0.0.

    The order of members is not part of a JSON object.
    """
    return msgspec.json.encode(value, order="deterministic")
