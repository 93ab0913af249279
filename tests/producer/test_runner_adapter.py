"""A pipeline of the runner, which reports its layers to a `progress_callback`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from broker.model import events as e
from broker.producer import Producer
from broker.producer.adapters.runner import LAYERS, ProgressCallback, progress
from tests.producer.conftest import Link, Nats, eventually
from tests.producer.test_commands import give

Message = dict[str, Any]
Tell = Callable[[Message], Awaitable[None]]

COMPLETE: Message = {"status": "complete", "progress": 100}


def layer(name: str, status: str, **fields: Any) -> Message:
    return {"layer": name, "status": status, "index": LAYERS.index(name), **fields}


async def execute(progress_callback: Tell, *, fails: str | None = None) -> None:
    """The seven layers, told of as the runner's executor does; it raises what a layer raised."""
    for name in LAYERS:
        await progress_callback(layer(name, "executing"))
        if name == fails:
            failed = layer(name, "failed", error="API rate limit exceeded", duration=1.2)
            await progress_callback(failed)
            raise RuntimeError("API rate limit exceeded")
        await progress_callback(layer(name, "success", duration=2.5))
    await progress_callback(COMPLETE)


async def reported(nats: Nats, *messages: Message) -> list[str]:
    """What is stored of a pipeline that says all this, and returns."""
    async with Producer.connect(nats.url) as producer:
        async with progress(producer, "r1") as progress_callback:
            for message in messages:
                await progress_callback(message)
        await producer.flush()
    return await nats.tags("r1")


async def test_the_layers_of_a_run_are_its_steps(nats: Nats) -> None:
    async with Producer.connect(nats.url) as producer:
        async with progress(producer, "r1") as progress_callback:
            await execute(progress_callback)
        await producer.flush()
    first, *steps, last = await nats.events("r1")
    assert isinstance(first, e.RunStarted)
    assert ("runner", list(LAYERS)) == (first.pipeline, [p.step for p in first.plan or []])
    assert 14 == len(steps)
    durations = [step.duration for step in steps if isinstance(step, e.StepCompleted)]
    assert [2.5] * 7 == durations
    assert isinstance(last, e.RunCompleted)


async def test_what_a_pipeline_raises_goes_on_and_fails_the_run(nats: Nats) -> None:
    async with Producer.connect(nats.url) as producer:
        with pytest.raises(RuntimeError, match="rate limit"):
            async with progress(producer, "r1") as progress_callback:
                await execute(progress_callback, fails="pain_points")
        await producer.flush()
    failed, last = (await nats.events("r1"))[-2:]
    assert isinstance(failed, e.StepFailed)
    assert ("pain_points", 1.2) == (failed.step, failed.duration)
    assert isinstance(last, e.RunFailed)
    assert ("RuntimeError", "API rate limit exceeded") == (last.error.type, last.error.message)


@pytest.mark.parametrize("last", [[COMPLETE], []])
async def test_a_layer_that_failed_fails_a_run_that_says_complete(
    nats: Nats, last: list[Message]
) -> None:
    tags = await reported(
        nats,
        layer("intake", "executing"),
        layer("intake", "failed", error="no"),
        *last,
    )
    assert ["run.started", "step.started intake", "step.failed intake", "run.failed"] == tags


async def test_a_layer_is_tried_again_and_others_are_skipped(nats: Nats) -> None:
    tags = await reported(
        nats,
        layer("intake", "pending"),
        layer("intake", "executing"),
        layer("intake", "failed", error="no"),
        layer("intake", "executing"),
        layer("intake", "success"),
        layer("pain_points", "skipped"),
        COMPLETE,
        layer("company_research", "executing"),
    )
    assert [
        "run.started",
        "step.started intake",
        "step.failed intake",
        "step.retrying intake",
        "step.started intake",
        "step.completed intake",
        "step.skipped pain_points",
        "run.completed",
    ] == tags


async def test_messages_that_come_twice_are_reported_once(nats: Nats) -> None:
    messages = [layer("intake", "executing"), layer("intake", "success"), COMPLETE]
    once = ["run.started", "step.started intake", "step.completed intake", "run.completed"]
    assert once == await reported(nats, *[m for m in messages for _ in range(2)])


async def test_progress_is_that_of_the_run(nats: Nats) -> None:
    await reported(nats, layer("intake", "executing", progress=7), COMPLETE)
    progressed = [x for x in await nats.events("r1") if isinstance(x, e.RunProgress)]
    assert [(7, 100, "%")] == [(x.current, x.total, x.unit) for x in progressed]


@pytest.mark.parametrize(
    "message",
    [
        None,
        {},
        {"layer": "fetch", "status": "executing", "index": 0},
        {"layer": "intake", "status": "executing", "index": 3},
        {"layer": "intake", "status": "success", "index": 0, "duration": object()},
    ],
)
async def test_a_bad_message_is_left_out_with_a_warning(
    nats: Nats, message: Any, warnings: Callable[[], list[str]]
) -> None:
    assert ["run.started", "run.completed"] == await reported(nats, message, COMPLETE)
    assert 1 == len(warnings())
    assert "is not reported" in warnings()[0]


async def test_a_pipeline_whose_run_is_cancelled_is_stopped(nats: Nats) -> None:
    began = asyncio.Event()

    async def wait_for_ever(progress_callback: ProgressCallback) -> None:
        await progress_callback(layer("intake", "executing"))
        began.set()
        await asyncio.Event().wait()

    async with Producer.connect(nats.url) as producer:

        async def run() -> None:
            async with progress(producer, "r1") as progress_callback:
                await wait_for_ever(progress_callback)

        running = asyncio.ensure_future(run())
        await began.wait()
        await producer.flush()
        await give(nats, "r1", "cancel", by="ann")
        with pytest.raises(asyncio.CancelledError):
            await running
        await producer.flush()
    tags = [tag for tag in await nats.tags("r1") if not tag.startswith("command.")]
    assert [
        "run.started",
        "step.started intake",
        "step.cancelled intake",
        "run.cancelled",
    ] == tags


async def test_while_nats_is_away_the_pipeline_goes_on(nats: Nats) -> None:
    link = Link(nats.url)
    async with link.opened() as url, Producer.connect(url) as producer:
        link.shut()
        async with progress(producer, "r1") as progress_callback:
            async with asyncio.timeout(1):
                await execute(progress_callback)
        assert [] == await nats.tags("r1")
        await link.open()
        await eventually(lambda: producer.pending == 0)
    assert "run.completed" == (await nats.tags("r1"))[-1]
