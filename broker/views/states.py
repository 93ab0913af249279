"""The story of a run: what each of its events made of its state, one line for each."""

from typing import Any, Final

import msgspec

from broker.errors import MalformedEvent
from broker.model.bounds import Bounds
from broker.model.cursor import Cursor
from broker.model.evolve import Fold
from broker.model.patch import Watch
from broker.model.record import Record
from broker.model.state import initial
from broker.model.steps import utc
from broker.model.subjects import RunKey
from broker.views.native import name_of, rfc3339, snapshot_json

_encode: Final = msgspec.json.Encoder().encode


class States:
    """Tells of the events of one run, given from the first one on.

    A line is `{"cursor", "type", "time", "patch"}`. The patches up to a line, each merged into what
    those before add up to (RFC 7396), beginning with nothing, are the snapshot after its event.
    """

    def __init__(self, key: RunKey, epoch: str, bounds: Bounds) -> None:
        self._fold = Fold(initial(key.tenant, key.run), bounds)
        self._epoch = epoch
        self._watch: Watch | None = None
        """None until there is a state."""

    @property
    def events(self) -> int:
        """How many it has told of."""
        return self._fold.state.events

    def line(self, record: Record) -> bytes:
        """The line of the next record, with its end; empty where that is no event."""
        event = self._fold.add_record(record)
        if event is None or isinstance(event, MalformedEvent):
            return b""
        cursor = str(Cursor(self._epoch, record.seq))
        patch: msgspec.Raw | dict[str, Any]
        if self._watch is None:
            patch = msgspec.Raw(snapshot_json(self._fold.state, self._epoch))
            self._watch = Watch(self._fold)
        else:
            patch = {**self._watch.patch(), "cursor": cursor}
        said = {
            "cursor": cursor,
            "type": name_of(event),
            "time": rfc3339(utc(event.time) or record.stored_at),
            "patch": patch,
        }
        return _encode(said) + b"\n"
