"""What the state of a run allows."""

import pytest

from broker.errors import CommandRefused
from broker.model.decide import COMMANDS, CommandName, decide, unanswered, waits_for_nobody
from broker.model.events import (
    CommandAcknowledged,
    CommandCancel,
    CommandPause,
    CommandResume,
    Event,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunLost,
    RunPaused,
    RunQueued,
    RunResumed,
    RunStarted,
)
from broker.model.events import Failure as Why
from broker.model.summary import summarize
from tests.unit.runs import state_after

STARTED = RunStarted(pipeline="import")
FAILED = RunFailed(error=Why(message="no"))

PAUSED: list[Event] = [CommandPause(id="p"), CommandAcknowledged(command="p", result="accepted")]
RESUMED: list[Event] = [CommandResume(id="r"), CommandAcknowledged(command="r", result="accepted")]
TURNED_DOWN: list[Event] = [
    CommandPause(id="p"),
    CommandAcknowledged(command="p", result="rejected"),
]

ALLOWED: list[tuple[list[Event], set[CommandName]]] = [
    ([RunQueued(pipeline="p")], {"cancel", "retry", "pause"}),
    ([STARTED], {"cancel", "retry", "pause"}),
    ([STARTED, RunPaused()], {"cancel", "retry", "resume"}),
    ([STARTED, RunLost()], {"cancel", "retry", "pause"}),
    ([STARTED, RunPaused(), RunLost()], {"cancel", "retry", "resume"}),
    ([STARTED, RunCompleted()], {"retry"}),
    ([STARTED, FAILED], {"retry"}),
    ([STARTED, RunCancelled()], {"retry"}),
    ([RunStarted(), FAILED], set()),
    ([RunStarted(), RunLost()], {"cancel", "pause"}),
    ([RunStarted()], {"cancel", "retry", "pause"}),
    ([RunStarted(cancellable=False)], {"retry", "pause"}),
    ([STARTED, CommandPause(id="p")], {"cancel", "retry", "pause", "resume"}),
    ([STARTED, RunPaused(), CommandResume(id="r")], {"cancel", "retry", "pause", "resume"}),
    ([STARTED, *PAUSED], {"cancel", "retry", "pause", "resume"}),
    ([STARTED, *PAUSED, RunPaused()], {"cancel", "retry", "resume"}),
    ([STARTED, *PAUSED, RunPaused(), *RESUMED], {"cancel", "retry", "pause", "resume"}),
    ([STARTED, *PAUSED, RunPaused(), *RESUMED, RunResumed()], {"cancel", "retry", "pause"}),
    ([STARTED, *PAUSED, *RESUMED], {"cancel", "retry", "pause"}),
    ([STARTED, *TURNED_DOWN], {"cancel", "retry", "pause"}),
    ([STARTED, *PAUSED, RunStarted(attempt=2)], {"cancel", "retry", "pause"}),
]


@pytest.mark.parametrize(("events", "allowed"), ALLOWED)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_allowed(
    events: list[Event], allowed: set[CommandName], command: CommandName
) -> None:
    """A pause may be taken back before the run says that it is paused, and so may a resume."""
    state = state_after(*events)
    if command in allowed:
        decide(state, command)
    else:
        with pytest.raises(CommandRefused) as refused:
            decide(state, command)
        assert state.run == refused.value.run


def test_an_end_and_a_loss_leave_nobody_to_be_told() -> None:
    assert waits_for_nobody(state_after(STARTED, FAILED))
    assert waits_for_nobody(state_after(STARTED, RunLost()))
    assert not waits_for_nobody(state_after(STARTED, RunPaused()))
    assert not waits_for_nobody(state_after(RunQueued()))


def test_the_command_that_nobody_answered() -> None:
    """The latest of its kind, to this attempt, which nothing opposite followed."""
    asked: list[Event] = [
        STARTED,
        CommandCancel(id="c1"),
        CommandPause(id="p1"),
        CommandCancel(id="c2"),
    ]
    state = state_after(*asked)
    assert ("c2", "p1", None) == tuple(
        unanswered(state, name) for name in ("cancel", "pause", "resume")
    )
    state = state_after(*asked, CommandResume(id="r1"))
    assert (None, "r1") == (unanswered(state, "pause"), unanswered(state, "resume"))
    state = state_after(*asked, CommandAcknowledged(command="c2", result="rejected"))
    assert "c1" == unanswered(state, "cancel")
    begun_anew = state_after(*asked, RunStarted(attempt=2))
    assert unanswered(begun_anew, "cancel") is None
    assert (3, 0) == tuple(
        summarize(each, "e").unanswered for each in (state_after(*asked), begun_anew)
    )
