"""A generator of execution events is a run, and goes on when whoever watches it leaves."""

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from broker.errors import FellBehind
from broker.model import events as e
from broker.producer import Producer
from broker.producer.adapters.graphs import Executions
from tests.producer.conftest import Nats, eventually
from tests.producer.test_commands import ends, give

Warnings = Callable[[], list[str]]
Event = dict[str, Any]

NODES = ("read", "count")
KINDS = ["start", "node_start", "node_complete", "node_start", "node_complete", "complete"]
WHOLE = [
    "run.started",
    *[f"step.{what} {node}" for node in NODES for what in ("started", "completed")],
    "run.completed",
]


class Service:
    """Executes a graph as the systems in the field do: a generator that yields what happens."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        """What the second node waits for."""
        self.closed = False

    async def stream(self) -> AsyncGenerator[Event, None]:
        try:
            yield {"type": "start", "total_nodes": 2, "graph_id": "g-1"}
            for node in NODES:
                yield {"type": "node_start", "node_id": node, "node_name": node.title()}
                if node == "count":
                    await self.gate.wait()
                yield {"type": "node_complete", "node_id": node, "result": [1], "duration": 0.5}
            yield {"type": "complete", "result": {"words": 3}}
        finally:
            self.closed = True


@asynccontextmanager
async def executions(url: str, **how: Any) -> AsyncIterator[Executions]:
    async with Producer.connect(url) as producer, Executions(producer, **how) as made:
        yield made
    # Both wait: what was executed has ended, and what was reported is stored.


async def kinds(told: AsyncIterator[Event]) -> list[str]:
    return [event["type"] async for event in told]


async def test_who_watches_sees_what_the_generator_yields_and_so_does_the_broker(
    nats: Nats,
) -> None:
    service = Service()
    service.gate.set()
    async with executions(nats.url) as made:
        assert KINDS == await kinds(made.executed("r1", service.stream()))
    assert WHOLE == await nats.tags("r1")
    started, read, done, *_, end = await nats.events("r1")
    assert isinstance(started, e.RunStarted)
    assert ("graphs", 2, {"graph_id": "g-1"}) == (
        started.pipeline,
        started.total_steps,
        started.labels,
    )
    assert isinstance(read, e.StepStarted)
    assert "Read" == read.name
    assert isinstance(done, e.StepCompleted)
    assert ({"result": [1]}, 0.5) == (done.outputs, done.duration)
    assert isinstance(end, e.RunCompleted)
    assert {"words": 3} == end.outputs


async def test_the_run_goes_on_when_whoever_watches_it_leaves(nats: Nats) -> None:
    """By leaving the loop, by being cancelled, or by never coming."""
    services = [Service() for _ in range(3)]
    async with executions(nats.url) as made:
        async for event in made.executed("r1", services[0].stream()):
            if event["type"] == "node_complete":
                break
        watching = asyncio.create_task(kinds(made.executed("r2", services[1].stream())))
        await eventually(lambda: _has(nats, "r2", "step.started count"))
        watching.cancel()
        made.executed("r3", services[2].stream())
        gc.collect()
        for service in services:
            service.gate.set()
    for run in ("r1", "r2", "r3"):
        assert WHOLE == await nats.tags(run)
    assert all(service.closed for service in services)


async def test_closing_waits_for_what_runs(nats: Nats) -> None:
    service = Service()
    async with Producer.connect(nats.url) as producer:
        made = await Executions(producer).__aenter__()
        made.executed("r1", service.stream())
        closing = asyncio.create_task(made.__aexit__(None, None, None))
        await eventually(lambda: _has(nats, "r1", "step.started count"))
        assert not closing.done()
        service.gate.set()
        await closing
    assert WHOLE == await nats.tags("r1")


async def test_a_node_that_failed_is_tried_again_and_the_others_go_on(nats: Nats) -> None:
    """Events may be objects, too."""

    async def stream() -> AsyncGenerator[Any, None]:
        for node, error in (("read", "no disk"), ("read", None), ("count", "no words")):
            yield SimpleNamespace(type="node_start", node_id=node, node_name=None)
            kind = "error" if error else "node_complete"
            yield SimpleNamespace(type=kind, node_id=node, error=error, duration=1.5)
        yield SimpleNamespace(type="complete", result="done")

    async with executions(nats.url) as made:
        assert 7 == len([event async for event in made.executed("r1", stream())])
    assert [
        "run.started",
        "step.started read",
        "step.failed read",
        "step.retrying read",
        "step.started read",
        "step.completed read",
        "step.started count",
        "step.failed count",
        "run.completed",
    ] == await nats.tags("r1")
    failed = (await nats.events("r1"))[2]
    assert isinstance(failed, e.StepFailed)
    assert ("no disk", 1.5) == (failed.error.message, failed.duration)


@pytest.mark.parametrize("yielded", [0, 1, 3])
async def test_what_the_generator_raises_fails_the_run_and_is_raised_to_who_watches(
    nats: Nats, yielded: int
) -> None:
    async def stream() -> AsyncGenerator[Event, None]:
        for number in range(yielded):
            yield {"type": "node_start", "node_id": f"node {number}"}
        raise RuntimeError("no graph")

    async with executions(nats.url) as made:
        told = made.executed("r1", stream())
        for _ in range(yielded):
            assert "node_start" == (await anext(told))["type"]
        with pytest.raises(RuntimeError, match="no graph"):
            await anext(told)
        made.executed("r2", stream())  # that nobody watches it harms nobody
    for run in ("r1", "r2"):
        failed = (await nats.events(run))[-1]
        assert isinstance(failed, e.RunFailed)
        assert ("RuntimeError", "no graph") == (failed.error.type, failed.error.message)


@pytest.mark.parametrize(
    ("events", "end"),
    [
        ([], e.RunCompleted),
        ([{"type": "start"}], e.RunCompleted),
        ([{"type": "error", "error": "no graph"}], e.RunFailed),
        ([{"type": "error", "error": "no graph"}, {"type": "complete"}], e.RunFailed),
    ],
)
async def test_a_generator_that_ends_ends_its_run(
    nats: Nats, events: list[Event], end: type[e.Event]
) -> None:
    async def stream() -> AsyncGenerator[Event, None]:
        for event in events:
            yield event

    async with executions(nats.url) as made:
        assert len(events) == len(await kinds(made.executed("r1", stream())))
    found = await nats.events("r1")
    assert [e.RunStarted, end] == [type(event) for event in found]


async def test_what_makes_no_sense_is_left_out_with_a_warning(
    nats: Nats, warnings: Warnings
) -> None:
    class Broken:
        @property
        def type(self) -> str:
            raise OSError("no type")

    odd: list[Any] = [
        Broken(),
        None,
        3,
        {},
        {"type": "progress"},
        {"type": "node_start"},
        {"type": "error"},
    ]

    async def stream() -> AsyncGenerator[Any, None]:
        for event in odd:
            yield event
        yield {"type": "node_complete", "node_id": "read", "result": object()}

    async with executions(nats.url) as made:
        assert [*odd] == [event async for event in made.executed("r1", stream())][:-1]
    assert ["run.started", "step.completed read", "run.completed"] == await nats.tags("r1")
    assert any("execution.report is not reported" in text for text in warnings())
    assert any("outputs" in text for text in warnings())


async def test_when_a_person_cancels_the_run_the_generator_is_cancelled(nats: Nats) -> None:
    service = Service()
    async with executions(nats.url) as made:
        told = made.executed("r1", service.stream())
        await eventually(lambda: _has(nats, "r1", "step.started count"))
        await give(nats, "r1", "cancel", by="ann")
        assert KINDS[:4] == await kinds(told)
        assert service.closed
    assert ["step.cancelled count", "run.cancelled"] == (await nats.tags("r1"))[-2:]
    assert [{"is": e.RunCancelled, "by": "ann", "reason": None}] == await ends(nats, "r1")


async def test_who_takes_too_few_events_is_told_and_the_run_goes_on(nats: Nats) -> None:
    service = Service()
    service.gate.set()
    async with executions(nats.url, most_waiting=3) as made:
        told = made.executed("r1", service.stream())
        await eventually(lambda: _has(nats, "r1", "run.completed"))
        with pytest.raises(FellBehind, match="more than 3 events of run 'r1'"):
            await anext(told)
    assert WHOLE == await nats.tags("r1")


async def test_who_keeps_up_gets_every_event_of_a_generator_that_never_waits(nats: Nats) -> None:
    async def stream() -> AsyncGenerator[Event, None]:
        for number in range(500):
            yield {"type": "node_complete", "node_id": f"node {number}"}

    async with executions(nats.url, most_waiting=3) as made:
        assert 500 == len(await kinds(made.executed("r1", stream())))


async def test_while_nats_is_away_nothing_waits_for_it(tmp_path: Path) -> None:
    service = Service()
    service.gate.set()
    nowhere = "nats://127.0.0.1:1"
    async with (
        asyncio.timeout(5),
        Producer.connect(nowhere, close_timeout=0.1) as producer,
        Executions(producer) as made,
    ):
        assert KINDS == await kinds(made.executed("r1", service.stream()))


async def test_an_application_that_stops_cancels_what_runs(nats: Nats) -> None:
    service = Service()

    async def serve() -> None:
        async with executions(nats.url) as made:
            made.executed("r1", service.stream())
            await asyncio.Event().wait()

    serving = asyncio.create_task(serve())
    await eventually(lambda: _has(nats, "r1", "step.started count"))
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert service.closed
    assert ["step.cancelled count", "run.cancelled"] == (await nats.tags("r1"))[-2:]


async def test_what_the_application_raises_is_not_wrapped() -> None:
    async with Producer.connect("nats://127.0.0.1:1", close_timeout=0.1) as producer:
        with pytest.raises(ValueError, match="mine"):
            async with Executions(producer):
                raise ValueError("mine")


async def _has(nats: Nats, run: str, tag: str) -> bool:
    return tag in await nats.tags(run)
