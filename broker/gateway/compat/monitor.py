"""One socket that shows jobs without being told which: each with its log, as they come and go."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from broker.gateway.compat.job_queries import Wanted
from broker.gateway.compat.shown_jobs import ShownJob, ShownLog, complaint
from broker.gateway.sockets.socket import Socket
from broker.gateway.sockets.subscription import Subscription
from broker.model.cursor import Cursor
from broker.model.summary import Summary
from broker.protocol.websocket import text_frame

JOBS_MAX: Final = 1_000
"""Jobs that one socket shows at a time, and logs of jobs."""
LOGS_AT_FIRST: Final = 100
"""Jobs of whose logs a socket begins with the last lines; of others it shows what comes."""
LEFT_MAX: Final = 2_000
"""Jobs that have ended, of which a socket remembers how far it has shown them. The index hears of
an end later: were these fewer than end in that time, each would be shown again."""


class Monitor:
    """Which jobs a socket shows. What it is to show is given to `show`."""

    def __init__(
        self,
        socket: Socket,
        wanted: Wanted,
        tail: int,
        *,
        show: Callable[[Subscription], None],
        has_ended: Callable[[str], bool],
    ) -> None:
        self.socket = socket
        self.wanted = wanted
        self.short = False
        """Whether there are jobs that it had no room for."""
        self._tail = tail
        self._show = show
        self._has_ended = has_ended
        self._jobs: set[str] = set()
        self._logs: set[str] = set()
        self._jobs_left: OrderedDict[str, Cursor] = OrderedDict()
        self._logs_left: OrderedDict[str, Cursor] = OrderedDict()
        self._told_short = False

    @property
    def full(self) -> bool:
        """Whether it has no room for another job."""
        return len(self._jobs) >= JOBS_MAX

    @property
    def closed(self) -> bool:
        """Whether its client has gone, or is being let go."""
        return self.socket.closing_at is not None

    def begin(self, jobs: Iterable[str]) -> None:
        """Show what there is now: every job before the first log."""
        entered = [job for job in jobs if self._enter(job)]
        for place, job in enumerate(entered):
            self._enter_log(job, self._tail if place < LOGS_AT_FIRST else 0)

    def fill(self, jobs: Iterable[str]) -> None:
        """Show those of the jobs that there was no room for."""
        self.short = False
        for job in jobs:
            if self._enter(job):
                self._enter_log(job, self._tail)

    def hear_of(self, summary: Summary) -> None:
        """Show a job that has begun, or gone on since it was shown: of a new one the whole log."""
        cursor, left = Cursor.parse(summary.cursor), self._jobs_left.get(summary.run)
        goes_on = cursor is None or left is None or cursor.seq > left.seq
        if goes_on and self._enter(summary.run):
            self._enter_log(summary.run, None if summary.attempt == 1 else self._tail)

    def _enter(self, job: str) -> bool:
        """Show a job, if it is not shown yet and there is room; whether it is now."""
        if job in self._jobs or self.closed:
            return False
        if self.full:
            self._tell_short()
            return False
        self._jobs.add(job)
        self._show(ShownJob(self.socket, job, self._job_left))
        return True

    def _enter_log(self, job: str, tail: int | None) -> None:
        if job not in self._logs and len(self._logs) < JOBS_MAX and not self.closed:
            self._logs.add(job)
            after = self._logs_left.get(job)
            self._show(
                ShownLog(
                    self.socket,
                    job,
                    self._log_left,
                    after=after,
                    tail=tail,
                    has_ended=self._has_ended,
                )
            )

    def _job_left(self, job: str, upto: Cursor | None) -> None:
        self._jobs.discard(job)
        _remember(self._jobs_left, job, upto)

    def _log_left(self, job: str, upto: Cursor | None) -> None:
        self._logs.discard(job)
        _remember(self._logs_left, job, upto)

    def _tell_short(self) -> None:
        self.short = True
        if not self._told_short:
            self._told_short = True
            self.socket.hit("jobs_per_socket")
            detail = (
                f"this socket shows {JOBS_MAX} jobs at a time, and others once some have ended: "
                "ask /api/jobs for all, or open one socket for each projectId"
            )
            self.socket.write(text_frame(complaint(detail, limit="jobs_per_socket")))


def _remember(left: OrderedDict[str, Cursor], job: str, upto: Cursor | None) -> None:
    if upto is not None:
        left[job] = upto
        left.move_to_end(job)
        if len(left) > LEFT_MAX:
            left.popitem(last=False)
