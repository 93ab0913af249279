"""What a pipeline reports is what is stored, in its order."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from broker.model import events
from broker.model.events import Event, Failure, Parent, PlanStep, StepProgress, Unknown
from broker.producer import Producer
from tests.producer.conftest import Nats, eventually, label


def bare(event: Event | Unknown) -> dict[str, Any]:
    """An event without the fields that every event has."""
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return {
        "is": type(event),
        **{
            name: value
            for name, value in fields.items()
            if value is not None and name not in ("id", "time", "attempt")
        },
    }


async def test_a_run_and_its_steps(nats: Nats) -> None:
    """The blocks report started and completed, with what they were given and what came out."""
    async with Producer.connect(nats.url) as producer:
        async with producer.run(
            "import",
            name="Import",
            plan=["read", PlanStep(step="write", weight=2.0, after=["read"])],
            labels={"day": 1},
            metadata={"owner": "me"},
            parent="r0",
            total_steps=2,
            cancellable=True,
            attempt=2,
        ) as run:
            async with run.step("read", name="Read", index=0, weight=1.0) as read:
                read.outputs = {"rows": 3}
            async with run.step("write", parent=read, after=[read], metadata={"a": 1}):
                pass
            run.outputs = {"ok": True}
        await producer.flush()
        found = await nats.events(run.id)

    assert {2} == {event.attempt for event in found}
    assert [
        {
            "is": events.RunStarted,
            "pipeline": "import",
            "name": "Import",
            "plan": [PlanStep(step="read"), PlanStep(step="write", weight=2.0, after=["read"])],
            "labels": {"day": 1},
            "metadata": {"owner": "me"},
            "parent": Parent(run="r0"),
            "total_steps": 2,
            "cancellable": True,
        },
        {"is": events.StepStarted, "step": "read", "name": "Read", "index": 0, "weight": 1.0},
        {"is": events.StepCompleted, "step": "read", "outputs": {"rows": 3}},
        {
            "is": events.StepStarted,
            "step": "write",
            "parent": "read",
            "after": ["read"],
            "metadata": {"a": 1},
        },
        {"is": events.StepCompleted, "step": "write"},
        {"is": events.RunCompleted, "outputs": {"ok": True}},
    ] == [bare(event) for event in found]


async def test_a_step_can_say_how_long_it_took_by_its_own_measure(nats: Nats) -> None:
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p", "r1")
        run.start()
        run.step("read").complete(duration=0.5)
        run.step("write").fail("no disk", duration=1.5)
        await producer.flush()
        found = await nats.events("r1")

    error = Failure(message="no disk")
    assert [
        {"is": events.StepCompleted, "step": "read", "duration": 0.5},
        {"is": events.StepFailed, "step": "write", "error": error, "duration": 1.5},
    ] == [bare(event) for event in found[1:]]


async def test_everything_else_a_run_can_say(nats: Nats) -> None:
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p", run_id="r 1")
        run.start()
        run.progress(1, 4, unit="rows", message="m", total_final=True)
        run.annotate(labels={"a": None}, metadata={"b": 1})
        run.artifact("report", "file:report.md", kind="document", media_type="text/markdown")
        run.heartbeat({"cpu": 0.5})
        run.pause("approval", "Go on?")
        run.resume("approved")
        run.counted("files", {"completed": 3, "failed": 1}, total=9)
        run.cancel(by="me", reason="enough")
        await producer.flush()
        found = await nats.events("r 1")

    assert [
        {"is": events.RunStarted, "pipeline": "p"},
        {"is": events.RunProgress, "current": 1, "total": 4, "unit": "rows", "message": "m"}
        | {"total_final": True},
        {"is": events.RunAnnotated, "labels": {"a": None}, "metadata": {"b": 1}},
        {"is": events.ArtifactAdded, "name": "report", "uri": "file:report.md"}
        | {"kind": "document", "media_type": "text/markdown"},
        {"is": events.RunHeartbeat, "resources": {"cpu": 0.5}},
        {"is": events.RunPaused, "reason": "approval", "prompt": "Go on?"},
        {"is": events.RunResumed, "reason": "approved"},
        {"is": events.StepsCounted, "group": "files", "counts": {"completed": 3, "failed": 1}}
        | {"total": 9},
        {"is": events.RunCancelled, "by": "me", "reason": "enough"},
    ] == [bare(event) for event in found]


async def test_the_explicit_form_of_a_step(nats: Nats) -> None:
    """A failed step can be tried again; nothing else leaves an end."""
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p")
        one, two, three = run.step("one"), run.step("two"), run.step("three")
        one.start()
        one.fail("no space")
        one.start()
        one.retrying(attempt=2, delay=1.5, error="no space")
        one.start()
        one.complete(outputs={"a": 1})
        one.fail("too late")
        one.progress(1)
        one.retrying(attempt=3)
        two.skip("known", cached=True)
        three.start()
        three.cancel("not needed")
        await producer.flush()
        found = await nats.events(run.id)

    assert [
        {"is": events.StepStarted, "step": "one"},
        {"is": events.StepFailed, "step": "one", "error": Failure(message="no space")},
        {"is": events.StepRetrying, "step": "one", "step_attempt": 2, "delay": 1.5}
        | {"error": Failure(message="no space")},
        {"is": events.StepStarted, "step": "one"},
        {"is": events.StepCompleted, "step": "one", "outputs": {"a": 1}},
        {"is": events.StepSkipped, "step": "two", "reason": "known", "cached": True},
        {"is": events.StepStarted, "step": "three"},
        {"is": events.StepCancelled, "step": "three", "reason": "not needed"},
    ] == [bare(event) for event in found]


@pytest.mark.parametrize(
    ("raised", "ending"),
    [(ValueError("bad row"), "failed"), (asyncio.CancelledError("stop"), "cancelled")],
)
async def test_an_exception_ends_step_and_run_and_goes_on(
    nats: Nats, raised: BaseException, ending: str
) -> None:
    """The very same exception leaves the step's, the run's and the producer's block."""

    async def work() -> None:
        async with (
            Producer.connect(nats.url) as producer,
            producer.run("p", run_id="r1") as run,
            run.step("a"),
        ):
            raise raised

    with pytest.raises(type(raised)) as caught:
        await work()

    assert raised is caught.value
    found = await nats.events("r1")
    assert ["run.started", "step.started a", f"step.{ending} a", f"run.{ending}"] == [
        label(event) for event in found
    ]
    if isinstance(found[-1], events.RunFailed):
        error = found[-1].error
        assert ("ValueError", "bad row") == (error.type, error.message)
        assert "raise raised" in (error.stack or "")


