"""What a story tells of a run, without a gateway: to who was there, and to who comes late."""

from collections.abc import Iterable, Sequence

from broker.model.decode import decode
from broker.model.evolve import Fold
from broker.model.record import Record
from broker.model.state import RunState, initial
from broker.protocol.sse import PLAIN
from broker.views.message import Message, Moment, Story

EPOCH = "e1"


def live(story: Story, records: Sequence[Record]) -> list[Message]:
    """The messages to a client that was there from the beginning."""
    fold = Fold(initial("default", "r1"))
    told: list[Message] = []
    for record in records:
        event = decode(record.payload)
        moment = Moment.before(fold.state, event, record)
        fold.add(event, record.seq, record.stored_at)
        told += story.tell(moment, fold.state, EPOCH)
    return told


def late(story: Story, records: Sequence[Record]) -> list[Message]:
    """The messages to a client that comes after the last event."""
    return list(story.snapshot(state_of(records), EPOCH))


def state_of(records: Sequence[Record]) -> RunState:
    """The state after the records."""
    fold = Fold(initial("default", "r1"))
    fold.extend(list(records))
    return fold.state


def framed(messages: Iterable[Message]) -> bytes:
    """The messages as server-sent events."""
    return b"".join(
        PLAIN.message(kind, data, None if cursor is None else str(cursor))
        for kind, data, cursor in messages
    )
