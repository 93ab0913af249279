"""Generators of execution events, run so that a run goes on when whoever watches it leaves.

async with Executions(producer) as executions:  # as long as the application
    ...
    async for event in executions.executed(run_id, stream_full_graph_execution(graph, state)):
        yield f"data: {event.model_dump_json()}\n\n"  # as before
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from broker.dialects.graphs import plan_of, report_of
from broker.model.graph import GRAPH_LABEL, outputs_of
from broker.producer.adapters.seat import Seat
from broker.producer.block import STOPS
from broker.producer.channel import quiet
from broker.producer.client import Producer
from broker.producer.run import Run
from broker.producer.step import Step

__all__ = ["PIPELINE", "Execution", "Executions"]

PIPELINE: Final = "graphs"

E = TypeVar("E")


class Execution:
    """Reports events of an execution as the progress of a run; it neither waits nor raises.

    An event is a mapping, or an object with these attributes: `type` (start, node_start,
    node_complete, complete, error), `node_id`, `node_name`, `duration`, `result`, `error`. One that
    makes no sense is left out, with a warning.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._channel = run._channel
        self._steps: dict[str, Step] = {}
        self._under_way: set[str] = set()
        self._failed: set[str] = set()

    @quiet
    def report(self, event: object) -> None:
        """Report an event."""
        report = report_of(event)
        node = report.node_id
        match report.type:
            case "start":
                pass  # the run has started, with what this event said
            case "complete":
                self.run.complete(outputs_of(report.result))
            case "node_start" if node is not None:
                self._start(node, report.node_name)
            case _ if node is None:
                self.run.fail(report.error or "failed")
            case _ if report.error is not None:
                self._step(node, report.node_name).fail(report.error, duration=report.duration)
                self._under_way.discard(node)
                self._failed.add(node)
            case _:
                step = self._step(node, report.node_name)
                step.complete(outputs_of(report.result), duration=report.duration)
                self._under_way.discard(node)

    def stop(self) -> None:
        """The execution was stopped, and with it the nodes under way."""
        for node in self._under_way:
            self._steps[node].cancel()

    def _start(self, node: str, name: str | None) -> None:
        step = self._step(node, name)
        if node in self._failed:
            self._failed.remove(node)
            step.retrying()
        self._under_way.add(node)
        step.start()

    def _step(self, node: str, name: str | None) -> Step:
        step = self._steps.get(node)
        if step is None:
            step = self._steps[node] = self.run.step(node, name)
        return step


class Executions:
    """Executes generators, each as a run, in tasks of its own. Closing waits for what runs."""

    def __init__(self, producer: Producer, *, most_waiting: int = 1024) -> None:
        self._producer = producer
        self._most_waiting = most_waiting
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._tasks.__aexit__(kind, error, trace)
        except BaseExceptionGroup:
            if error is None:
                raise
            # It holds what the block raised, which goes on as it is.

    def executed(
        self,
        run_id: str,
        generator: AsyncGenerator[E, Any],
        *,
        graph_id: str | None = None,
        attempt: int | None = None,
        heartbeat_interval: float | None = 10.0,
    ) -> AsyncIterator[E]:
        """Begin an execution; gives its events, which need not be taken.

        The generator is run to its end, whoever watches. What it raises fails the run, and is
        raised to who watches; who takes too few of its events is told by FellBehind. When a person
        cancels the run, the generator is cancelled, and its events end.
        """
        seat: Seat[E] = Seat(run_id, self._most_waiting)
        announced = {"attempt": attempt, "heartbeat_interval": heartbeat_interval}
        self._tasks.create_task(
            self._drain(seat, run_id, generator, graph_id, announced), name=f"execution {run_id}"
        )
        return seat.events()

    async def _drain(
        self,
        seat: Seat[E],
        run_id: str,
        generator: AsyncGenerator[E, Any],
        graph_id: str | None,
        announced: dict[str, Any],
    ) -> None:
        """Run the generator to its end."""
        problem: Exception | None = None
        try:
            async with aclosing(generator):
                first, early = await _first(generator)
                run = self._run(run_id, first, graph_id, announced)
                async with run:
                    if early is not None:
                        raise early
                    await self._report(Execution(run), first, generator, seat)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise  # the application stops; else a person cancelled the run
        except Exception as error:  # told to who watches; the run has failed with it
            problem = error
        finally:
            seat.end(problem)

    async def _report(
        self,
        execution: Execution,
        first: list[E],
        generator: AsyncGenerator[E, Any],
        seat: Seat[E],
    ) -> None:
        try:
            for event in first:
                execution.report(event)
                seat.offer(event)
            async for event in generator:
                execution.report(event)
                seat.offer(event)
                await asyncio.sleep(0)  # a turn for who watches, if the generator gives none
        except STOPS:
            execution.stop()
            raise

    def _run(
        self, run_id: str, first: list[E], graph_id: str | None, announced: dict[str, Any]
    ) -> Run:
        """The run, announced with what its first event says of it."""
        try:
            said = report_of(first[0]) if first else None
        except Exception:  # it is reported as any other event, and warned of there
            said = None
        plan, total = (None, None) if said is None else (plan_of(said), said.total_nodes)
        graph = graph_id or (None if said is None else said.graph_id)
        return self._producer.run(
            PIPELINE,
            run_id,
            plan=plan,
            total_steps=total,
            labels=None if graph is None else {GRAPH_LABEL: graph},
            **announced,
        )


async def _first(generator: AsyncGenerator[E, Any]) -> tuple[list[E], Exception | None]:
    """The first event, if there is one, or what was raised in its place."""
    try:
        return [await anext(generator)], None
    except StopAsyncIteration:
        return [], None
    except Exception as error:  # raised within the run, so that it fails with it
        return [], error