async def test_what_was_ended_explicitly_reports_nothing_more(nats: Nats) -> None:
    async with Producer.connect(nats.url) as producer:
        with suppress(ValueError):
            async with producer.run("p") as run:
                async with run.step("a") as step:
                    step.skip("not needed")
                run.complete(message="done")
                run.progress(1)
                raise ValueError("late")
        await producer.flush()
        assert [
            "run.started",
            "step.started a",
            "step.skipped a",
            "run.completed",
        ] == await nats.tags(run.id)


async def test_events_carry_an_id_and_the_producers_time(nats: Nats) -> None:
    """Ids rise with the order; the time is the clock's that was given, in UTC."""
    moment = datetime(2026, 5, 1, tzinfo=UTC)

    def now() -> datetime:
        nonlocal moment
        moment += timedelta(milliseconds=1)
        return moment

    async with Producer.connect(nats.url, now=now) as producer:
        async with producer.run("p") as run:
            run.annotate(labels={"a": 1})
        await producer.flush()
        found = await nats.events(run.id)

    ids = [event.id or "" for event in found]
    assert ids == sorted(set(ids))
    assert run.id < ids[0]
    assert all(event.time and 2026 == event.time.year for event in found)
    assert all(one.time < two.time for one, two in pairwise(found) if one.time and two.time)


async def test_runs_of_a_tenant(nats: Nats) -> None:
    async with Producer.connect(nats.url, tenant="blue") as producer:
        async with producer.run("p") as run, producer.run("q", parent=run.step("a")) as child:
            pass
        await producer.flush()
        started = (await nats.events(child.id, tenant="blue"))[0]
    assert isinstance(started, events.RunStarted)
    assert Parent(run=run.id, step="a") == started.parent


async def test_progress_is_conflated(nats: Nats) -> None:
    """Ten a second at most, the first at once, the last before the step's end."""
    async with Producer.connect(nats.url) as producer:
        async with producer.run("p") as run, run.step("a") as step:
            began = time.monotonic()
            count = 0
            while time.monotonic() < began + 0.35:
                step.progress(count, 10**6, unit="rows" if count < 3 else None)
                count += 1
                await asyncio.sleep(0)
        await producer.flush()
        found = [event for event in await nats.events(run.id) if isinstance(event, StepProgress)]

    assert (0, count - 1) == (found[0].current, found[-1].current)
    assert 3 <= len(found) <= 6
    assert sorted(event.current for event in found) == [event.current for event in found]
    moments = [event.time for event in found if event.time]
    assert all(two - one > timedelta(milliseconds=50) for one, two in pairwise(moments[:-1]))
    assert "rows" == found[1].unit, "what a newer report leaves open stays as it was said"
    assert ["step.progress a", "step.completed a", "run.completed"] == (await nats.tags(run.id))[
        -3:
    ]


