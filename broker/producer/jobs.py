"""Start requests as a worker reads them, and what is to be done about one. Pure."""

from typing import TypeAlias

import msgspec

from broker.errors import InvalidName, InvalidRequest
from broker.model.job import Job, decode_job
from broker.model.subjects import RunKey
from broker.producer.past import Command, Past


class Start(msgspec.Struct, frozen=True):
    """Begin the attempt."""


class Leave(msgspec.Struct, frozen=True):
    """There is nothing to do, because of `reason`; where it is `held`, others need the request."""

    reason: str
    held: bool = False


class Cancel(msgspec.Struct, frozen=True):
    """Somebody cancelled the run while nobody worked on it."""

    command: Command


Verdict: TypeAlias = Start | Leave | Cancel


def read_request(payload: bytes, tenant: str, pipeline: str) -> tuple[Job, RunKey]:
    """Read a request for a pipeline, and name its run. Raises InvalidRequest."""
    try:
        request = decode_job(payload)
        key = RunKey.checked(tenant, request.run)
    except (ValueError, InvalidName) as error:
        raise InvalidRequest(f"a start request on JOBS is not readable: {error}") from error
    if request.pipeline != pipeline:
        raise InvalidRequest(
            f"a start request for pipeline {request.pipeline[:64]!r} was sent to {pipeline!r}"
        )
    return request, key


def judge(past: Past, first: int, attempt: int, own: str | None = None) -> Verdict:
    """What to do about a request for attempt `first` that has come to be `attempt`.

    `own` is the id of the event that the asking worker would begin it with, or has.
    """
    attempts = range(first, attempt + 1)
    for number in attempts:
        if number in past.ended:
            return Leave(f"attempt {number} has ended")
        if number > first and number in past.requested:
            return Leave(f"attempt {number} has a request of its own")
    elsewhere = attempt in past.begun and (own is None or past.begun[attempt] != own)
    if past.attempt > attempt or elsewhere:
        # Without a request of its own a worker began it with this one, and will settle it. Who is
        # no worker knows of no request, and it would come again as the next attempt.
        outsider = past.attempt in past.begun and past.attempt not in past.claimed
        held = not outsider and past.requested.isdisjoint(range(attempt + 1, past.attempt + 1))
        return Leave(f"attempt {past.attempt} has begun", held)
    for number in reversed(attempts):
        if number in past.cancels:
            return Cancel(past.cancels[number])
    return Start()
