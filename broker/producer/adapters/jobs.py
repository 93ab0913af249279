"""What a job engine emits to its listeners, reported as runs: the listeners are these.

    events = JobEvents()
    engine.on_job_update(events.job_update)
    engine.on_status_update(events.status_update)
    engine.on_job_logs(job_id, partial(events.log, job_id))

$BROKER_NATS_URL says where NATS is, unless `JobEvents` is told.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Unpack

from broker.dialects.jobs import read
from broker.producer.adapters.reporter import Options, Reporter

SUBJECTS_MAX: Final = 10_000
"""Subjects, and stages of subjects, whose job is remembered."""


class JobEvents(Reporter):
    """Reports jobs, their stages and their logs, from any thread; it never raises, and never waits.

    Payloads are as the engine makes them (`docs/compatibility.md`); a job may be told as often as
    it is looked at, since what is known already is not reported again. One that is queued or runs
    after its end is the job's next attempt.
    """

    def __init__(self, url: str | None = None, **how: Unpack[Options]) -> None:
        super().__init__("jobs", read, url, **how)
        self._lock = threading.Lock()
        self._jobs: OrderedDict[tuple[str, str | None], str] = OrderedDict()
        """The job that was told of last, by subject and stage, and by subject alone."""

    def job_update(self, job: Mapping[str, Any]) -> None:
        """Report a job as it is now: `{id, status, progress, currentStep, subjectId, …}`."""
        now = datetime.now(UTC)

        def message() -> dict[str, Any]:
            self._remember(job)
            return {"type": "job_status", "payload": {"timestamp": now, **job}}

        self._emitter.emit(message)

    def status_update(self, update: Mapping[str, Any], job_id: str | None = None) -> None:
        """Report a stage of a subject: `{subjectId, stageId, status}`.

        It is of the job that is named, here or in the update, else of the one that was told of last
        with this subject and stage, else with this subject.
        """
        now = datetime.now(UTC)

        def message() -> dict[str, Any]:
            payload = {"timestamp": now, "jobId": job_id or self._job_of(update), **update}
            return {"type": "subject_stage_status", "payload": payload}

        self._emitter.emit(message)

    def log(self, job_id: str, entry: Mapping[str, Any] | str) -> None:
        """Report a line of a job's log: `{level, message, timestamp}`, or the message alone."""
        now = datetime.now(UTC)

        def message() -> dict[str, Any]:
            line = {"message": entry} if isinstance(entry, str) else entry
            return {"type": "job_log", "payload": {"timestamp": now, "jobId": job_id, **line}}

        self._emitter.emit(message)

    def _remember(self, job: Mapping[str, Any]) -> None:
        subject, id = job.get("subjectId"), job.get("id")
        if subject is None or not isinstance(id, str):
            return
        stage = job.get("stageId")
        places = {(str(subject), None), (str(subject), None if stage is None else str(stage))}
        with self._lock:
            for place in places:
                self._jobs[place] = id
                self._jobs.move_to_end(place)
                if len(self._jobs) > SUBJECTS_MAX:
                    self._jobs.popitem(last=False)

    def _job_of(self, update: Mapping[str, Any]) -> str | None:
        subject, stage = str(update.get("subjectId")), str(update.get("stageId"))
        with self._lock:
            return self._jobs.get((subject, stage)) or self._jobs.get((subject, None))
