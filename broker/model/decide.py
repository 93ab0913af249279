"""Whether the state of a run allows a command. Pure: the state is given, nothing is stored."""

from collections.abc import Callable
from typing import Annotated, Final, Literal, TypeAlias, get_args

from msgspec import Meta

from broker.errors import CommandRefused
from broker.model.events import Command, CommandCancel, CommandPause, CommandResume, CommandRetry
from broker.model.state import RunState

By: TypeAlias = Annotated[str, Meta(max_length=256)]
Reason: TypeAlias = Annotated[str, Meta(max_length=1024)]
Mode: TypeAlias = Annotated[str, Meta(max_length=64)]
"""What a person says with a command; what a mode means the producer knows."""

CommandName: TypeAlias = Literal["cancel", "retry", "pause", "resume"]
COMMANDS: Final[tuple[CommandName, ...]] = get_args(CommandName)

EVENTS: Final[dict[CommandName, Callable[..., Command]]] = {
    "cancel": CommandCancel,
    "retry": CommandRetry,
    "pause": CommandPause,
    "resume": CommandResume,
}
"""What a command is stored as."""

_OPPOSITE: Final[dict[CommandName, CommandName]] = {"pause": "resume", "resume": "pause"}


def decide(state: RunState, command: CommandName) -> None:
    """Let a command pass, or raise CommandRefused, which says what would do instead."""
    if command == "retry":
        if waits_for_nobody(state) and state.pipeline is None:
            raise CommandRefused(
                state.run,
                f"it is {state.status} and names no pipeline, so that no worker can be asked to "
                "run it again: start it where it was started",
            )
        return
    if state.ended:
        raise CommandRefused(
            state.run,
            f"it is {state.status}, so there is nothing to {command}: retry begins another attempt",
        )
    if command == "cancel":
        if state.cancellable is False:
            raise CommandRefused(state.run, "it cannot be cancelled, says who reports it")
        return
    paused = going(state) == "paused"
    if paused == (command == "pause") and not _under_way(state, _OPPOSITE[command]):
        raise CommandRefused(
            state.run, "it is paused: resume it" if paused else "it is not paused: pause it first"
        )


def waits_for_nobody(state: RunState) -> bool:
    """Whether no producer is there to be told: the attempt has ended, or its producer is lost."""
    return state.ended or state.status == "lost"


def going(state: RunState) -> str:
    """The status, of a lost run the one that it had before."""
    return state.silence.was if state.status == "lost" and state.silence else state.status


def _under_way(state: RunState, command: CommandName) -> bool:
    """Whether the attempt was told to pause (or resume) last, and nobody has turned that down.

    The status says so only later: a producer pauses at its next checkpoint.
    """
    pair = (command, _OPPOSITE[command])
    for given in reversed(state.commands.values()):
        turned_down = given.result in ("rejected", "ignored")
        if given.type in pair and given.attempt == state.attempt and not turned_down:
            return given.type == command
    return False


def unanswered(state: RunState, command: CommandName) -> str | None:
    """The id of such a command to this attempt that nobody answered and none opposite followed."""
    opposite = _OPPOSITE.get(command)
    for name, given in reversed(state.commands.items()):
        if given.result is None and given.attempt == state.attempt:
            if given.type == command:
                return name
            if given.type == opposite:
                return None
    return None
