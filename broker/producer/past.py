"""What the stored events of a run say of its attempts, and of the commands given to them. Pure."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from broker.errors import MalformedEvent
from broker.model import events
from broker.model.decode import decode
from broker.model.events import Event, Unknown

Action: TypeAlias = Literal["cancel", "retry", "pause", "resume"]

MOST: Final = 100
"""Commands of one attempt that are remembered."""

_ACTIONS: Final[dict[type, Action]] = {
    events.CommandCancel: "cancel",
    events.CommandRetry: "retry",
    events.CommandPause: "pause",
    events.CommandResume: "resume",
}
_OF_ANY_ATTEMPT: Final = (
    events.RunAnnotated,
    events.RunHeartbeat,
    events.RunLost,
    events.RunRecovered,
    Unknown,
)
"""What a later attempt does not begin with."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a person asks of a run."""

    id: str
    action: Action
    by: str | None = None
    reason: str | None = None
    mode: str | None = None


class Past:
    """Reads the events of a run in their order."""

    def __init__(self) -> None:
        self.last = 0
        """The sequence of the last event."""
        self.attempt = 1
        """The latest attempt."""
        self.requested: set[int] = set()
        """The attempts that a worker was asked for: such an announcement names the pipeline."""
        self.begun: dict[int, str | None] = {}
        """The attempts that somebody works on, or did, and the id of the event that says so."""
        self.claimed: set[int] = set()
        """Of these the attempts whose beginning was said as a worker says it, by their number."""
        self.ended: set[int] = set()
        """The attempts that have come to an end."""
        self.cancels: dict[int, Command] = {}
        """Of each attempt the last request to cancel it that was not turned down."""
        self._known: dict[str, None] = {}
        self._unanswered: dict[str, Command] = {}

    def add(self, payload: bytes, seq: int) -> None:
        """Read the event that is stored as `seq`; what is malformed says nothing."""
        self.last = seq
        try:
            event = decode(payload)
        except MalformedEvent:
            return
        if isinstance(event, events.Command):
            self._commanded(event, seq)
        elif isinstance(event, events.CommandAcknowledged):
            self._answered(event)
        else:
            self._reported(event)

    def take(self, attempt: int | None) -> list[Command]:
        """The commands for an attempt that nobody has answered, each once; None is the latest."""
        found, self._unanswered = self._unanswered, {}
        return [] if attempt not in (None, self.attempt) else list(found.values())

    def _commanded(self, event: events.Command, seq: int) -> None:
        name = event.id or f"seq-{seq}"  # as the fold names it
        if name in self._known or event.attempt not in (None, self.attempt):
            return
        self._known[name] = None
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        command = Command(name, _ACTIONS[type(event)], event.by, event.reason, event.mode)
        self._unanswered[name] = command
        if len(self._unanswered) > MOST:
            del self._unanswered[next(iter(self._unanswered))]
        if command.action == "cancel":
            self.cancels[self.attempt] = command

    def _answered(self, event: events.CommandAcknowledged) -> None:
        self._unanswered.pop(event.command, None)
        if event.result == "rejected":
            self.cancels = {n: c for n, c in self.cancels.items() if c.id != event.command}

    def _reported(self, event: Event | Unknown) -> None:
        attempt = event.attempt or self.attempt
        if attempt > self.attempt and not isinstance(event, _OF_ANY_ATTEMPT):
            self.attempt = attempt
            self._unanswered.clear()
        if isinstance(event, events.RunStarted):
            self.begun.setdefault(attempt, event.id)
            if event.attempt is not None or event.worker is not None:
                self.claimed.add(attempt)
        elif isinstance(event, events.RunQueued) and event.pipeline is not None:
            self.requested.add(attempt)
        elif isinstance(event, events.End) and attempt == self.attempt:
            self.ended.add(attempt)
