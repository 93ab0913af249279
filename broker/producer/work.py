"""One start request at a worker: from the moment it was taken until it is settled."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from inspect import iscoroutinefunction
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from broker.errors import InvalidRequest, StreamUnavailable
from broker.model.events import PlanStep
from broker.model.subjects import RunKey
from broker.producer.claim import begun, past_of
from broker.producer.client import Producer
from broker.producer.jobs import Cancel, Leave, Start, judge, read_request
from broker.producer.outbox import Entry
from broker.producer.run import Run
from broker.producer.spool import log
from broker.stream.connection import Connection
from broker.stream.jobs import Jobs, Taken

Outputs: TypeAlias = Mapping[str, Any] | None
Handler: TypeAlias = Callable[[Run, dict[str, Any]], Awaitable[Outputs] | Outputs]
Planner: TypeAlias = Callable[[dict[str, Any]], Sequence[str | PlanStep]]

Settle: TypeAlias = Callable[[Taken], Awaitable[None]]

LAST_WORDS: Final = 2.0
"""Seconds that are given to the events of a run before its request is given back."""

_NOT_FROM_A_THREAD: Final = (StopIteration, SystemExit, KeyboardInterrupt)
"""No future can hold the first, so that whoever awaits it would wait for ever; the others would end
the worker, and then the next one that gets the request."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker works. Times are seconds."""

    tenant: str
    name: str
    concurrency: int
    grace: float
    ack_wait: float
    heartbeat_interval: float | None
    max_deliveries: int


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """What is run for a request."""

    name: str
    handler: Handler
    plan: Sequence[str | PlanStep] | Planner | None = None
    cancellable: bool | None = None
    metadata: Mapping[str, Any] | None = None

    @property
    def in_thread(self) -> bool:
        """Whether the handler would block the loop."""
        return not (
            iscoroutinefunction(self.handler)
            or iscoroutinefunction(getattr(self.handler, "__call__", None))  # noqa: B004
        )


class Means(NamedTuple):
    """What every work of a worker shares."""

    producer: Producer
    connection: Connection
    jobs: Jobs
    threads: Executor
    terms: Terms


