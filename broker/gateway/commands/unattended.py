"""What a command asks of a run that no producer attends: the gateway does it, in its place.

*Cancel of a queued run*: `run.cancelled` is stored on condition that the run has not gone on; a
worker that took it meanwhile is told instead. The request stays on the work queue: who takes it
sees that its attempt has ended.
*Retry of an ended or lost run*: the next attempt is put on the work queue, then announced by
`run.queued`.

The command's own event stands in the run before any of this, and its answer after all of it. So
what is half-done shows as an unanswered command, and a repetition completes it. A retry that came
no further than its event leaves the run as it was; one that came no further than the queue is
carried out by a worker, announced or not. An attempt is requested once: a job has the run and the
attempt as its message id, and a repetition looks for it in the queue first. The request of a lost
attempt, which JetStream would give to another worker in a while, is withdrawn.
"""

from contextlib import suppress

import msgspec
from msgspec import UNSET

from broker.errors import CommandRefused, InvalidName, StreamUnavailable
from broker.gateway.commands.inputs import inputs_of
from broker.model.decide import CommandName, going, waits_for_nobody
from broker.model.decode import encode
from broker.model.events import CommandAcknowledged, Event, RunCancelled, RunQueued
from broker.model.ids import id_of
from broker.model.job import Job
from broker.model.state import RunState
from broker.model.subjects import RunKey
from broker.stream.connection import Connection
from broker.stream.jobs import consumer_of
from broker.stream.live import LiveRuns
from broker.stream.publish import Message, Stored, publish
from broker.stream.work_queue import places_of, queue, withdraw


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A command that stands in its run, stored at `seq` or before.

    `again` is true where it stood there before it was asked for.
    """

    id: str
    seq: int
    by: str | None
    reason: str | None
    again: bool


class CancelQueued(msgspec.Struct, frozen=True):
    """End an attempt that waits for a worker."""

    attempt: int


class QueueNext(msgspec.Struct, frozen=True):
    """Request an attempt, and announce it."""

    job: Job
    announcement: RunQueued
    lost: bool
    """Whether a worker may still hold the request for the attempt before."""


Task = CancelQueued | QueueNext


class Unattended:
    """Carries commands out for runs without a producer."""

    def __init__(self, runs: LiveRuns, writes: Connection) -> None:
        self._runs = runs
        self._writes = writes

    async def task(
        self, key: RunKey, state: RunState, command: CommandName, by: str | None
    ) -> Task | None:
        """What there is to do for a command; None where a producer is told.

        Raises CommandRefused where it cannot be done, StreamUnavailable.
        """
        if command == "cancel" and going(state) == "queued":
            return CancelQueued(state.attempt)
        if command != "retry" or not waits_for_nobody(state) or state.pipeline is None:
            return None
        try:
            consumer_of(key.tenant, state.pipeline)
        except InvalidName as error:
            raise CommandRefused(key.run, f"no worker can be asked to run it: {error}") from None
        attempt = state.attempt + 1
        announcement = RunQueued(
            id=id_of("queued", key.tenant, key.run, str(attempt)),
            attempt=attempt,
            pipeline=state.pipeline,
            name=state.name,
            labels={**state.labels} or None,
        )
        job = Job(
            run=key.run,
            pipeline=state.pipeline,
            inputs=await inputs_of(self._runs, key, state.metadata),
            attempt=attempt,
            requested_by=by or UNSET,
        )
        return QueueNext(job, announcement, state.status == "lost")

    async def carry_out(self, key: RunKey, task: Task, given: Given) -> None:
        """Do it, and answer the command.

        Raises Superseded where the run has gone on before it was done, StreamUnavailable.
        """
        if isinstance(task, CancelQueued):
            await self._cancel(key, task, given)
        else:
            await self._queue(key, task, given)

    async def answer(self, key: RunKey, given: Given, reason: str | None = None) -> None:
        """Answer a command in the producer's place; with a reason, that it was ignored."""
        event = CommandAcknowledged(
            id=id_of("answer", given.id),
            command=given.id,
            result="accepted" if reason is None else "ignored",
            reason=reason,
        )
        await self.store(key, event)

    async def store(self, key: RunKey, event: Event, *, expected_last: int | None = None) -> Stored:
        """Append an event to a run, once however often within two minutes.

        With `expected_last`, only as long as that is the run's last sequence: else Superseded.
        """
        message = Message(key.subject, encode(event), event.id)
        return await publish(self._writes, message, expected_last=expected_last)

    async def _cancel(self, key: RunKey, task: CancelQueued, given: Given) -> None:
        event = RunCancelled(
            id=id_of("cancelled", given.id),
            attempt=task.attempt,
            by=given.by,
            reason=given.reason,
        )
        await self.store(key, event, expected_last=given.seq)
        await self.answer(key, given)

    async def _queue(self, key: RunKey, task: QueueNext, given: Given) -> None:
        job = task.job
        places: dict[int, int] = {}
        if given.again or task.lost:
            places = await places_of(self._runs.reads, key.tenant, job.pipeline, job.run)
        for attempt, place in places.items():
            if attempt < job.attempt:
                with suppress(StreamUnavailable):  # a worker was done with it just now
                    await withdraw(self._writes, place)
        twice = job.attempt not in places and (await queue(self._writes, key.tenant, job)).duplicate
        await self.store(key, task.announcement)
        if twice and not given.again:
            await self.answer(key, given, f"attempt {job.attempt} is queued already")
        else:
            await self.answer(key, given)
