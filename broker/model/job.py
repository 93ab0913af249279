"""A request to start a pipeline, as it waits on the work queue for a worker."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from broker.model.events import LARGEST
from broker.model.ids import id_of

_LATEST: Final = LARGEST // 2
"""An attempt is counted on from there with each delivery, and must stay one."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Start this attempt of a run: what a message on JOBS holds.

    Anyone may put one there: one that is read has inputs or None, and asks for attempt 1 unless it
    says otherwise.
    """

    run: str
    pipeline: str
    inputs: dict[str, Any] | None = None
    attempt: Annotated[int, Meta(ge=1, le=_LATEST)] = 1
    requested_by: str | UnsetType | None = UNSET

    def message_id(self, tenant: str) -> str:
        """The same for every request of this attempt, so that it is queued once."""
        return id_of("job", tenant, self.run, str(self.attempt))


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Job).decode


def encode_job(job: Job) -> bytes:
    """The stored form of a job."""
    return _encode(job)


def decode_job(payload: bytes) -> Job:
    """The job that a message holds. Raises ValueError where it holds none."""
    try:
        payload.decode()  # msgspec lets some invalid UTF-8 pass
        return _decode(payload)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
