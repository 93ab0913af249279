"""Where a request wants to begin: its cursor, judged against the stream."""

from typing import Final, NamedTuple

from aiohttp import web

from broker.errors import InvalidCursor, StreamUnavailable
from broker.hub.run_hub import RunHub
from broker.model.cursor import Cursor
from broker.stream.live import LiveRuns
from broker.stream.replay import last_sequence, last_sequences

LAG: Final = 3.0
"""Seconds that this gateway may be behind another."""
REMEMBERED: Final = ("last_event_id", "lastEventId")
"""Parameters that stand for `Last-Event-ID`: ours, and what a widespread stand-in for `EventSource`
(event-source-polyfill) puts in the place of the header, where it comes back."""


class Resume(NamedTuple):
    """The cursor that a client of a stream came with, as it can be shown, and what it is worth.

    `seq` is None where it is unknown: of another epoch, beyond the head, or no cursor at all.
    """

    text: str
    seq: int | None


def remembered(request: web.Request) -> str | None:
    """The cursor that a client of a stream had last, as text that can be shown; None without one.

    `EventSource` sends `Last-Event-ID`, with the URL that it was opened with, so it comes first;
    who cannot set headers gives `last_event_id`.
    """
    text = request.headers.get("Last-Event-ID")
    if not text:
        # The stand-in knows the newest; a page that names one itself wrote it when it began.
        text = request.query.get("lastEventId") or request.query.get("last_event_id")
    # Bytes of a header that are not UTF-8 come as lone surrogates, which JSON cannot hold.
    return text.encode(errors="backslashreplace").decode() if text else None


async def resume_of(request: web.Request, hub: RunHub, runs: LiveRuns) -> Resume | None:
    """The cursor of a stream request; None for a first connection.

    What a browser remembered is never refused; `after`, which a person writes, is.
    """
    text = remembered(request)
    if text:
        cursor = Cursor.parse(text)
        return Resume(text, await _seq_in(cursor, hub, runs) if cursor is not None else None)
    after = after_of(request)
    return Resume(str(after), await _seq_in(after, hub, runs)) if after is not None else None


def after_of(request: web.Request) -> Cursor | None:
    """The cursor in `?after=`; raises InvalidCursor for what is none."""
    text = request.query.get("after")
    if not text:
        return None
    cursor = Cursor.parse(text)
    if cursor is None:
        raise InvalidCursor(text, "after")
    return cursor


async def moment_of(request: web.Request, hub: RunHub, runs: LiveRuns) -> int | None:
    """The sequence in `?at=`, which is there; None where it is not before the run's head.

    Raises InvalidCursor for what is no cursor of this stream.
    """
    text = request.query["at"]
    at = Cursor.parse(text)
    if at is None or at.epoch != hub.epoch:
        raise InvalidCursor(text, "at")
    await _seq_in(at, hub, runs)
    return at.seq if at.seq < hub.seq else None


async def seq_of(text: str, hub: RunHub, runs: LiveRuns) -> int | None:
    """Where the cursor that a client remembered leads; None where it leads nowhere."""
    cursor = Cursor.parse(text)
    return await _seq_in(cursor, hub, runs) if cursor is not None else None


async def still_kept(seq: int, hub: RunHub, runs: LiveRuns) -> bool:
    """Whether every event after `seq` is still there, in memory or in the stream."""
    return seq >= hub.records.begin or seq + 1 >= await runs.first_seq()


async def _seq_in(cursor: Cursor, hub: RunHub, runs: LiveRuns) -> int | None:
    """The sequence of a cursor of this stream that is not beyond the run's head; else None.

    Another gateway may have shown the client what has not arrived here yet: that is waited for.
    Raises StreamUnavailable where it does not come, or nobody knows whether it is stored: to go on
    from anywhere else would show things twice.
    """
    if cursor.epoch != hub.epoch:
        return None
    if cursor.seq > hub.seq:
        subject = hub.key.subject
        last = (await last_sequences(runs.reads, [subject])).get(subject, 0)
        if cursor.seq > last and cursor.seq > await last_sequence(runs.reads, subject):
            return None
        runs.behind(hub.key, cursor.seq)
        if not await hub.beyond(cursor.seq - 1, LAG):
            raise StreamUnavailable("resume a run", "what the cursor tells of has not arrived here")
    return cursor.seq