class Work:
    """A request that is worked on; `run` is called once, and raises only when it is cancelled."""

    def __init__(self, means: Means, job: Taken, pipeline: Pipeline) -> None:
        self.job = job
        self.overtaken = False
        """Whether another worker has begun this attempt or a later one: the request is theirs."""
        self.unsure = False
        """Whether that may have happened unheard, since NATS could not be reached."""
        self._means = means
        self._pipeline = pipeline
        self._task: asyncio.Task[Any] | None = None
        self._key: RunKey | None = None
        self._attempt = 0
        self._run: Run | None = None
        self._given_back = False

    async def run(self) -> None:
        """Do what is asked for, and settle the request."""
        self._task = asyncio.current_task()
        settle: Settle = self._means.jobs.give_back
        try:
            settle = await self._carry_out()
        except asyncio.CancelledError:
            if not self._given_back:
                raise
        except Exception as error:  # ours, not the pipeline's: it must not end the other runs
            log.warning("a start request of %s goes back", self._pipeline.name, exc_info=error)
            self._given_back = True
        finally:
            if self._given_back:
                settle = self._means.jobs.give_back
            if not self.overtaken:
                with suppress(StreamUnavailable):  # then it comes again, and is found to be done
                    await settle(self.job)

    def give_back(self) -> None:
        """Stop, and let another worker go on."""
        self._given_back = True
        if self._run is not None:
            self._run.hand_over(self._attempt + 1, "the worker stops, another goes on with it")
        elif self._task is not None:
            self._task.cancel()

    async def look_after(self) -> None:
        """Stop where the request was given to another worker, since this one seemed to be dead."""
        if self._key is not None:
            past = await past_of(self._means.connection, self._key)
            self.unsure = False
            if past.attempt > self._attempt:
                self._heed_another()

    def _heed_another(self) -> None:
        if self.overtaken or self._key is None:
            return
        self.overtaken = True
        log.warning("run %s goes on at another worker, and stops here", self._key.run)
        if self._run is not None:
            self._run.hand_over(None, "another worker goes on with it")

    async def _carry_out(self) -> Settle:
        """Do what is asked for; gives how to settle the request."""
        producer, connection, jobs, _, terms = self._means
        pipeline, deliveries = self._pipeline, self.job.deliveries
        try:
            request, self._key = read_request(self.job.payload, terms.tenant, pipeline.name)
        except InvalidRequest as error:
            log.warning("%s: it is removed", error)
            return jobs.refuse
        self._attempt = request.attempt + deliveries - 1
        inputs, given_up = request.inputs or {}, deliveries > terms.max_deliveries
        run: Run | None = None
        beginning: Entry | None = None
        while True:
            past = await past_of(connection, self._key)
            own = None if beginning is None else beginning.id
            verdict = judge(past, request.attempt, self._attempt, own)
            if isinstance(verdict, Leave):
                log.info("run %s of %s is left: %s", request.run, pipeline.name, verdict.reason)
                self.overtaken |= verdict.held
                return jobs.done
            if run is None:
                begins = isinstance(verdict, Start) and not given_up
                run = producer.run(
                    pipeline.name,
                    request.run,
                    attempt=self._attempt,
                    plan=await self._plan(inputs) if begins else None,
                    cancellable=pipeline.cancellable,
                    metadata=pipeline.metadata,
                    heartbeat_interval=terms.heartbeat_interval,
                    worker=terms.name,
                    on_cancel="ignore" if pipeline.in_thread else "raise",
                )
                run.on_overtaken(self._heed_another)
                beginning = run.announcement()
            if isinstance(verdict, Cancel):
                run.cancel_by(verdict.command)
            elif given_up:
                run.fail(f"given up: {deliveries - 1} workers did not finish it", "infrastructure")
            elif await begun(connection, run, beginning, past):
                await self._attempt_it(run, inputs)
            else:
                continue
            break
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS if self._given_back else None):
                await producer.flush()
        if (self.unsure or not connection.connected) and not self._given_back:
            await self.look_after()
        return jobs.done

    async def _attempt_it(self, run: Run, inputs: dict[str, Any]) -> None:
        """Run the pipeline; its end is reported, and not raised."""
        self._run = run
        try:
            async with run:
                outputs = await self._call(run, inputs)
                run.outputs = run.outputs if outputs is None else outputs
        except asyncio.CancelledError:
            if self._task is not None and self._task.cancelling():
                raise
        except Exception as error:
            log.warning("run %s of %s failed", run.id, self._pipeline.name, exc_info=error)
        finally:
            self._run = None

    async def _plan(self, inputs: dict[str, Any]) -> Sequence[str | PlanStep] | None:
        """The steps to come, as far as they are known; a plan that cannot be made ends nothing."""
        plan = self._pipeline.plan
        if not callable(plan):
            return plan
        try:
            planned: Sequence[str | PlanStep] = await self._in_thread(plan, inputs)
        except Exception as error:
            log.warning("no plan of %s: %s", self._pipeline.name, error)
            return None
        return planned

    async def _call(self, run: Run, inputs: dict[str, Any]) -> Any:
        handler = self._pipeline.handler
        if not self._pipeline.in_thread:
            returned = handler(run, inputs)
            assert isinstance(returned, Awaitable)
            return await returned
        return await self._in_thread(handler, run, inputs)

    async def _in_thread(self, function: Callable[..., Any], *given: Any) -> Any:
        call = functools.partial(contextvars.copy_context().run, _called, function, *given)
        return await asyncio.get_running_loop().run_in_executor(self._means.threads, call)


def _called(function: Callable[..., Any], *given: Any) -> Any:
    try:
        return function(*given)
    except _NOT_FROM_A_THREAD as error:
        raise RuntimeError(f"{type(error).__name__}: {error}".removesuffix(": ")) from error
