"""The streaming manager of a workflow orchestrator: its code goes on, whatever happens to it."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from broker.model import events as e
from broker.producer.adapters import workflows
from broker.producer.adapters.workflows import StreamEvent, StreamingManager, get_streaming_manager
from tests.producer.conftest import Link, Nats, eventually

Warnings = Callable[[], list[str]]

NOWHERE = "nats://127.0.0.1:1"


class Orchestrator:
    """Executes steps one after another, and says so as the orchestrators in the field do."""

    def __init__(self, manager: StreamingManager, execution_id: str) -> None:
        self._manager = manager
        self._execution_id = execution_id

    def say(self, kind: str, **data: Any) -> None:
        event = StreamEvent(type=kind, execution_id=self._execution_id, data=data)
        self._manager.emit(self._execution_id, event)

    def begin(self, steps: int) -> None:
        self.say("execution_started", deliverable_type="report", total_steps=steps)

    def step(self, number: int, status: str = "completed") -> None:
        named = {"step_number": number, "step_name": f"Step {number}"}
        self.say("step_started", **named, function=f"do_{number}")
        kind = "step_completed" if status == "completed" else "step_failed"
        self.say(kind, **named, status=status, execution_time_ms=1.5, error_message=None)

    def end(self) -> None:
        self.say("execution_completed", status="completed", risk_score=0.5, progress=100)

    def execute(self, steps: int) -> None:
        self.begin(steps)
        for number in range(1, steps + 1):
            self.step(number)
        self.end()


@pytest.fixture
def manager(nats: Nats) -> Iterator[StreamingManager]:
    made = StreamingManager(nats.url)
    yield made
    made.close()


async def stored(manager: StreamingManager) -> None:
    """Wait until everything emitted is stored."""
    assert await asyncio.to_thread(manager.flush, 10)


WHOLE = [
    "run.started",
    *[f"step.{what} step-{n}" for n in (1, 2, 3) for what in ("started", "completed")],
    "run.annotated",
    "run.completed",
]


async def test_an_execution_is_stored_as_it_happens(nats: Nats, manager: StreamingManager) -> None:
    Orchestrator(manager, "x 1").execute(3)
    await stored(manager)
    assert WHOLE == await nats.tags("x 1")
    started, first, done, *_ = await nats.events("x 1")
    assert isinstance(started, e.RunStarted)
    assert ("report", 3) == (started.pipeline, started.total_steps)
    assert isinstance(first, e.StepStarted)
    assert ("Step 1", 0, {"function": "do_1"}) == (first.name, first.index, first.metadata)
    assert isinstance(done, e.StepCompleted)
    assert 0.0015 == done.duration
    assert all(event.time is not None for event in await nats.events("x 1"))


async def test_many_executions_from_many_threads(nats: Nats, manager: StreamingManager) -> None:
    with ThreadPoolExecutor(8) as threads:
        for number in range(40):
            threads.submit(Orchestrator(manager, f"x-{number}").execute, 3)
    await stored(manager)
    for number in range(40):
        assert WHOLE == await nats.tags(f"x-{number}")


async def test_from_event_loops_that_come_and_go(nats: Nats, manager: StreamingManager) -> None:
    """A manager that leaned on the loop of its first event would end with it."""

    async def execute(name: str) -> None:
        Orchestrator(manager, name).execute(3)

    for name in ("a", "b"):
        await asyncio.to_thread(asyncio.run, execute(name))
    await execute("c")
    await stored(manager)
    for name in "abc":
        assert WHOLE == await nats.tags(name)


async def test_it_remembers_how_an_execution_stands(nats: Nats, manager: StreamingManager) -> None:
    """A step that failed and begins again, and an execution that is executed again."""
    flow = Orchestrator(manager, "x")
    flow.begin(1)
    flow.step(1, "failed")
    flow.step(1)
    flow.end()
    flow.execute(1)
    await stored(manager)
    tags = await nats.tags("x")
    assert ["step.failed step-1", "step.retrying step-1", "step.started step-1"] == tags[2:5]
    again = [event for event in await nats.events("x") if isinstance(event, e.RunStarted)]
    assert [None, 2] == [event.attempt for event in again]


class Odd:
    """Fits nowhere, and says so."""

    @property
    def type(self) -> str:
        raise RuntimeError("no type")

    def __str__(self) -> str:
        raise RuntimeError("no text")


def wrong_events() -> list[tuple[Any, Any]]:
    """Executions and events that are none."""
    return [
        ("x", None),
        ("x", {"type": "step_started"}),
        ("x", StreamEvent("unheard_of", "x")),
        ("x", StreamEvent("step_started", "x")),
        ("x", StreamEvent("step_started", "x", {"step_number": 9})),
        ("x", StreamEvent("step_started", "x", {"step_number": Odd()})),
        ("x", StreamEvent("step_started", "x", {1j: "a"})),  # type: ignore[dict-item]
        ("x", StreamEvent("step_started", "x", [1])),  # type: ignore[arg-type]
        ("x", Odd()),
        (Odd(), StreamEvent("step_started", "x", {"step_number": 1})),
        ("", StreamEvent("step_started", "x", {"step_number": 1})),
        ("x" * 300, StreamEvent("step_started", "x", {"step_number": 1})),
    ]


async def test_what_is_wrong_is_warned_of_and_the_rest_is_reported(
    nats: Nats, manager: StreamingManager, warnings: Warnings
) -> None:
    flow = Orchestrator(manager, "x")
    flow.begin(1)
    for execution_id, event in wrong_events():
        manager.emit(execution_id, event)
    flow.step(1)
    flow.end()
    await stored(manager)
    assert ["run.started", "step.started step-1", "step.completed step-1"] == (
        await nats.tags("x")
    )[:3]
    said = "\n".join(warnings())
    assert "type: Invalid value 'unheard_of'" in said
    assert "data.step_number: missing" in said
    assert "data.step_number: 9 is beyond the total_steps of the execution, 1" in said
    assert 5 == len(await nats.events("x"))


async def test_values_of_any_kind(nats: Nats, manager: StreamingManager) -> None:
    """Numbers of NumPy and their like, ids that are UUIDs."""

    class Scalar:
        def item(self) -> float:
            return 0.5

    flow = Orchestrator(manager, "x")
    flow.begin(1)
    flow.say("execution_completed", risk_score=Scalar(), reviewer=Nats)
    await stored(manager)
    annotated = (await nats.events("x"))[1]
    assert isinstance(annotated, e.RunAnnotated)
    assert {"risk_score": 0.5} == annotated.metadata


async def test_it_does_not_wait_for_nats(warnings: Warnings) -> None:
    """A thousand events cost the pipeline less than a hundredth of a second each, and no error."""
    manager = StreamingManager(NOWHERE, close_timeout=0.1)
    began = time.perf_counter()
    for number in range(100):
        Orchestrator(manager, f"x-{number}").execute(4)
    assert time.perf_counter() - began < 5
    assert not await asyncio.to_thread(manager.flush, 0.01)
    await asyncio.to_thread(manager.close)
    assert any("could not be delivered" in text for text in warnings())
    Orchestrator(manager, "late").begin(1)
    assert 1 == manager.dropped


async def test_what_was_said_while_nats_was_away_comes_later(nats: Nats) -> None:
    way = Link(nats.url)
    async with way.opened() as url:
        manager = StreamingManager(url)
        flow = Orchestrator(manager, "x")
        flow.begin(3)
        await stored(manager)
        way.shut()
        for number in (1, 2, 3):
            flow.step(number)
        flow.end()
        await way.open()
        await stored(manager)
        assert WHOLE == await nats.tags("x")
        await asyncio.to_thread(manager.close)


async def test_memory_is_bounded_and_the_ends_survive(nats: Nats) -> None:
    """Of steps the oldest are dropped first."""
    way = Link(nats.url)
    async with way.opened() as url:
        manager = StreamingManager(url, most=50)
        flow = Orchestrator(manager, "x")
        flow.begin(100)
        await stored(manager)
        way.shut()
        for number in range(1, 101):
            flow.step(number)
        flow.end()
        for number in range(120):
            Orchestrator(manager, f"y-{number}").begin(1)
        assert not await asyncio.to_thread(manager.flush, 0.01)
        await way.open()
        await stored(manager)
        tags = await nats.tags("x")
        assert {"run.started", "run.annotated", "run.completed"} == set(tags)
        begun = [number for number in range(120) if await nats.tags(f"y-{number}")]
        assert list(range(len(begun))) == begun
        assert 120 - len(begun) == manager.dropped > 0
        await asyncio.to_thread(manager.close)


async def test_many_executions_are_not_all_remembered(
    nats: Nats, manager: StreamingManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one that was silent for long, its next event says no less than it would have."""
    monkeypatch.setattr("broker.producer.adapters.emitter.RUNS_MAX", 2)
    flows = [Orchestrator(manager, name) for name in "abc"]
    for flow in flows:
        flow.begin(3)
    for flow in flows:
        for number in (1, 2, 3):
            flow.step(number)
        flow.end()
    await stored(manager)
    for name in "abc":
        assert WHOLE == await nats.tags(name)