async def test_held_progress_is_sent_without_a_further_call(nats: Nats) -> None:
    async with Producer.connect(nats.url) as producer, producer.run("p") as run:
        step = run.step("a")
        step.progress(1)
        step.progress(2)

        async def sent() -> bool:
            return len(await nats.events(run.id)) == 3

        await eventually(sent)
        assert ["run.started", "step.progress a", "step.progress a"] == await nats.tags(run.id)


async def test_the_end_of_a_run_comes_after_the_progress_of_its_steps(nats: Nats) -> None:
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p")
        step = run.step("a")
        for number in range(3):
            step.progress(number)
            run.progress(number)
            run.counted("g", {"completed": number})
        run.fail("stopped", kind="timeout", retryable=True)
        await producer.flush()
        tags = await nats.tags(run.id)
    assert 2 * ["step.progress a", "run.progress", "steps.counted"] + ["run.failed"] == tags


async def test_log_lines_are_batched(nats: Nats) -> None:
    async with Producer.connect(nats.url) as producer:
        async with producer.run("p", attempt=3) as run:
            run.log("one\ntwo", level="warning", step="a")
            async with run.step("b") as step:
                step.log("three", level="LOUD")
            for _ in range(20):
                run.log("x" * 8000)
        await producer.flush()
        batches, lines = await nats.batches(run.id), await nats.lines(run.id)

    assert [("one", "warning", "a"), ("two", "warning", "a"), ("three", "info", "b")] == [
        (line.text, line.level, line.step) for line in lines[:3]
    ]
    assert (23, True) == (len(lines), all(line.time for line in lines))
    assert 3 == len(batches)
    assert all(len(batch) <= 64 * 1024 for batch in batches)


async def test_heartbeats_are_reported_by_themselves(nats: Nats) -> None:
    """From the start of a run with an interval until its end."""
    async with Producer.connect(nats.url) as producer:
        async with producer.run("p", heartbeat_interval=0.01) as run:

            async def heard() -> bool:
                return (await nats.tags(run.id)).count("run.heartbeat") >= 3

            await eventually(heard)
        await producer.flush()
        assert "run.completed" == (await nats.tags(run.id))[-1]


async def test_reports_come_from_any_thread(nats: Nats) -> None:
    """Each thread's events keep their order, and the loop is woken for them."""
    threads, each = 4, 200

    async with Producer.connect(nats.url) as producer:
        run = producer.run("p")

        def work(number: int) -> None:
            for count in range(each):
                step = run.step(f"{number}/{count}")
                step.start()
                step.progress(count)
                step.complete()

        await asyncio.gather(*[asyncio.to_thread(work, number) for number in range(threads)])
        run.complete()
        await producer.flush()
        tags = await nats.tags(run.id)

    assert threads * each * 3 + 1 == len(tags)
    for number in range(threads):
        mine = [tag for tag in tags if f" {number}/" in tag]
        assert mine == [
            f"step.{what} {number}/{count}"
            for count in range(each)
            for what in ("started", "progress", "completed")
        ]
    assert "run.completed" == tags[-1]


async def test_a_thread_reports_while_the_loop_is_busy(nats: Nats) -> None:
    """Nothing waits for the loop: a million calls hold one value, not a million."""
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p")

        def work() -> None:
            for number in range(20_000):
                run.progress(number)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()  # the loop stands still meanwhile
        assert 30 > producer.pending
        run.complete()
        await producer.flush()
        found = await nats.events(run.id)
    assert isinstance(found[-2], events.RunProgress)
    assert 19_999 == found[-2].current


async def test_a_run_can_be_reported_by_hand_or_left(
    nats: Nats, warnings: Callable[[], list[str]]
) -> None:
    """Leaving the producer's block sends what is held, and waits until it is stored."""
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p")
        run.start()
        run.progress(1)
        run.progress(2)
        run.log("last words")
    assert ["run.started", "run.progress", "run.progress"] == await nats.tags(run.id)
    assert ["last words"] == [line.text for line in await nats.lines(run.id)]
    assert [] == warnings()
