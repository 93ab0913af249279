"""Reading log lines from either end of a run, without reading the rest.

Stored batches are read forward only, from any sequence on. So the newest are found in ranges of
sequences that lie one before the other: each as long as the ones before it let expect, longer where
nothing was found (a run may be alone in the stream, or have one batch in a thousand), and cut in
half where it holds more than one answer takes.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from math import ceil
from typing import Final, NamedTuple

from broker.model.loglines import BEGINNING, Chosen, Line, Position, lines_after, lines_upto
from broker.model.record import Record
from broker.stream.connection import Connection
from broker.stream.replay import last_sequences, page_of
from broker.stream.topology import LOGS, MAX_EVENT, MIB

BATCHES: Final = 512
"""Batches of one read ..."""
BYTES: Final = MIB
"""... and their bytes, about."""
PIECE: Final = 16 * 1024
"""Bytes that are worked on in one go, about: to frame their lines takes a millisecond."""
WORK: Final = 8 * MIB
"""Bytes that one call looks through for lines; then it says where to go on."""
READS: Final = 64
"""Reads of one call."""

_GROWTH: Final = 8


class Lines(NamedTuple):
    """Lines in their order; `more` is where others may be, None where there are none."""

    lines: list[Line]
    more: Position | None


async def last_batch(connection: Connection, subject: str) -> int:
    """The sequence of a run's newest batch of lines; 0 without any. Raises StreamUnavailable."""
    return (await last_sequences(connection, [subject], stream=LOGS)).get(subject, 0)


async def first_batch(connection: Connection, subject: str) -> int:
    """The sequence of the oldest batch still kept; 0 without any. Raises StreamUnavailable."""
    found = await _read(connection, subject, 1, 1)
    return found[0].seq if found else 0


async def batches(connection: Connection, subject: str, after: int) -> AsyncIterator[list[Record]]:
    """The batches stored after a sequence, in pieces small enough to be worked on in one go.

    Raises StreamUnavailable.
    """
    while True:
        page = await _read(connection, subject, after + 1, BATCHES)
        for piece in _pieces(page):
            yield piece
            after = piece[-1].seq
            await asyncio.sleep(0)  # others have their turn
        if not _cut_short(page, BATCHES):
            return


async def onward(
    connection: Connection, subject: str, after: Position, chosen: Chosen, count: int
) -> Lines:
    """The first `count` chosen lines after a position; fewer where they lie far apart.

    Raises StreamUnavailable.
    """
    found: list[Line] = []
    work = 0
    async for page in batches(connection, subject, after.begin):
        for record in page:
            found += lines_after(record, chosen, after)
            if len(found) > count:
                return Lines(found[:count], found[count - 1].behind)
        work += _size(page)
        if work >= WORK:
            return Lines(found, Position(page[-1].seq))
    return Lines(found, None)


async def newest(
    connection: Connection, subject: str, before: Position, chosen: Chosen, count: int
) -> Lines:
    """The last `count` chosen lines up to a position; fewer where they lie far apart.

    `more` is the position up to which older ones may be. Raises StreamUnavailable.
    """
    first = await first_batch(connection, subject)
    end = before.seq + (before.place >= 0)  # what is still to be looked at ends before it
    found: list[Line] = []
    span, work = 1, 0
    for _ in range(READS):
        if not first or end <= first:
            return Lines(found, None)
        begin = max(first, end - span)
        page = await _read(connection, subject, begin, min(BATCHES, end - begin))
        work += _size(page)
        if _cut_short(page, min(BATCHES, end - begin)) and page[-1].seq < end - 1:
            span = max(1, (end - 1 - page[-1].seq) // 2)
            continue
        page = [record for record in page if record.seq < end]
        older = [line for record in page for line in lines_upto(record, chosen, before)]
        found = older + found
        if len(found) >= count:
            kept = found[len(found) - count :]
            all_there = len(found) == count and begin == first
            at = Position(kept[0].seq, kept[0].place - 1)
            return Lines(kept, None if all_there else at)
        end = begin
        if work >= WORK:
            break
        span = _next_span(span, page, len(older), count - len(found))
    return Lines(found, Position(end, -1) if end > first else None)


async def begin_of_tail(
    connection: Connection, subject: str, end: Position, chosen: Chosen, count: int
) -> Position:
    """The position behind which the last `count` chosen lines up to `end` are.

    Looks as far back as it must, and keeps none of them. Raises StreamUnavailable.
    """
    at: Position | None = end
    while at is not None and count > 0:
        found = await newest(connection, subject, at, chosen, count)
        count -= len(found.lines)
        at = found.more
    return BEGINNING if at is None else at


def _next_span(span: int, page: list[Record], found: int, missing: int) -> int:
    """How long the next range should be, after one of `span` sequences with so many lines."""
    if not page:
        return span * _GROWTH
    fits = span * 0.75 * min(BATCHES / len(page), BYTES / 2 / _size(page))
    wanted = span * missing / found if found else fits
    return max(1, ceil(min(wanted, fits)))


async def _read(connection: Connection, subject: str, begin: int, size: int) -> list[Record]:
    return await page_of(connection, subject, begin, size, most_bytes=BYTES, stream=LOGS)


def _pieces(page: list[Record]) -> Iterator[list[Record]]:
    """The page, cut where the bytes up to there are enough for one go."""
    piece: list[Record] = []
    size = 0
    for record in page:
        piece.append(record)
        size += len(record.payload)
        if size >= PIECE:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _cut_short(page: list[Record], size: int) -> bool:
    """Whether a read may have ended before its range did."""
    return len(page) >= size or BYTES - _size(page) <= 2 * MAX_EVENT


def _size(page: list[Record]) -> int:
    return sum(len(record.payload) for record in page)
