"""Messages of dialects as they are read, and the events that they become as they are stored."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from broker.dialects.said import Dialect, Said
from broker.errors import BrokerError, InvalidName, MalformedEvent, TooLarge
from broker.logs import about
from broker.model.decode import decode, encode
from broker.model.events import Event, LogAppended
from broker.model.ids import id_of
from broker.model.loglines import LARGEST_BATCH
from broker.model.state import RunState
from broker.model.subjects import RunKey
from broker.stream.publish import Message
from broker.stream.topology import MAX_EVENT

log = logging.getLogger(__name__)

_END: Final = "end"
"""In the id of a message's last event: where that is stored, all of the message is."""

_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)


class Heard(NamedTuple):
    """A message of a run, read.

    With `id` its events have ids that follow from it, so that a repetition within two minutes
    stores nothing twice. With `since` it may be one, of what was sent then or later.
    """

    said: Said
    id: str | None = None
    since: datetime | None = None

    @property
    def last_id(self) -> str | None:
        """The id of its last event."""
        return None if self.id is None else id_of(self.id, _END)


def read(dialect: Dialect, text: bytes) -> Said:
    """Read one message. Raises MalformedEvent, TooLarge."""
    if len(text) > MAX_EVENT:
        raise TooLarge("the message", MAX_EVENT)
    with _judging():
        return dialect(text)


@contextmanager
def _judging() -> Iterator[None]:
    """Turn what a dialect's reader raises into a refusal of the message."""
    try:
        yield
    except BrokerError:
        raise
    except _UNREADABLE as error:
        raise MalformedEvent(_reason(error)) from error
    except Exception as error:
        # A fault of one reader must stop neither the gateway nor the messages behind this one.
        log.exception("reading a message of a dialect", extra=about("dialects_failed"))
        raise MalformedEvent(f"it cannot be read: {type(error).__name__}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"not valid UTF-8 (byte {error.start})"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def addressed(said: Said, key: RunKey) -> None:
    """Make sure that a message is of the run it was sent to. Raises InvalidName."""
    if said.run is not None and said.run != key.run:
        raise InvalidName(
            "run", f"in the message is {said.run[:64]!r}, not {key.run[:64]!r}, where it was sent"
        )


def events_of(said: Said, state: RunState | None) -> Sequence[Event]:
    """What a message says of a run that stands like that. Raises MalformedEvent."""
    if said.judged is None:
        return said.events
    with _judging():
        return said.judged(state)


def stored_as(key: RunKey, heard: Heard, events: Sequence[Event]) -> list[tuple[Event, Message]]:
    """The events of a message as they are stored. Raises what is wrong with one of them."""
    of_run = [at for at, event in enumerate(events) if not isinstance(event, LogAppended)]
    ends_at = of_run[-1] if of_run else None
    told: list[tuple[Event, Message]] = []
    for at, event in enumerate(events):
        if heard.id is not None:
            part = _END if at == ends_at else _part(heard.said, at, event)
            event = msgspec.structs.replace(event, id=id_of(heard.id, part))
        told.append((event, _message(key, event)))
    return told


def _part(said: Said, at: int, event: Event) -> str:
    """What tells an event from the others of its message, whenever that is read.

    Where only a part of a judged message was stored, it is judged again by the run with that part
    in it, and gives the rest: at other places than before.
    """
    if said.judged is None:
        return str(at)
    with _judging():
        return encode(event).decode()


def _message(key: RunKey, event: Event) -> Message:
    """An event as it is stored, if every reader will take it for one."""
    with _judging():
        payload = encode(event)
    decode(payload)
    if not isinstance(event, LogAppended):
        if len(payload) > MAX_EVENT:
            raise TooLarge("the event", MAX_EVENT)
        return Message(key.subject, payload, event.id)
    if len(payload) > LARGEST_BATCH:
        raise TooLarge("a log.appended event", LARGEST_BATCH)
    return Message(key.log_subject, payload, event.id)