def test_there_is_one_manager_and_it_can_be_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflows, "_manager", StreamingManager())
    assert get_streaming_manager() is get_streaming_manager()
    assert workflows.configure(NOWHERE) is get_streaming_manager()
    assert "workflows" not in {thread.name for thread in threading.enumerate()}


SCRIPT = """
from broker.producer.adapters.workflows import StreamEvent, get_streaming_manager

manager = get_streaming_manager()
manager.emit("x", StreamEvent(type="execution_started", execution_id="x", data={"total_steps": 1}))
manager.emit("x", StreamEvent(type="execution_completed", execution_id="x", data={}))
"""

FORKING = """
import os
from broker.producer.adapters.workflows import StreamEvent, get_streaming_manager

manager = get_streaming_manager()
manager.emit("x", StreamEvent(type="execution_started", execution_id="x", data={"total_steps": 1}))
assert manager.flush(10)
child = os.fork()
name = "parent" if child else "child"
manager.emit(name, StreamEvent(type="execution_started", execution_id=name, data={}))
assert manager.flush(10)
if child:
    assert os.waitpid(child, 0)[1] == 0
else:
    os._exit(0)
"""


def program(text: str, nats_url: str) -> subprocess.CompletedProcess[str]:
    """Run a program of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        env={"BROKER_NATS_URL": nats_url},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_what_is_said_in_the_last_moment_is_stored(nats: Nats, host: str) -> None:
    """The program ends with its last event, before there even is a connection."""
    url = nats.url.replace("127.0.0.1", host)
    done = await asyncio.to_thread(program, SCRIPT, url)
    assert (0, "") == (done.returncode, done.stderr)
    await eventually(lambda: nats.tags("x"))
    assert ["run.started", "run.completed"] == await nats.tags("x")


async def test_a_forked_process_reports_too(nats: Nats) -> None:
    done = await asyncio.to_thread(program, FORKING, nats.url)
    assert (0, "") == (done.returncode, done.stderr)
    for name in ("x", "parent", "child"):
        assert ["run.started"] == await nats.tags(name)
