"""Log lines as messages about the job that they are of."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from broker.model.loglines import Chosen, Line
from broker.model.state import RunState
from broker.views.lines import LinesView, address_of
from broker.views.message import Message
from broker.views.native import rfc3339

_encode: Final = msgspec.json.Encoder().encode


class JobLine(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", gc=False):
    """A line; `id` is its address, by which one that comes again is known."""

    job_id: str
    level: str
    message: str
    timestamp: str
    id: str
    attempt: int
    stage_id: str | None = None


class JobLines(LinesView):
    """The lines of one job; neither their beginning nor their end is told."""

    kind = "job logs"

    def __init__(self, job: str, chosen: Chosen) -> None:
        super().__init__(chosen)
        self._job = job

    def hello(self, said: dict[str, object]) -> Iterator[Message]:
        yield from ()

    def messages(self, lines: Iterable[Line], epoch: str) -> Iterator[Message]:
        for line in lines:
            address = address_of(line, epoch)
            shown = JobLine(
                job_id=self._job,
                level=line.level.upper(),
                message=line.text,
                timestamp=rfc3339(line.time),
                id=str(address),
                attempt=line.attempt,
                stage_id=line.step,
            )
            yield Message("", _encode({"type": "job_log", "payload": shown}), address)

    def end(self, state: RunState) -> Iterator[Message]:
        yield from ()


def lines_of_job(job: str) -> Callable[[Chosen], JobLines]:
    """Makes the view of a job's chosen lines."""
    return lambda chosen: JobLines(job, chosen)
