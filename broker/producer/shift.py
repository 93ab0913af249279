"""A worker at work: takes as many start requests as it has places, and keeps them alive."""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import ceil
from typing import Final

from broker.errors import StreamUnavailable
from broker.producer.client import Producer
from broker.producer.spool import log
from broker.producer.work import Means, Pipeline, Terms, Work
from broker.stream.connection import Connection
from broker.stream.jobs import Jobs

PAUSES: Final = (0.02, 0.1, 0.5)
"""Seconds until a worker looks again: a request may be heard of before it is stored."""

POLL: Final = 5.0
"""Seconds between two looks when nothing is heard."""


class Shift:
    """From the first request to the last; `run` is called once."""

    def __init__(
        self,
        producer: Producer,
        connection: Connection,
        pipelines: Mapping[str, Pipeline],
        terms: Terms,
        stop: asyncio.Event,
    ) -> None:
        self._connection = connection
        self._pipelines = list(pipelines.values())
        self._terms = terms
        self._stop = stop
        self._woken = asyncio.Event()
        self._jobs = Jobs(connection, terms.tenant, ack_wait=terms.ack_wait, rung=self._woken.set)
        self._threads = ThreadPoolExecutor(terms.concurrency, "pipeline")
        self._means = Means(producer, connection, self._jobs, self._threads, terms)
        self._works: dict[asyncio.Task[None], Work] = {}
        self._troubled = False

    async def run(self) -> None:
        """Work until told to stop, and let what runs end in the time that is given.

        When cancelled, give everything back at once; also when the connection is over for good.
        """
        self._connection.on_reconnect(self._returned)
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self._keep_forever())
                try:
                    await self._take_until_stopped(group)
                    await self._ended(self._terms.grace)
                finally:
                    for work in self._works.values():
                        work.give_back()
                    await self._ended(None)
                    await self._jobs.close()
                    keeping.cancel()
        finally:
            self._threads.shutdown(wait=False)

    async def _take_until_stopped(self, group: asyncio.TaskGroup) -> None:
        stopping = group.create_task(self._wake_when_stopped())
        poll = min(POLL, self._terms.ack_wait / 2)
        quiet = 0
        while not (self._stop.is_set() or self._connection.closed):
            if self._woken.is_set():
                self._woken.clear()
                quiet = 0
            if await self._take(group):
                quiet = 0
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSES[quiet] if quiet < len(PAUSES) else poll):
                    await self._woken.wait()
            quiet += 1
        stopping.cancel()

    async def _wake_when_stopped(self) -> None:
        await self._stop.wait()
        self._woken.set()

    async def _take(self, group: asyncio.TaskGroup) -> int:
        """Take as many requests as can be worked on; gives how many."""
        taken = 0
        self._pipelines.append(self._pipelines.pop(0))  # each is the first in its turn
        try:
            for number, pipeline in enumerate(self._pipelines):
                free = self._terms.concurrency - len(self._works)
                if not free or not self._connection.connected or self._stop.is_set():
                    break
                share = ceil(free / (len(self._pipelines) - number))
                for job in await self._jobs.take(pipeline.name, share):
                    work = Work(self._means, job, pipeline)
                    task = group.create_task(work.run())
                    self._works[task] = work
                    task.add_done_callback(self._settled)
                    taken += 1
                self._troubled = False
        except StreamUnavailable as error:
            if not self._troubled:
                self._troubled = True
                log.warning("no start request can be taken, it is tried again: %s", error)
        return taken

    def _settled(self, task: "asyncio.Task[None]") -> None:
        del self._works[task]
        self._woken.set()

    async def _keep_forever(self) -> None:
        """Say of every request that it is worked on, in good time."""
        kept = time.monotonic()
        while True:
            await asyncio.sleep(self._terms.ack_wait / 3)
            if time.monotonic() - kept > self._terms.ack_wait:
                self._doubt()
            if not self._connection.connected:
                continue
            with suppress(TimeoutError):  # reading must not outlast what is kept
                async with asyncio.timeout(self._terms.ack_wait / 3):
                    for work in list(self._works.values()):
                        if work.unsure:
                            await work.look_after()
            with suppress(StreamUnavailable):
                await self._jobs.keep(w.job for w in self._works.values() if not w.overtaken)
                kept = time.monotonic()

    def _returned(self) -> None:
        self._doubt()
        self._woken.set()

    def _doubt(self) -> None:
        """Others may have been given what is worked on here."""
        for work in self._works.values():
            work.unsure = True

    async def _ended(self, seconds: float | None) -> None:
        """Wait until nothing is worked on, for some time."""
        if self._works:
            await asyncio.wait(list(self._works), timeout=seconds)
