"""Reading what is stored: pages of one run by batch direct get, and last sequences of many.

No consumer is made. Large reads hold a lock in the server that writers need, so they go over a
connection of their own, in pages (ADR-31 of nats-architecture-and-design).
"""

import asyncio
from collections.abc import AsyncIterator, Container, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec

from broker.errors import InvalidName, StreamUnavailable
from broker.model.record import Record
from broker.model.subjects import RunKey, run_of
from broker.stream.connection import Connection
from broker.stream.direct import direct_get
from broker.stream.headers import SEQUENCE, moment, number
from broker.stream.topology import MAX_EVENT, MIB, PROGRESS, api

PAGE: Final = 2048
PAGE_BYTES: Final = 8 * MIB
MOST_SUBJECTS: Final = 1024
"""What one `multi_last` request may match (nats-server answers 413 beyond)."""
COUNTING: Final = 5.0
"""Seconds that the leader of a stream has to count: somebody waits for it, as for a read."""

_NONE: Final = 404
_LEADER: Final = 2.0
"""Seconds that the leader of a stream has; while one is elected nobody answers in its place."""


async def read(
    connection: Connection,
    subject: str,
    after: int,
    *,
    page_size: int = PAGE,
    stream: str = PROGRESS,
) -> AsyncIterator[list[Record]]:
    """The records of a subject stored after a sequence, page by page, in order.

    Ends when the server says that there are no more. Raises StreamUnavailable.
    """
    while True:
        page = await page_of(connection, subject, after + 1, page_size, stream=stream)
        if page:
            yield page
            after = page[-1].seq
        room = PAGE_BYTES - sum(len(record.payload) for record in page)
        if len(page) < page_size and room > 2 * MAX_EVENT:
            return


async def scan(
    connection: Connection, after: int, wanted: Container[RunKey]
) -> AsyncIterator[tuple[int, list[tuple[RunKey, Record]]]]:
    """All events stored after a sequence, in pages: how many there were, and those of some runs.

    Where the events of many runs lie between each other, one pass over all of them costs the server
    far less than the search for each run's. Raises StreamUnavailable.
    """
    while True:
        request = {
            "seq": after + 1,
            "next_by_subj": ">",  # which is no filter; with any other each message is searched for
            "batch": PAGE,
            "max_bytes": PAGE_BYTES,
        }
        found = await direct_get(connection, PROGRESS, request)
        records: list[tuple[RunKey, Record]] = []
        for headers, payload in found:
            after = number(headers, SEQUENCE) or after
            key = _key_in(headers)
            if key is not None and key in wanted:
                records.append((key, Record(after, moment(headers), payload)))
        yield len(found), records
        room = PAGE_BYTES - sum(len(payload) for _, payload in found)
        if len(found) < PAGE and room > 2 * MAX_EVENT:
            return


async def last_sequences(
    connection: Connection, subjects: Sequence[str], *, stream: str = PROGRESS
) -> dict[str, int]:
    """The last stored sequence of each subject that has any. Raises StreamUnavailable."""
    found = await last_stored(connection, subjects, stream=stream)
    return {subject: seq for subject, (seq, _) in found.items()}


async def last_stored(
    connection: Connection, subjects: Sequence[str], *, stream: str = PROGRESS
) -> dict[str, tuple[int, datetime]]:
    """The last stored sequence of each subject that has any, and when that was stored.

    Raises StreamUnavailable.
    """
    last: dict[str, tuple[int, datetime]] = {}
    for begin in range(0, len(subjects), MOST_SUBJECTS):
        request = {"multi_last": list(subjects[begin : begin + MOST_SUBJECTS])}
        for headers, _ in await direct_get(connection, stream, request):
            seq = number(headers, SEQUENCE)
            if seq is not None:
                last[_subject(headers)] = seq, moment(headers)
    return last


async def count_of(connection: Connection, subject: str, *, stream: str = PROGRESS) -> int:
    """How many records of a subject the stream still holds. Raises StreamUnavailable."""
    wanted = {"subjects_filter": subject}
    try:
        async with asyncio.timeout(COUNTING):
            answer = await api(connection, f"STREAM.INFO.{stream}", wanted)
    except TimeoutError:
        raise StreamUnavailable(f"count the records of {subject}", "no answer") from None
    return int((answer["state"].get("subjects") or {}).get(subject, 0))


async def first_sequence(connection: Connection, *, stream: str = PROGRESS) -> int:
    """The oldest sequence that the stream still holds. Raises StreamUnavailable."""
    oldest = {"seq": 1, "next_by_subj": ">", "batch": 1}
    for headers, _ in await direct_get(connection, stream, oldest):
        return number(headers, SEQUENCE) or 0
    # An empty stream: only its leader knows what it held, which is not there at all times.
    answer = await api(connection, f"STREAM.INFO.{stream}")
    return int(answer["state"]["first_seq"])


async def last_sequence(connection: Connection, subject: str, *, stream: str = PROGRESS) -> int:
    """The last stored sequence of a subject as the leader knows it; 0 without any.

    In a cluster others may be behind. Raises StreamUnavailable, also while there is no leader.
    """
    request = msgspec.json.encode({"last_by_subj": subject})
    said = await connection.request(f"$JS.API.STREAM.MSG.GET.{stream}", request, patience=_LEADER)
    answer: dict[str, Any] = msgspec.json.decode(said)
    error = answer.get("error", {})
    if error.get("code") == _NONE:
        return 0
    if error:
        raise StreamUnavailable(f"read {stream}", str(error.get("description", "refused")))
    return int(answer["message"]["seq"])


async def page_of(
    connection: Connection,
    subject: str,
    begin: int,
    size: int,
    *,
    most_bytes: int = PAGE_BYTES,
    stream: str = PROGRESS,
) -> list[Record]:
    """Records of a subject from a sequence on: so many, or about so many bytes, at most.

    Raises StreamUnavailable.
    """
    request = {
        "seq": begin,
        "next_by_subj": subject,
        "batch": size,
        "max_bytes": most_bytes,
    }
    return _records(await direct_get(connection, stream, request))


async def page_since(
    connection: Connection, subject: str, since: datetime, size: int, *, stream: str = PROGRESS
) -> list[Record]:
    """The first records of a subject stored at a time or later. Raises StreamUnavailable."""
    request = {
        "start_time": since.isoformat(),
        "next_by_subj": subject,
        "batch": size,
        "max_bytes": PAGE_BYTES,
    }
    return _records(await direct_get(connection, stream, request))


def _records(found: Sequence[tuple[bytes, bytes]]) -> list[Record]:
    return [
        Record(number(headers, SEQUENCE) or 0, moment(headers), payload)
        for headers, payload in found
    ]


def _subject(headers: bytes) -> str:
    begin = headers.rfind(b"\r\nNats-Subject: ") + 16
    return headers[begin : headers.index(b"\r\n", begin)].decode()


def _key_in(headers: bytes) -> RunKey | None:
    try:
        return _run_of(_subject(headers))
    except (InvalidName, UnicodeDecodeError):
        return None


_run_of: Final = lru_cache(maxsize=65_536)(run_of)
