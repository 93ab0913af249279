"""Whether what JOBS and DIALECTS acknowledged took effect, once."""

from collections import Counter
from collections.abc import Mapping, Sequence

from broker.errors import StreamUnavailable
from broker.model import events
from broker.model.decode import decode, tag_of
from broker.model.record import Record
from broker.stream.connection import Connection
from broker.stream.topology import api
from tests.cluster.queues import Promises
from tests.faults import until

SETTLED = 90.0
"""Seconds until a queue is empty: a request that was lost on its way comes again."""


async def settled(url: str, stream: str) -> None:
    """Wait until everything on a work queue is settled. Raises TimeoutError."""

    async def empty() -> bool:
        try:
            async with Connection.connect(url, name="test") as connection:
                answer = await api(connection, f"STREAM.INFO.{stream}")
        except StreamUnavailable:
            return False
        return bool(answer["state"]["messages"] == 0)

    await until(empty, SETTLED)


def kept(
    promises: Promises, records: Mapping[str, Sequence[Record]], counts: Counter[str]
) -> list[str]:
    """What is wrong with the runs that were asked for, and with those of a dialect."""
    faults: list[str] = []
    for run in promises.asked | promises.begun.keys():
        begun = [
            event.attempt
            for event in map(_event, records.get(run, ()))
            if isinstance(event, events.RunStarted)
        ]
        counts["requests that led to a run"] += bool(begun)
        counts["of these begun again"] += len(begun) > 1
        if not begun:
            faults.append(f"{run} was asked for, and never began")
        elif len(set(begun)) != len(begun):
            faults.append(f"{run}: an attempt began twice: {begun}")
        elif promises.begun[run] != len(begun):
            faults.append(f"{run}: attempts {begun}, and {promises.begun[run]} calls")
    for run, said in promises.said.items():
        stored = [_label(_event(record)) for record in records.get(run, ())]
        counts["messages of a dialect"] += len(said)
        if stored != said:
            faults.append(f"{run}: said {said}, stored {stored}")
    return faults


def _event(record: Record) -> events.Event | events.Unknown:
    return decode(record.payload)


def _label(event: events.Event | events.Unknown) -> str:
    step = getattr(event, "step", None)
    return f"{tag_of(event)} {step}" if step else tag_of(event)
