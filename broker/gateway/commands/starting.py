"""Starting a pipeline: the run is announced, then its request waits on JOBS for a worker.

In this order, because the announcement is stored on condition that the run is new: it decides
which of two requests for one run id counts. If the queue then does not answer (503), the run stands
there as queued and nobody has it: the same request with the same idempotency key puts the job
where it belongs, once; who has no key cancels the run, and retries it.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import UNSET

from broker.errors import (
    CommandRefused,
    InvalidRequest,
    MalformedEvent,
    NotFound,
    Superseded,
    TooLarge,
)
from broker.gateway.commands.inputs import kept
from broker.hub.registry import Registry
from broker.metrics import Metrics
from broker.model.bounds import Bounds, fits
from broker.model.decode import decode, encode
from broker.model.events import Labels, PlanStep, RunQueued
from broker.model.ids import id_of
from broker.model.job import Job, encode_job
from broker.model.subjects import RunKey
from broker.stream.connection import Connection
from broker.stream.jobs import consumer_of
from broker.stream.live import LiveRuns
from broker.stream.publish import Message, publish
from broker.stream.topology import MAX_EVENT
from broker.stream.work_queue import places_of, queue

_BOUNDS: Final = Bounds()


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be run; `key` is the idempotency key of who asks."""

    pipeline: str
    run: str | None = None
    inputs: dict[str, Any] = {}
    name: str | None = None
    labels: Labels | None = None
    metadata: dict[str, Any] | None = None
    plan: list[PlanStep] | None = None
    by: str | None = None
    key: str | None = None


class Starting:
    """Puts new runs on the work queue."""

    def __init__(
        self,
        registry: Registry,
        runs: LiveRuns,
        writes: Connection,
        *,
        new_id: Callable[[], str],
        metrics: Metrics,
    ) -> None:
        self._registry = registry
        self._runs = runs
        self._writes = writes
        self._new_id = new_id
        self._metrics = metrics

    async def start(self, tenant: str, request: Request) -> str:
        """Queue a run; gives its id. The same key repeats nothing while the run's events are kept.

        Raises InvalidName and InvalidRequest for what a run cannot be, TooLarge, CommandRefused
        where the run exists, StreamUnavailable.
        """
        consumer_of(tenant, request.pipeline)  # refuses what no worker could ask for
        asked_as = request.key and id_of(
            "start", tenant, request.pipeline, request.run or "", request.key
        )
        run = request.run if request.run is not None else asked_as or self._new_id()
        key = RunKey.checked(tenant, run)
        job = Job(
            run=key.run,
            pipeline=request.pipeline,
            inputs=request.inputs,
            attempt=1,
            requested_by=request.by or UNSET,
        )
        announcement = self._announcement(request, asked_as or self._new_id())
        if len(encode_job(job)) > MAX_EVENT:
            raise TooLarge("the request", MAX_EVENT)
        repeated = not await self._announced(key, announcement, given_id=request.run is not None)
        if repeated and not await self._asked_before(key, announcement.id):
            raise CommandRefused(key.run, "it exists: give another id, or none")
        if not repeated or await self._waits_unqueued(key, job):
            await queue(self._writes, tenant, job)
        self._metrics.starts.labels("repeated" if repeated else "queued").inc()
        return key.run

    def _announcement(self, request: Request, id: str) -> RunQueued:
        """The run's first event. Raises InvalidRequest where a state would not hold all of it."""
        metadata = {**(request.metadata or {}), **kept(request.inputs)}
        if request.labels and len(request.labels) > _BOUNDS.labels:
            raise InvalidRequest(f"a run has at most {_BOUNDS.labels} labels")
        if not fits(metadata, _BOUNDS.metadata):
            raise InvalidRequest(
                f"metadata and inputs together are larger than {_BOUNDS.metadata} bytes: "
                "put what is large elsewhere, and give its address"
            )
        return RunQueued(
            id=id,
            pipeline=request.pipeline,
            name=request.name,
            labels=request.labels,
            metadata=metadata or None,
            plan=request.plan,
        )

    async def _announced(self, key: RunKey, event: RunQueued, *, given_id: bool) -> bool:
        """Store the first event of a run; False where the run has one, be it this."""
        payload = encode(event)
        try:
            decode(payload)
        except MalformedEvent as error:  # what a reader would refuse
            raise InvalidRequest(f"the body: {error}") from None
        if given_id and await self._exists(key):
            return False
        try:
            stored = await publish(
                self._writes, Message(key.subject, payload, event.id), expected_last=0
            )
        except Superseded:
            return False
        self._registry.known(key)
        return not stored.duplicate

    async def _exists(self, key: RunKey) -> bool:
        """Whether the run is known, if only by a checkpoint that has outlived its events."""
        try:
            await self._registry.hub(key)
        except NotFound:
            return False
        return True

    async def _asked_before(self, key: RunKey, id: str | None) -> bool:
        """Whether the run begins with the very event of this request."""
        async for page in self._runs.read(key, 0, 1):
            try:
                return decode(page[0].payload).id == id
            except MalformedEvent:
                return False
        return False

    async def _waits_unqueued(self, key: RunKey, job: Job) -> bool:
        """Whether a run that was announced before is still without its job."""
        self._registry.known(key)
        try:
            state = (await self._registry.hub(key)).state
        except NotFound:
            pass  # it was announced this moment, and nobody can have gone on with it
        else:
            if state.status != "queued" or state.attempt != job.attempt:
                return False
        places = await places_of(self._runs.reads, key.tenant, job.pipeline, job.run)
        return job.attempt not in places
