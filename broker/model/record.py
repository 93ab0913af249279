"""One stored message of a run, as the stream hands it on."""

from datetime import datetime
from typing import NamedTuple

import msgspec

from broker.model.subjects import RunKey


class Record(msgspec.Struct, frozen=True, gc=False):
    """A stored payload and its place.

    `seq` is the stream sequence, the one order of everything; `stored_at` the server's time in
    UTC, to the millisecond.
    """

    seq: int
    stored_at: datetime
    payload: bytes


class Mark(NamedTuple):
    """The note that a record was stored for a run, to be acknowledged by its token.

    `stored_at` is the server's time, in seconds since 1970. Every record from `since` to this one,
    of whatever run, was told to the same gateway; none is meant where `since` is beyond it.
    """

    key: RunKey
    record: Record
    stored_at: float
    token: bytes
    since: int
