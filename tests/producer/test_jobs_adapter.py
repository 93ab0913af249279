"""A job engine with listeners: what they are called with is reported, and the engine goes on."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from broker.model import events as e
from broker.model.decode import decode
from broker.producer.adapters.jobs import JobEvents
from tests.producer.conftest import Link, Nats

Job = dict[str, Any]
Warnings = Callable[[], list[str]]

NOWHERE = "nats://127.0.0.1:1"


class Engine:
    """Runs jobs of one stage each, and tells its listeners of every change, the job as a whole."""

    def __init__(self, events: JobEvents, job_id: str, subject: str = "s-1") -> None:
        self._events = events
        self.job: Job = {
            "id": job_id,
            "subjectId": subject,
            "stageId": "fit",
            "projectId": "p-1",
            "name": f"Fit of {subject}",
            "status": "queued",
            "progress": 0,
            "currentStep": None,
            "error": None,
            "createdAt": "2026-01-01T00:00:00Z",
        }
        self.change()

    def change(self, **changes: Any) -> None:
        self.job |= changes
        self._events.job_update(self.job)

    def stage(self, status: str) -> None:
        update = {"subjectId": self.job["subjectId"], "stageId": "fit", "status": status}
        self._events.status_update(update)

    def log(self, level: str, text: str) -> None:
        entry = {"level": level, "message": text, "timestamp": "2026-01-01T00:00:01Z"}
        self._events.log(self.job["id"], entry)

    def execute(self, end: str = "completed") -> None:
        self.change(status="running", startedAt="2026-01-01T00:00:01Z")
        self.stage("running")
        for percent in (25, 50, 75):
            self.change(progress=percent, currentStep=f"volume {percent}")
            self.log("PROGRESS", f"{percent} %")
        self.change(status=end, error="no space" if end == "failed" else None)
        self.stage("done" if end == "completed" else "failed")

    def retry(self) -> None:
        self.change(status="queued", progress=0, currentStep=None, error=None)


ONCE = [
    "run.queued",
    "run.started",
    "run.progress",
    "step.started fit",
    *["run.progress"] * 3,
    "run.completed",
    "step.completed fit",
]


@pytest.fixture
def told(nats: Nats) -> Iterator[JobEvents]:
    made = JobEvents(nats.url)
    yield made
    made.close()


async def stored(told: JobEvents) -> None:
    """Wait until everything told is stored."""
    assert await asyncio.to_thread(told.flush, 10)


async def test_a_job_is_stored_as_it_happens(nats: Nats, told: JobEvents) -> None:
    Engine(told, "job 1").execute()
    await stored(told)
    assert ONCE == await nats.tags("job 1")
    queued, started, *_ = await nats.events("job 1")
    assert isinstance(queued, e.RunQueued)
    assert ("Fit of s-1", {"subject": "s-1", "project": "p-1", "stage": "fit"}) == (
        queued.name,
        queued.labels,
    )
    assert all(event.time is not None for event in (queued, started))
    lines = await nats.lines("job 1")
    assert [("progress", f"{n} %") for n in (25, 50, 75)] == [(x.level, x.text) for x in lines]


async def test_what_is_known_is_not_stored_again(nats: Nats, told: JobEvents) -> None:
    """Engines tell the job whenever somebody looks."""
    engine = Engine(told, "j")
    engine.change()
    engine.execute()
    for _ in range(3):
        engine.change()
        engine.stage("done")
    await stored(told)
    assert ONCE == await nats.tags("j")


async def test_a_retried_job_is_its_next_attempt(nats: Nats, told: JobEvents) -> None:
    engine = Engine(told, "j")
    engine.execute("failed")
    engine.retry()
    engine.execute()
    await stored(told)
    begun = [x for x in await nats.events("j") if isinstance(x, e.RunQueued)]
    assert [None, 2] == [each.attempt for each in begun]
    tags = await nats.tags("j")
    assert ["run.failed", "step.failed fit", "run.queued"] == tags[7:10]
    assert ["run.completed", "step.completed fit"] == tags[-2:]
    batches = [decode(each) for each in await nats.batches("j")]
    assert [1, 1, 1, 2, 2, 2] == [each.attempt for each in batches]


async def test_a_stage_finds_its_job(nats: Nats, told: JobEvents) -> None:
    """An engine tells of stages by subject: they are of its job for that stage, told of last."""
    for job, subject, stage in [("a", "s-1", "fit"), ("b", "s-1", "scan"), ("c", "s-2", "fit")]:
        told.job_update({"id": job, "subjectId": subject, "stageId": stage, "status": "running"})
    told.status_update({"subjectId": "s-1", "stageId": "fit", "status": "running"})
    told.status_update({"subjectId": "s-1", "stageId": "late", "status": "running"})
    told.status_update({"subjectId": "s-2", "stageId": "fit", "status": "running"}, job_id="c")
    told.status_update({"subjectId": "s-2", "stageId": "fit", "status": "done", "jobId": "c"})
    await stored(told)
    steps = {job: [tag for tag in await nats.tags(job) if "step" in tag] for job in "abc"}
    assert {
        "a": ["step.started fit"],
        "b": ["step.started late"],
        "c": ["step.started fit", "step.completed fit"],
    } == steps


async def test_many_jobs_from_many_threads(nats: Nats, told: JobEvents) -> None:
    def work(number: int) -> None:
        Engine(told, f"j-{number}", f"s-{number}").execute()

    with ThreadPoolExecutor(8) as threads:
        for number in range(40):
            threads.submit(work, number)
    await stored(told)
    for number in range(40):
        assert ONCE == await nats.tags(f"j-{number}")


async def test_many_lines_at_once_keep_back_no_end(nats: Nats, told: JobEvents) -> None:
    """They come faster than they can be read as events: what waits is bounded as ever."""
    engine = Engine(told, "j")
    engine.change(status="running")
    for number in range(15_000):
        engine.log("INFO", f"line {number}")
    engine.change(status="completed")
    await stored(told)
    assert 0 == told.dropped
    assert "run.completed" == (await nats.tags("j"))[-1]
    assert "line 14999" == (await nats.lines("j"))[-1].text


@pytest.mark.parametrize(
    "tell",
    [
        lambda told: told.job_update({"id": "j", "status": "exploded"}),
        lambda told: told.job_update({"id": "j", "status": "running", "progress": 120}),
        lambda told: told.job_update({}),
        lambda told: told.job_update(None),
        lambda told: told.status_update({"subjectId": "s", "stageId": "x", "status": "done"}),
        lambda told: told.log("j", {"level": "LOUD", "message": "x"}),
        lambda told: told.log("j", 7),
        lambda told: told.log("j", {"message": None}),
    ],
)
async def test_what_makes_no_sense_is_left_out(
    nats: Nats, told: JobEvents, warnings: Warnings, tell: Callable[[Any], None]
) -> None:
    """With a warning; what comes then is reported."""
    tell(told)
    Engine(told, "good").execute()
    await stored(told)
    assert ONCE == await nats.tags("good")
    assert ([], []) == (await nats.events("j"), await nats.lines("j"))
    assert any("not reported" in each for each in warnings())


async def test_without_nats_the_engine_goes_on(warnings: Warnings) -> None:
    told = JobEvents(NOWHERE, close_timeout=0.1, most=10)
    began = time.monotonic()
    Engine(told, "j").execute()
    assert time.monotonic() - began < 1
    assert not await asyncio.to_thread(told.flush, 0.2)
    await asyncio.to_thread(told.close)
    told.job_update({"id": "j", "status": "queued"})
    assert 1 <= told.dropped


async def test_what_was_told_without_nats_is_stored_when_it_comes(nats: Nats) -> None:
    link = Link(nats.url)
    async with link.opened() as url:
        link.shut()
        told = JobEvents(url)
        try:
            Engine(told, "j").execute()
            assert not await asyncio.to_thread(told.flush, 0.2)
            await link.open()
            await stored(told)
        finally:
            await asyncio.to_thread(told.close)
    assert ONCE == await nats.tags("j")
