"""One stored message of a run, as the stream hands it on."""

from datetime import datetime

import msgspec


class Record(msgspec.Struct, frozen=True, gc=False):
    """A stored payload and its place.

    `seq` is the stream sequence, the one order of everything; `stored_at` the server's time in
    UTC, to the millisecond.
    """

    seq: int
    stored_at: datetime
    payload: bytes
