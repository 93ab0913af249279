"""Where a request wants to begin: its cursor, judged against the stream."""

from typing import NamedTuple

from aiohttp import web

from broker.errors import InvalidCursor
from broker.hub.run_hub import RunHub
from broker.model.cursor import Cursor
from broker.stream.live import LiveRuns


class Resume(NamedTuple):
    """The cursor that a client of a stream came with, as it gave it, and what it is worth.

    `seq` is None where it is unknown: of another epoch, beyond the head, or no cursor at all.
    """

    text: str
    seq: int | None


def resume_of(request: web.Request, hub: RunHub) -> Resume | None:
    """The cursor of a stream request; None for a first connection.

    `EventSource` sends `Last-Event-ID`; who cannot set headers gives `last_event_id`. What a
    browser remembered is never refused; `after`, which a person writes, is.
    """
    text = request.headers.get("Last-Event-ID") or request.query.get("last_event_id")
    if text:
        cursor = Cursor.parse(text)
        return Resume(text, _seq_in(cursor, hub) if cursor is not None else None)
    after = after_of(request)
    return Resume(str(after), _seq_in(after, hub)) if after is not None else None


def after_of(request: web.Request) -> Cursor | None:
    """The cursor in `?after=`; raises InvalidCursor for what is none."""
    text = request.query.get("after")
    if not text:
        return None
    cursor = Cursor.parse(text)
    if cursor is None:
        raise InvalidCursor(text, "after")
    return cursor


async def still_kept(seq: int, hub: RunHub, runs: LiveRuns) -> bool:
    """Whether every event after `seq` is still there, in memory or in the stream."""
    return seq >= hub.records.floor or seq + 1 >= await runs.first_seq()


def _seq_in(cursor: Cursor, hub: RunHub) -> int | None:
    return cursor.seq if cursor.epoch == hub.epoch and cursor.seq <= hub.seq else None
