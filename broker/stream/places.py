"""What the acknowledgement subject of a message tells of it."""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Place(NamedTuple):
    """Where a message is in its stream, and how it came.

    `deliveries` is how often it was handed out, `delivery` the consumer's number of this time,
    `nanoseconds` when it was stored (since 1970), `pending` how many messages are behind it.
    """

    deliveries: int
    seq: int
    delivery: int
    nanoseconds: int
    pending: int

    @property
    def stored_at(self) -> datetime:
        """When it was stored, in UTC, to the millisecond, as `headers.moment` reads it."""
        return _EPOCH + timedelta(milliseconds=self.nanoseconds // 1_000_000)


def place_of(reply: bytes) -> Place:
    """Read `$JS.ACK.<stream>.<consumer>.<deliveries>.<seq>.<delivery>.<time>.<pending>`.

    Newer servers put a domain and an account before the stream's name (ADR-15).
    """
    tokens = reply.split(b".")
    return Place(*map(int, tokens[4:9] if len(tokens) == 9 else tokens[6:11]))
