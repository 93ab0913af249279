"""Requests to start a pipeline, put on the work queue JOBS, looked for and removed there.

How workers take them is in `jobs.py`.
"""

from typing import Final

import msgspec

from broker.model.job import Job, encode_job
from broker.model.subjects import job_subject
from broker.stream.connection import Connection
from broker.stream.publish import Message, Stored, publish
from broker.stream.replay import read
from broker.stream.topology import JOBS, api

_UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)


class _Named(msgspec.Struct, frozen=True):
    run: str
    attempt: int = 1


_decode: Final = msgspec.json.Decoder(_Named).decode


async def queue(connection: Connection, tenant: str, job: Job) -> Stored:
    """Put a job on the queue; the same attempt put again within two minutes stays one job.

    Raises TooLarge, and StreamUnavailable; then it may have been queued.
    """
    subject = job_subject(tenant, job.pipeline)
    return await publish(connection, Message(subject, encode_job(job), job.message_id(tenant)))


async def places_of(connection: Connection, tenant: str, pipeline: str, run: str) -> dict[int, int]:
    """The sequences of a run's jobs by attempt: those that wait for a worker, or that one holds.

    Reads the pipeline's whole queue. Raises StreamUnavailable.
    """
    places: dict[int, int] = {}
    async for page in read(connection, job_subject(tenant, pipeline), 0, stream=JOBS):
        for record in page:
            try:
                found = _decode(record.payload)
            except _UNREADABLE:  # anyone may publish there
                continue
            if found.run == run:
                places[found.attempt] = record.seq
    return places


async def withdraw(connection: Connection, place: int) -> None:
    """Take a job off the queue by its sequence. Raises StreamUnavailable, also if it is gone."""
    await api(connection, f"STREAM.MSG.DELETE.{JOBS}", {"seq": place, "no_erase": True})
