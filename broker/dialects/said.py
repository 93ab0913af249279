"""What a message of a dialect says."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from broker.model.events import Event
from broker.model.state import RunState


class Said(NamedTuple):
    """The run that a message names, and the events that it stands for; none where it says nothing.

    Where what it means depends on how the run stands, `judged` gives the events: of None where the
    run is unknown.
    """

    run: str | None = None
    events: Sequence[Event] = ()
    judged: Callable[[RunState | None], Sequence[Event]] | None = None


Dialect = Callable[[bytes], Said]
"""Reads one message. Raises MalformedEvent, which names the field that is wrong."""
