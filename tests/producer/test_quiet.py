"""Whatever is wrong with a report or with NATS, the pipeline does not notice; a person can."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from broker.producer import PlanStep, Producer, Run
from tests.producer.conftest import Nats, eventually

Warnings = Callable[[], list[str]]

NOWHERE = "nats://127.0.0.1:1"


class Odd:
    """Fits nowhere, and says so."""

    def __iter__(self) -> Any:
        raise RuntimeError("no items")

    def __str__(self) -> str:
        raise RuntimeError("no text")


WRONG: dict[str, Callable[[Run], object]] = {
    "progress is no number": lambda run: run.progress("three"),  # type: ignore[arg-type]
    "progress is NaN": lambda run: run.progress(float("nan")),
    "progress is negative": lambda run: run.step("a").progress(-1),
    "progress is a truth": lambda run: run.progress(True),
    "odd progress": lambda run: run.progress(Odd()),  # type: ignore[arg-type]
    "odd labels": lambda run: run.annotate(labels={"a": Odd()}),  # type: ignore[dict-item]
    "odd counts": lambda run: run.counted("g", Odd()),  # type: ignore[arg-type]
    "odd group": lambda run: run.counted([], {}),  # type: ignore[arg-type]
    "odd text": lambda run: run.log(Odd()),  # type: ignore[arg-type]
    "odd level": lambda run: run.log("text", level=Odd()),  # type: ignore[arg-type]
    "odd step of a line": lambda run: run.log("text", step=Odd()),  # type: ignore[arg-type]
    "no artifact name": lambda run: run.artifact("", "file:a"),
    "empty step": lambda run: run.step("").start(),
    "odd step": lambda run: run.step(Odd()).start(),  # type: ignore[arg-type]
    "odd step fields": lambda run: run.step("a", "n", Odd(), Odd(), Odd(), Odd(), Odd()).start(),  # type: ignore[arg-type]
    "odd retry": lambda run: run.step("a").retrying(attempt=0, delay=-1.0),
    "odd resources": lambda run: run.heartbeat(Odd()),  # type: ignore[arg-type]
    "odd outputs": lambda run: run.complete(outputs=Odd()),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_argument_warns_once(
    nats: Nats, warnings: Warnings, call: Callable[[Run], object]
) -> None:
    """Nothing is raised, the log says what to correct, and what comes after is reported."""
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p")
        run.start()
        call(run)
        said = warnings()
        assert said
        call(run)
        assert said == warnings()
        run.artifact("last", "file:last")
        await producer.flush()
        assert "artifact.added" == (await nats.tags(run.id))[-1]


async def test_outputs_that_are_no_json_do_not_hide_the_end(nats: Nats, warnings: Warnings) -> None:
    async with Producer.connect(nats.url) as producer:
        async with producer.run("p") as run, run.step("a") as step:
            step.outputs = {"connection": object()}
        await producer.flush()
        assert "step.completed a" in await nats.tags(run.id)
    assert [
        "step.completed is not reported in full: outputs: TypeError: builtins.object cannot be "
        "JSON; give values that JSON can express"
    ] == warnings()


async def test_a_wrong_plan_does_not_hide_the_start(nats: Nats, warnings: Warnings) -> None:
    plans: list[Any] = [["a", 5], "abc", Odd(), [PlanStep(step="")]]
    async with Producer.connect(nats.url) as producer:
        for plan in plans:
            async with producer.run("p", plan=plan) as run:
                pass
            await producer.flush()
            assert ["run.started", "run.completed"] == await nats.tags(run.id)
    assert 1 == len(warnings())


@pytest.mark.parametrize("run_id", ["", "x" * 257, "\ud800"], ids=ascii)
async def test_a_run_that_cannot_be_named_is_not_reported(
    nats: Nats, warnings: Warnings, run_id: str
) -> None:
    async with Producer.connect(nats.url) as producer:
        async with producer.run("p", run_id=run_id) as run, run.step("a") as step:
            step.progress(1)
            step.log("text")
        assert (run_id, 0) == (run.id, producer.pending)
    assert ["is not reported, because the run id"] == [
        said[said.index("is not") : said.index(" id ") + 3] for said in warnings()
    ]


async def test_nats_may_be_out_of_reach(
    warnings: Warnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block is entered at once and left in time; the log says what to do, and what is lost."""
    monkeypatch.setattr("broker.producer.alarm.PATIENCE", 0.01)
    began = time.monotonic()
    async with Producer.connect(NOWHERE, close_timeout=0.1) as producer:
        async with producer.run("p") as run, run.step("a") as step:
            for number in range(1000):
                step.progress(number)
        await eventually(warnings)
        assert 4 <= producer.pending
        pending = producer.pending
    assert 5 > time.monotonic() - began
    waiting, lost = warnings()
    assert "Is NATS running at nats://127.0.0.1:1" in waiting
    assert f"{pending} events could not be delivered" in lost


async def test_closing_can_be_cancelled(warnings: Warnings) -> None:
    """Whoever cannot wait for the flush need not; the log says what is lost."""
    closing = asyncio.Event()

    async def work() -> None:
        async with Producer.connect(NOWHERE, close_timeout=60) as producer:
            producer.run("p").start()
            closing.set()

    task = asyncio.create_task(work())
    await closing.wait()
    await asyncio.sleep(0)  # past the end of the block
    task.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert "1 events could not be delivered" in warnings()[-1]


async def test_the_default_address_comes_from_the_environment(
    nats: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_NATS_URL", nats.url)
    async with Producer.connect() as producer:
        async with producer.run("p") as run:
            pass
        await producer.flush()
    assert ["run.started", "run.completed"] == await nats.tags(run.id)


async def test_a_full_buffer_drops_progress_and_says_so(warnings: Warnings) -> None:
    async with Producer.connect(NOWHERE, max_entries=10, close_timeout=0) as producer:
        run = producer.run("p")
        run.start()
        for number in range(20):
            run.step(str(number)).progress(1)
        run.complete()
        assert (10, {"progress": 12}) == (producer.pending, producer.dropped)
    assert 1 == sum("buffer" in said for said in warnings())
    assert "12 events were dropped: {'progress': 12}" in warnings()


async def test_reports_after_the_end_of_the_producer(nats: Nats, warnings: Warnings) -> None:
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p")
        run.start()
    run.progress(1)
    run.log("late")
    run.complete()
    await asyncio.to_thread(producer.run("q").start)
    assert ["run.started"] == await nats.tags(run.id)
    assert 1 == len(warnings())
    assert {"progress": 1, "log": 1, "lifecycle": 2} == producer.dropped


async def test_a_fault_of_the_sender_does_not_end_the_pipeline(warnings: Warnings) -> None:
    """Options that nats-py does not know are heard of in the log."""
    async with (
        Producer.connect(NOWHERE, nats_options={"no_such_option": 1}, close_timeout=0) as producer,
        producer.run("p"),
    ):
        await eventually(warnings)
    assert "publishing failed and is tried again" == warnings()[0]


def test_the_sdk_needs_neither_aiohttp_nor_langchain() -> None:
    """nats-py takes aiohttp where it is installed; it must do without."""
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['aiohttp', 'langchain_core', 'langgraph']))\n"
        "import broker.producer"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
