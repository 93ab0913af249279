"""The broker's own views of a run: its state with patches, and its events."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from broker.model.cursor import Cursor
from broker.model.decode import TAGS, canonical, tag_of
from broker.model.events import Event, Unknown
from broker.model.record import Record
from broker.model.state import RunState
from broker.views.message import Change, Message, View

_encode: Final = msgspec.json.Encoder().encode

_FOREIGN_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,32}(\.[A-Za-z0-9_-]{1,32}){1,3}", re.ASCII)


class _Timed(msgspec.Struct):
    time: Any = None


_timed: Final = msgspec.json.Decoder(_Timed).decode


class StateView:
    """A snapshot of the state, then merge patches (RFC 7396): the folded state, live."""

    name = "state"
    contiguous = False
    patched = True

    def snapshot(self, state: RunState, epoch: str) -> Iterator[Message]:
        yield Message("snapshot", snapshot_json(state, epoch), Cursor(epoch, state.seq))

    def changes(self, change: Change) -> Iterator[Message]:
        cursor = Cursor(change.epoch, change.state.seq)
        yield Message("patch", _encode({**change.patch, "cursor": str(cursor)}), cursor)

    def end(self, state: RunState) -> Iterator[Message]:
        yield end_message(state)


class EventsView:
    """Every event of the run in order, each with its cursor."""

    name = "events"
    contiguous = True
    patched = False

    def snapshot(self, state: RunState, epoch: str) -> Iterator[Message]:
        yield Message("snapshot", snapshot_json(state, epoch), Cursor(epoch, state.seq))

    def changes(self, change: Change) -> Iterator[Message]:
        for event, record in change.reports:
            yield Message(
                name_of(event),
                event_json(event, record, change.epoch),
                Cursor(change.epoch, record.seq),
            )

    def end(self, state: RunState) -> Iterator[Message]:
        yield end_message(state)


def snapshot_json(state: RunState, epoch: str) -> bytes:
    """The snapshot: the state, with its `cursor` in place of the sequence.

    `seq` is the first member, so that the encoded state is cut, not built a second time.
    """
    body = _encode(state)
    return b'{%b,"cursor":"%b-%d"}' % (body[body.index(b",") + 1 : -1], epoch.encode(), state.seq)


def event_json(event: Event | Unknown, record: Record, epoch: str) -> bytes:
    """A stored event as it is shown: on one line, with its cursor, and its time if it gave none."""
    shown = canonical(record.payload)[:-1]
    if event.time is None and not (isinstance(event, Unknown) and _timed(record.payload).time):
        shown += b',"time":"%b"' % rfc3339(record.stored_at).encode()
    return b'%b,"cursor":"%b-%d"}' % (shown, epoch.encode(), record.seq)


def end_message(state: RunState) -> Message:
    """Tells that the run has ended and how; it carries no state, so no cursor."""
    return Message("end", _encode({"run": state.run, "status": state.status}))


def name_of(event: Event | Unknown) -> str:
    """The name under which an event is sent.

    A type unknown here keeps its name only if it can be told from the broker's own messages and
    from the browser's (`error`, `open`), which have no dot.
    """
    tag = tag_of(event)
    return tag if tag in TAGS or _FOREIGN_NAME.fullmatch(tag) else "unknown"


def rfc3339(moment: datetime) -> str:
    """The moment in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


VIEWS: Final[dict[str, View]] = {"state": StateView(), "events": EventsView()}
"""The views that `?view=` names."""
