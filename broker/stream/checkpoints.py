"""Checkpoints: what is known of a run, as one message of the bucket RUNS.

The body is the packed state, the header `Broker-Summary` the run's row of the list, so that whoever
needs rows alone reads headers alone.
"""

import logging
from contextlib import suppress
from typing import Final

from broker.errors import StreamUnavailable
from broker.logs import about
from broker.model.checkpoint import UNREADABLE, Checkpoint
from broker.model.cursor import Cursor
from broker.model.subjects import RunKey
from broker.model.summary import Summary, decode_summary, encode_summary
from broker.stream.connection import Connection
from broker.stream.direct import PATIENCE
from broker.stream.headers import SEQUENCE, number, status
from broker.stream.publish import Message, publish
from broker.stream.topology import CHECKPOINTS

log = logging.getLogger(__name__)

SUMMARY: Final = "Broker-Summary"

_SUMMARY: Final = b"\r\nBroker-Summary: "
_OTHER_HEADERS: Final = 1024
"""Bytes left for what the server and the client library add to a message."""


async def load(connection: Connection, key: RunKey, epoch: str) -> Checkpoint:
    """The checkpoint of a run; an empty one where none is stored.

    One that was made from an earlier PROGRESS stream tells of sequences that are not those of
    today: of it only the revision is left. Raises StreamUnavailable.
    """
    headers, body = await _asked(connection, key)
    if not headers or status(headers):
        return Checkpoint()
    revision = number(headers, SEQUENCE) or 0
    try:
        summary = summary_in(headers)
    except UNREADABLE as error:
        more = about("checkpoints_unreadable", run=key.run)
        log.warning("the summary of run %s cannot be read: %s", key.run, error, extra=more)
        summary = None
    cursor = None if summary is None else Cursor.parse(summary.cursor)
    if cursor is None or cursor.epoch != epoch:
        return Checkpoint(revision)
    return Checkpoint(revision, cursor.seq, body)


async def _asked(connection: Connection, key: RunKey) -> tuple[bytes, bytes]:
    """The answer to a direct get, asked for again as `direct_get` does."""
    subject = f"$JS.API.DIRECT.GET.{CHECKPOINTS}.{key.checkpoint_subject}"
    for patience in PATIENCE[:-1]:
        with suppress(StreamUnavailable):
            return await connection.ask(subject, b"", patience=patience)
    return await connection.ask(subject, b"", patience=PATIENCE[-1])


async def store(
    connection: Connection, key: RunKey, summary: Summary, packed: bytes, revision: int
) -> int:
    """Store a checkpoint in place of the one of `revision` (0: there is none); gives its own.

    A state that the server does not take as one message is left out: such a run is in the list, and
    replayed from the beginning when it is opened. Raises Superseded where another checkpoint was
    stored meanwhile, and StreamUnavailable; then it may have been stored.
    """
    header = encode_summary(summary)
    if len(header) + len(packed) + _OTHER_HEADERS > connection.largest:
        packed = b""
    message = Message(key.checkpoint_subject, packed, None, {SUMMARY: header.decode()})
    return (await publish(connection, message, expected_last=revision)).seq


def summary_in(headers: bytes) -> Summary | None:
    """The summary in the headers of a checkpoint; None without. Raises one of UNREADABLE."""
    at = headers.find(_SUMMARY)
    if at < 0:
        return None
    begin = at + len(_SUMMARY)
    return decode_summary(headers[begin : headers.index(b"\r\n", begin)])
