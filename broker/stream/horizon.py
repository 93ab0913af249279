"""Where the stream stood some time before one of its records was stored."""

from datetime import timedelta
from typing import Final

from broker.stream.connection import Connection
from broker.stream.direct import direct_get
from broker.stream.headers import SEQUENCE, moment, number
from broker.stream.topology import PROGRESS

_ALL: Final = "progress.>"


async def horizon(connection: Connection, seq: int, before: timedelta) -> int | None:
    """The last sequence stored more than `before` ahead of the record at `seq`.

    None where there is no such record, or not any more. Raises StreamUnavailable.
    """
    found = await direct_get(connection, PROGRESS, {"seq": seq, "next_by_subj": _ALL, "batch": 1})
    if not found or number(found[0][0], SEQUENCE) != seq:
        return None
    start = moment(found[0][0]) - before
    later = await direct_get(
        connection,
        PROGRESS,
        {"start_time": start.isoformat(), "next_by_subj": _ALL, "batch": 1},
    )
    first = number(later[0][0], SEQUENCE) if later else None
    return seq if first is None else first - 1
