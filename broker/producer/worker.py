"""A worker: runs pipelines when somebody asks for it.

worker = Worker(concurrency=4)

@worker.pipeline("nightly-report")
async def report(run: Run, inputs: dict[str, Any]) -> dict[str, Any]:
    ...
    return {"rows": rows}

if __name__ == "__main__":
    sys.exit(worker.main())
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from broker.errors import StreamUnavailable
from broker.model.events import PlanStep
from broker.model.subjects import DEFAULT_TENANT
from broker.producer.client import Producer, url_of
from broker.producer.shift import Shift
from broker.producer.spool import log
from broker.producer.work import Handler, Pipeline, Planner, Terms
from broker.stream.connection import Connection
from broker.stream.jobs import consumer_of

H = TypeVar("H", bound=Handler)

RETRY: Final = 2.0
"""Seconds between two tries to reach NATS."""


class Worker:
    """Takes start requests of its pipelines, and runs each as a run.

    A request is taken when one of `concurrency` places is free. It is settled when the end of its
    run is stored: what the handler returns are the outputs, an exception fails the run, and
    neither is tried again by itself. A worker that dies gives its requests to others `ack_wait`
    seconds later, as a new attempt; after `max_deliveries` the run has failed.

    Each attempt begins once at most. Two attempts of a run are at work at the same time only where
    the first worker was not heard for `ack_wait` or its run was lost and retried, and until it
    hears of the other.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        concurrency: int = 4,
        tenant: str = DEFAULT_TENANT,
        name: str | None = None,
        grace: float = 25.0,
        ack_wait: float = 30.0,
        heartbeat_interval: float | None = 10.0,
        max_deliveries: int = 20,
        nats_options: Mapping[str, Any] | None = None,
    ) -> None:
        if concurrency < 1 or ack_wait <= 0 or max_deliveries < 1:
            raise ValueError("concurrency, ack_wait and max_deliveries must be positive")
        self._url = url_of(url)
        self._options = dict(nats_options or {})
        self._terms = Terms(
            tenant=tenant,
            name=name or f"{socket.gethostname()}:{os.getpid()}",
            concurrency=concurrency,
            grace=grace,
            ack_wait=ack_wait,
            heartbeat_interval=heartbeat_interval,
            max_deliveries=max_deliveries,
        )
        self._pipelines: dict[str, Pipeline] = {}
        self._stop = asyncio.Event()

    def pipeline(
        self,
        name: str,
        *,
        plan: Sequence[str | PlanStep] | Planner | None = None,
        cancellable: bool | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Callable[[H], H]:
        """Have a function run for each request for a pipeline.

        It gets the run, already started, and the inputs. One that is not asynchronous runs in a
        thread: it is not interrupted when somebody cancels, but stops at
        `run.checkpoint_in_thread()`, or when it looks at `run.cancelled`. The `plan` may be a
        function of the inputs, which runs in a thread; where it raises, the run starts without a
        plan. `metadata` is that of every run. Raises InvalidName.
        """
        consumer_of(self._terms.tenant, name)
        if name in self._pipelines:
            raise ValueError(f"pipeline {name!r} has a function already")

        def register(handler: H) -> H:
            self._pipelines[name] = Pipeline(
                name=name,
                handler=handler,
                plan=plan if plan is None or callable(plan) else list(plan),
                cancellable=cancellable,
                metadata=metadata,
            )
            return handler

        return register

    async def run(self) -> None:
        """Work until `stop`; when cancelled, give what runs to other workers at once."""
        if not self._pipelines:
            raise ValueError("the worker has no pipeline: decorate a function with @pipeline(name)")
        options, terms = self._options, self._terms
        async with Producer.connect(
            self._url, tenant=terms.tenant, name=f"worker {terms.name}", nats_options=options
        ) as producer:
            while not self._stop.is_set():
                try:
                    async with Connection.connect(
                        self._url, name=f"worker {terms.name}, requests", **options
                    ) as connection:
                        await Shift(producer, connection, self._pipelines, terms, self._stop).run()
                except StreamUnavailable as error:
                    log.info("the worker waits for NATS: %s", error)
                with suppress(TimeoutError):
                    async with asyncio.timeout(RETRY):
                        await self._stop.wait()

    def stop(self) -> None:
        """Take no more; what runs has `grace` seconds, and is given to other workers after that."""
        self._stop.set()

    def main(self) -> int:
        """Work until SIGINT or SIGTERM, which mean `stop`, and the second time at once; gives 0."""
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
        with suppress(asyncio.CancelledError):
            asyncio.run(self._run_until_told())
        return 0

    async def _run_until_told(self) -> None:
        task = asyncio.current_task()
        assert task is not None

        def told() -> None:
            if self._stop.is_set():
                task.cancel()
            else:
                log.info("the worker stops: what runs has %g seconds", self._terms.grace)
                self.stop()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, told)
        pipelines = ", ".join(self._pipelines)
        log.info("%s works on %s", self._terms.name, pipelines)
        await self.run()
