"""Who asks for runs, who works on them, and who speaks the dialect of another system.

What they were promised is noted: a request that was answered with 202 becomes a run that begins,
and a message that DIALECTS has acknowledged becomes its event.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from broker.errors import StreamUnavailable
from broker.producer import Run, Worker
from broker.stream.connection import Connection
from broker.stream.publish import Message, publish
from tests.sse import ask

ASKING, SPEAKING, WORKING = 1, 2, 2
"""How many do each."""
ACK_WAIT = 20.0
"""Seconds after which a request goes to another worker: the worst fault takes less."""
PIPELINE = "asked-for"
STEPS = 4


@dataclass
class Promises:
    """What was acknowledged, and what was done for it."""

    asked: set[str] = field(default_factory=set)
    """The runs that were asked for, with 202."""
    begun: Counter[str] = field(default_factory=Counter)
    """How often a worker's function was called for a run."""
    said: dict[str, list[str]] = field(default_factory=dict)
    """Of the runs of a dialect the events that stand for what was acknowledged, in order."""


class Queues:
    """The actors of JOBS and DIALECTS."""

    def __init__(self, nats_url: str, urls: list[str], over: asyncio.Event) -> None:
        self.promises = Promises()
        self.faults: list[str] = []
        self._nats_url = nats_url
        self._urls = urls
        self._over = over

    async def asking(self, number: int) -> None:
        """Ask for one run after another: the same again until it is promised, by any gateway."""
        at, count = 0, 0
        while not self._over.is_set():
            count += 1
            run = f"job{number}-{count}"
            body = json.dumps({"run": run, "inputs": {"count": count}}).encode()
            while True:
                status = await self._asked(self._urls[at % len(self._urls)], run, body)
                if status == 202:
                    break
                if status not in (0, 503):
                    self.faults.append(f"POST for {run}: {status}")
                    return
                at += 1
                await asyncio.sleep(0.3)  # as `Retry-After` asks for, but sooner
            self.promises.asked.add(run)
            await self._pause(0.5)

    async def _asked(self, url: str, run: str, body: bytes) -> int:
        """The status of the answer; 0 without one."""
        target = f"/v1/pipelines/{PIPELINE}/runs"
        headers = {"Idempotency-Key": run, "Content-Type": "application/json"}
        try:
            return (await ask(url, target, method="POST", headers=headers, body=body)).status
        except (OSError, EOFError, TimeoutError):
            return 0

    async def working(self, number: int, settled: Callable[[], Awaitable[object]]) -> None:
        """Work on what is asked for, until it is over and everything is settled."""
        worker = Worker(
            self._nats_url,
            name=f"worker-{number}",
            concurrency=3,
            ack_wait=ACK_WAIT,
            heartbeat_interval=None,
        )

        @worker.pipeline(PIPELINE)
        async def work(run: Run, inputs: dict[str, Any]) -> dict[str, Any]:
            self.promises.begun[run.id] += 1
            async with run.step("work") as step:
                for n in range(4):
                    step.progress(n + 1, 4)
                    await self._pause(0.25)
            return {"count": inputs["count"]}

        async with asyncio.TaskGroup() as group:
            running = group.create_task(worker.run())
            await self._over.wait()
            await settled()
            worker.stop()
            await running

    async def speaking(self, number: int) -> None:
        """One execution after another, each message until it is acknowledged."""
        async with Connection.connect(self._nats_url, name="dialect", forever=True) as connection:
            count = 0
            while not self._over.is_set():
                count += 1
                run = f"said{number}-{count}"
                said = self.promises.said[run] = []
                for type_, data, event in _execution():
                    message = {"type": type_, "execution_id": run, "data": data}
                    await self._say(connection, run, f"{run} {len(said)}", message)
                    said.append(event)
                    await self._pause(0.2)

    async def _say(self, connection: Connection, run: str, unique: str, message: object) -> None:
        stored = Message(f"dialect.workflows.default.{run}", msgspec.json.encode(message), unique)
        while True:
            try:
                await publish(connection, stored)
                return
            except StreamUnavailable:
                await asyncio.sleep(0.2)  # nothing tells when there is a leader again

    async def _pause(self, seconds: float) -> None:
        """Wait a while; towards the end one hurries."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()


def _execution() -> list[tuple[str, dict[str, Any], str]]:
    """The messages of an execution, each with the event that it stands for."""
    told: list[tuple[str, dict[str, Any], str]] = [("execution_started", {}, "run.started")]
    for number in range(1, STEPS + 1):
        of_step = {"step_number": number}
        told.append(("step_started", of_step, f"step.started step-{number}"))
        told.append(("step_completed", of_step, f"step.completed step-{number}"))
    return [*told, ("execution_completed", {}, "run.completed")]
