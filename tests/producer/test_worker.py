"""A worker takes start requests, runs each once, and gives back what it cannot finish."""

import asyncio
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest

from broker.errors import InvalidName
from broker.model import events
from broker.model.subjects import RunKey, job_subject
from broker.producer import Command, Run, Worker
from broker.producer.jobs import Cancel, Leave, Start, Verdict, judge
from broker.producer.past import Past
from broker.stream.publish import Message, publish
from broker.stream.topology import JOBS, StreamSettings, api, ensure
from tests.producer.conftest import Link, Nats, eventually
from tests.producer.test_commands import answered, answers, ends, give

Warnings = Callable[[], list[str]]


async def ask(nats: Nats, run: str, pipeline: str = "p", **fields: Any) -> None:
    """Queue a run as the gateway does: its event, then the start request."""
    attempt = fields.get("attempt", 1)
    queued = {"type": "run.queued", "pipeline": pipeline, "attempt": attempt}
    await publish(
        nats.connection, Message(RunKey("default", run).subject, msgspec.json.encode(queued))
    )
    await request(nats, pipeline, {"run": run, "pipeline": pipeline, "inputs": {}, **fields})


async def request(nats: Nats, pipeline: str, body: Any) -> None:
    """Store a start request, whatever is in it."""
    payload = body if isinstance(body, bytes) else msgspec.json.encode(body)
    await publish(nats.connection, Message(job_subject("default", pipeline), payload))


async def waiting(nats: Nats) -> int:
    """The requests that nobody has settled."""
    return int((await api(nats.connection, f"STREAM.INFO.{JOBS}"))["state"]["messages"])


async def settled(nats: Nats) -> None:
    """Wait until every request is settled."""

    async def none() -> bool:
        return await waiting(nats) == 0

    await eventually(none)


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[None]:
    """Have a worker work during the block."""
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await task


@pytest.mark.parametrize("error", [StopIteration, SystemExit, KeyboardInterrupt])
async def test_whatever_a_thread_raises_fails_its_run(
    nats: Nats, error: type[BaseException]
) -> None:
    """And not the worker: of a run or of its plan, also what ends a program, or no future holds."""
    worker = Worker(nats.url)

    def plan(inputs: dict[str, Any]) -> list[str | events.PlanStep]:
        raise error

    @worker.pipeline("p", plan=plan)
    def work(run: Run, inputs: dict[str, Any]) -> None:
        raise error("no more")

    await ask(nats, "r1")
    async with working(worker):
        await settled(nats)
    end = (await nats.events("r1"))[-1]
    assert isinstance(end, events.RunFailed)
    assert f"{error.__name__}: no more" == end.error.message


async def test_the_plan_may_follow_from_the_inputs(nats: Nats, warnings: Warnings) -> None:
    """And where it cannot be made the run has none, and goes on."""
    worker = Worker(nats.url)

    def plan(inputs: dict[str, Any]) -> list[str | events.PlanStep]:
        return [f"part-{n}" for n in range(inputs["parts"])]

    @worker.pipeline("p", plan=plan)
    async def work(run: Run, inputs: dict[str, Any]) -> None: ...

    await ask(nats, "r1", inputs={"parts": 2})
    await ask(nats, "r2", inputs={})
    async with working(worker):
        await settled(nats)
    plans: list[list[str] | None] = []
    for run in ("r1", "r2"):
        started = next(e for e in await nats.events(run) if isinstance(e, events.RunStarted))
        plans.append(None if started.plan is None else [entry.step for entry in started.plan])
        assert "run.completed" == (await nats.tags(run))[-1]
    assert [["part-0", "part-1"], None] == plans
    assert ["no plan of p: 'parts'"] == warnings()


async def ended(nats: Nats, run: str) -> None:
    """Wait until a run has ended."""
    await eventually(lambda: ends(nats, run))


async def tags(nats: Nats, run: str) -> list[str]:
    """What is stored of a run, with the attempts."""
    found = await nats.tags(run)
    return [
        f"{tag} {event.attempt}" for tag, event in zip(found, await nats.events(run), strict=True)
    ]


async def test_a_request_is_run_once(nats: Nats) -> None:
    """The inputs come in, what is returned goes out, and the request is gone."""
    worker = Worker(nats.url, name="w1")

    @worker.pipeline("p", plan=["a"], cancellable=True)
    async def work(run: Run, inputs: dict[str, Any]) -> dict[str, Any]:
        async with run.step("a"):
            return {"twice": inputs["number"] * 2}

    await ask(nats, "r 1", inputs={"number": 21}, requested_by="ann")
    async with working(worker):
        await settled(nats)
        found = await nats.events("r 1")

    _, started, _, _, completed = found
    assert isinstance(started, events.RunStarted)
    assert isinstance(completed, events.RunCompleted)
    assert ("p", "w1", 10, True, 1) == (
        started.pipeline,
        started.worker,
        started.heartbeat_interval,
        started.cancellable,
        started.attempt,
    )
    assert {"twice": 42} == completed.outputs


async def test_a_request_that_comes_while_the_worker_waits(nats: Nats) -> None:
    worker = Worker(nats.url)

    @worker.pipeline("p")
    async def work(run: Run, inputs: dict[str, Any]) -> None:
        assert {} == inputs

    async with working(worker):
        for number in range(3):
            await ask(nats, f"r{number}", inputs=None)
            await ended(nats, f"r{number}")
        await settled(nats)


async def test_a_failure_is_reported_and_not_tried_again(nats: Nats, warnings: Warnings) -> None:
    worker = Worker(nats.url)

    @worker.pipeline("p")
    async def work(run: Run, inputs: dict[str, Any]) -> None:
        raise ValueError("bad input")

    await ask(nats, "r1")
    async with working(worker):
        await settled(nats)
        assert ["run.queued 1", "run.started 1", "run.failed 1"] == await tags(nats, "r1")
    assert ["run r1 of p failed"] == warnings()


async def test_a_handler_may_block_in_a_thread(nats: Nats) -> None:
    worker = Worker(nats.url)
    threads: list[threading.Thread] = []

    @worker.pipeline("p")
    def work(run: Run, inputs: dict[str, Any]) -> dict[str, Any]:
        threads.append(threading.current_thread())
        run.step("a").start()
        return {"ok": True}

    await ask(nats, "r1")
    async with working(worker):
        await settled(nats)
    assert threading.main_thread() not in threads
    assert ["run.queued", "run.started", "step.started a", "run.completed"] == await nats.tags("r1")


async def test_no_more_at_once_than_there_are_places(nats: Nats) -> None:
    """Over all pipelines together; who waits stays on the stream, for any other worker."""
    worker = Worker(nats.url, concurrency=2)
    go_on = asyncio.Semaphore(0)
    running: list[str] = []
    most = 0

    async def work(run: Run, inputs: dict[str, Any]) -> None:
        nonlocal most
        running.append(run.id)
        most = max(most, len(running))
        await go_on.acquire()
        running.remove(run.id)

    worker.pipeline("p")(work)
    worker.pipeline("q")(work)
    for number in range(3):
        await ask(nats, f"p{number}", "p")
        await ask(nats, f"q{number}", "q")
    async with working(worker):
        await eventually(lambda: len(running) == 2)
        assert {"p", "q"} == {run[0] for run in running}, "each pipeline has its turn"
        taken = [
            (await api(nats.connection, f"CONSUMER.INFO.{JOBS}.default=={name}"))["num_ack_pending"]
            for name in ("p", "q")
        ]
        assert [1, 1] == taken
        for _ in range(6):
            go_on.release()
        await settled(nats)
    assert 2 == most


async def test_two_workers_share_the_requests(nats: Nats) -> None:
    workers = [Worker(nats.url, name=name, concurrency=1) for name in ("one", "two")]
    both = asyncio.Barrier(2)

    async def work(run: Run, inputs: dict[str, Any]) -> None:
        await both.wait()

    for worker in workers:
        worker.pipeline("p")(work)
    async with working(workers[0]), working(workers[1]):
        for number in range(4):
            await ask(nats, f"r{number}")
        await settled(nats)
    found = [await nats.tags(f"r{number}") for number in range(4)]
    assert 4 * [["run.queued", "run.started", "run.completed"]] == found


async def test_a_cancelled_run_stops_and_is_settled(nats: Nats) -> None:
    worker = Worker(nats.url)

    @worker.pipeline("p")
    async def work(run: Run, inputs: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    await ask(nats, "r1")
    async with working(worker):
        await eventually(lambda: _begun(nats, "r1"))
        name = await give(nats, "r1", "cancel", by="ann", reason="enough")
        await settled(nats)
    assert [(name, "accepted", None)] == await answers(nats, "r1")
    assert [{"is": events.RunCancelled, "by": "ann", "reason": "enough"}] == await ends(nats, "r1")


async def _begun(nats: Nats, run: str, times: int = 1) -> bool:
    return (await nats.tags(run)).count("run.started") == times


async def _waits(nats: Nats, run: str) -> bool:
    return "step.started wait" in await nats.tags(run)


async def test_a_blocking_handler_stops_at_a_checkpoint(nats: Nats) -> None:
    worker = Worker(nats.url)

    @worker.pipeline("p")
    def work(run: Run, inputs: dict[str, Any]) -> None:
        while True:
            run.checkpoint_in_thread()

    await ask(nats, "r1")
    async with working(worker):
        await eventually(lambda: _begun(nats, "r1"))
        await answered(nats, "r1", await give(nats, "r1", "cancel", by="ann"))
        await settled(nats)
    assert [events.RunCancelled] == [end["is"] for end in await ends(nats, "r1")]


async def test_a_run_that_was_cancelled_in_the_queue_is_not_begun(nats: Nats) -> None:
    """Neither where the gateway has said so, nor where only the command is stored."""
    worker = Worker(nats.url)
    begun: list[str] = []

    @worker.pipeline("p")
    async def work(run: Run, inputs: dict[str, Any]) -> None:
        begun.append(run.id)

    await ask(nats, "told")
    await publish(
        nats.connection,
        Message(RunKey("default", "told").subject, b'{"type":"run.cancelled","by":"ann"}'),
    )
    await ask(nats, "asked")
    name = await give(nats, "asked", "cancel", by="ann", reason="enough")
    async with working(worker):
        await settled(nats)
    assert [] == begun
    assert ["run.queued", "run.cancelled"] == await nats.tags("told")
    assert [(name, "accepted", None)] == await answers(nats, "asked")
    assert [{"is": events.RunCancelled, "by": "ann", "reason": "enough"}] == await ends(
        nats, "asked"
    )


BAD: dict[str, Any] = {
    "no JSON": b"no",
    "no object": [],
    "no run": {"pipeline": "p"},
    "a run that cannot be named": {"run": "", "pipeline": "p"},
    "inputs that are no object": {"run": "bad", "pipeline": "p", "inputs": [1]},
    "inputs that are too deep": b'{"run":"bad","pipeline":"p","inputs":{"a":%b}}'
    % (b"[" * 5000 + b"]" * 5000),
    "inputs that are too long": b'{"run":"bad","pipeline":"p","inputs":{"a":%b}}' % (b"9" * 5000),
    "no UTF-8": b'{"run":"bad","pipeline":"p","inputs":{"a":"\xff"}}',
    "no attempt": {"run": "bad", "pipeline": "p", "attempt": 0},
    "an attempt that no event can name": {"run": "bad", "pipeline": "p", "attempt": 2**53},
    "another pipeline": {"run": "bad", "pipeline": "q"},
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
async def test_a_bad_request_is_removed(nats: Nats, warnings: Warnings, body: Any) -> None:
    worker = Worker(nats.url)

    @worker.pipeline("p")
    async def work(run: Run, inputs: dict[str, Any]) -> None:
        pass

    await request(nats, "p", body)
    await ask(nats, "good")
    async with working(worker):
        await settled(nats)
    assert [] == await nats.tags("bad")
    assert "run.completed" in await nats.tags("good")
    (said,) = warnings()
    assert said.startswith("a start request ")
    assert said.endswith(": it is removed")


async def test_a_killed_workers_run_goes_on_as_the_next_attempt(nats: Nats) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.producer.working", nats.url, "1.0", "25"
    )
    try:
        await ask(nats, "r1", "hold", attempt=2)
        await eventually(lambda: _waits(nats, "r1"))
    finally:
        process.kill()
        await process.wait()
    worker = Worker(nats.url, ack_wait=1.0, name="second")

    @worker.pipeline("hold")
    async def work(run: Run, inputs: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True}

    async with working(worker):
        await settled(nats)
    assert [
        "run.queued 2",
        "run.started 2",
        "step.started wait 2",
        "run.started 3",
        "run.completed 3",
    ] == await tags(nats, "r1")


async def test_a_stopped_worker_hands_its_runs_over(nats: Nats) -> None:
    """SIGTERM, and a run that does not end within the grace: it is queued, and another goes on."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.producer.working", nats.url, "30", "0.1"
    )
    try:
        await ask(nats, "r1", "hold")
        await eventually(lambda: _waits(nats, "r1"))
        process.send_signal(signal.SIGTERM)
        assert 0 == await process.wait()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    assert ["run.queued 1", "run.started 1", "step.started wait 1", "run.queued 2"] == [
        tag for tag in await tags(nats, "r1") if not tag.startswith("step.cancelled")
    ]
    worker = Worker(nats.url, name="second")

    @worker.pipeline("hold")
    async def work(run: Run, inputs: dict[str, Any]) -> None:
        pass

    async with working(worker):  # at once: nobody waits for the thirty seconds
        await settled(nats)
    assert ["run.started 2", "run.completed 2"] == (await tags(nats, "r1"))[-2:]


async def test_a_stopping_worker_lets_its_runs_end(nats: Nats) -> None:
    """And takes no more."""
    worker = Worker(nats.url, grace=30)
    begun, go_on = asyncio.Event(), asyncio.Event()

    @worker.pipeline("p")
    async def work(run: Run, inputs: dict[str, Any]) -> None:
        begun.set()
        await go_on.wait()

    await ask(nats, "r1")
    task = asyncio.create_task(worker.run())
    await begun.wait()
    worker.stop()
    await ask(nats, "r2")
    go_on.set()
    await task
    assert "run.completed" in await nats.tags("r1")
    assert ["run.queued"] == await nats.tags("r2")
    assert 1 == await waiting(nats)


async def test_a_cancelled_worker_gives_everything_back(nats: Nats) -> None:
    worker = Worker(nats.url)
    begun = asyncio.Barrier(3)
    seen: list[str | None] = []

    @worker.pipeline("p")
    async def work(run: Run, inputs: dict[str, Any]) -> None:
        await begun.wait()
        await asyncio.Event().wait()

    @worker.pipeline("blocking")
    def block(run: Run, inputs: dict[str, Any]) -> None:
        asyncio.run_coroutine_threadsafe(_wait(begun), loop).result()
        while not run.cancelled:
            pass
        seen.append(run.cancelled.reason)

    loop = asyncio.get_running_loop()
    await ask(nats, "r1")
    await ask(nats, "r2", "blocking")
    task = asyncio.create_task(worker.run())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for run in ("r1", "r2"):
        assert ["run.queued 1", "run.started 1", "run.queued 2"] == await tags(nats, run)
    assert ["the worker stops, another goes on with it"] == seen
    assert 2 == await waiting(nats)


async def _wait(barrier: asyncio.Barrier) -> None:
    await barrier.wait()


async def test_what_is_given_back_is_heard_by_who_waits(
    nats: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They need not look: the next attempt begins at once."""
    monkeypatch.setattr("broker.producer.shift.POLL", 3600.0)
    first, second = (Worker(nats.url, ack_wait=7200, concurrency=1) for _ in range(2))

    @first.pipeline("p")
    async def hold(run: Run, inputs: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    @second.pipeline("p")
    async def work(run: Run, inputs: dict[str, Any]) -> None:
        pass

    await ask(nats, "r1")
    task = asyncio.create_task(first.run())
    await eventually(lambda: _begun(nats, "r1"))
    async with working(second):
        await ask(nats, "r2")
        await ended(nats, "r2")
        # It has looked for the last time for an hour: nothing tells when it has done that.
        await asyncio.sleep(1.0)
        task.cancel()
        await asyncio.wait([task])
        await settled(nats)
    assert ["run.queued 2", "run.started 2", "run.completed 2"] == (await tags(nats, "r1"))[-3:]


async def test_a_request_is_kept_while_it_is_worked_on(nats: Nats) -> None:
    """A run that takes longer than the server waits for an acknowledgement is begun once."""
    worker = Worker(nats.url, ack_wait=0.6)
    times = 0

    @worker.pipeline("p")
    async def work(run: Run, inputs: dict[str, Any]) -> None:
        nonlocal times
        times += 1
        await asyncio.sleep(1.5)  # more than twice the wait: nothing tells when it is over

    await ask(nats, "r1")
    async with working(worker):
        await settled(nats)
    assert 1 == times


async def test_a_worker_that_was_away_leaves_its_run_to_the_other(nats: Nats) -> None:
    """It seemed to be dead, another began the next attempt; this one stops when it is back."""
    link = Link(nats.url)
    async with link.opened() as url:
        first, second = Worker(url, ack_wait=0.6), Worker(nats.url, ack_wait=0.6)
        stopped, go_on = asyncio.Event(), asyncio.Event()

        @first.pipeline("p")
        async def hold(run: Run, inputs: dict[str, Any]) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()

        @second.pipeline("p")
        async def work(run: Run, inputs: dict[str, Any]) -> None:
            await go_on.wait()

        await ask(nats, "r1")
        async with working(first):
            await eventually(lambda: _begun(nats, "r1"))
            link.shut()
            async with working(second):
                await eventually(lambda: _begun(nats, "r1", 2))
                await link.open()
                await stopped.wait()
                assert 1 == await waiting(nats)
                go_on.set()
                await settled(nats)
    assert ["run.started 1", "run.started 2", "run.completed 2"] == (await tags(nats, "r1"))[1:]


async def test_a_run_that_nobody_finishes_is_given_up(nats: Nats) -> None:
    worker = Worker(nats.url, max_deliveries=1)
    times = 0

    @worker.pipeline("p")
    async def work(run: Run, inputs: dict[str, Any]) -> None:
        nonlocal times
        times += 1
        await asyncio.Event().wait()

    await ask(nats, "r1")
    task = asyncio.create_task(worker.run())
    await eventually(lambda: times)
    task.cancel()
    await asyncio.wait([task])

    again = Worker(nats.url, max_deliveries=1)
    again.pipeline("p")(work)
    async with working(again):
        await settled(nats)
    assert 1 == times
    assert "run.failed 2" == (await tags(nats, "r1"))[-1]


async def test_the_worker_waits_for_nats_and_its_streams(nats: Nats, warnings: Warnings) -> None:
    """It starts before both, and says what it waits for, once."""
    await api(nats.connection, f"STREAM.DELETE.{JOBS}")
    worker = Worker(nats.url)

    @worker.pipeline("p")
    async def work(run: Run, inputs: dict[str, Any]) -> None:
        pass

    async with working(worker):
        await eventually(warnings)
        await ensure(nats.connection, StreamSettings())
        await ask(nats, "r1")
        await settled(nats)
    (said,) = warnings()
    assert said.startswith("no start request can be taken, it is tried again: ")


async def test_a_removed_consumer_is_made_again(nats: Nats) -> None:
    worker = Worker(nats.url)

    @worker.pipeline("p")
    async def work(run: Run, inputs: dict[str, Any]) -> None:
        pass

    async with working(worker):
        await ask(nats, "r1")
        await settled(nats)
        await api(nats.connection, f"CONSUMER.DELETE.{JOBS}.default==p")
        await ask(nats, "r2")
        await settled(nats)
    assert "run.completed" in await nats.tags("r2")


async def test_a_worker_can_be_stopped_while_nats_is_away() -> None:
    worker = Worker("nats://127.0.0.1:1")
    worker.pipeline("p")(lambda run, inputs: None)
    task = asyncio.create_task(worker.run())
    await asyncio.sleep(0)  # it has begun
    worker.stop()
    async with asyncio.timeout(20):
        await task


async def test_what_a_worker_cannot_be_made_with() -> None:
    worker = Worker(tenant="blue")
    worker.pipeline("p")(lambda run, inputs: None)
    with pytest.raises(ValueError, match="'p' has a function already"):
        worker.pipeline("p")
    with pytest.raises(InvalidName, match="pipeline"):
        worker.pipeline("")
    with pytest.raises(InvalidName, match="too long for a consumer"):
        worker.pipeline("p" * 255)
    with pytest.raises(ValueError, match="no pipeline"):
        await Worker().run()
    with pytest.raises(ValueError, match="positive"):
        Worker(concurrency=0)


def past_of(*found: dict[str, Any]) -> Past:
    """What stored events say."""
    past = Past()
    for seq, event in enumerate(found, 1):
        past.add(msgspec.json.encode(event), seq)
    return past


ASKED = {"type": "command.cancel", "id": "c"}
QUEUED_AGAIN = {"type": "run.queued", "attempt": 2, "pipeline": "p"}
THIRD_REQUEST = {"type": "run.queued", "attempt": 3, "pipeline": "p"}
HANDED_OVER = {"type": "run.queued", "attempt": 2}
LATE_FAILURE = {"type": "run.failed", "attempt": 1}
TURNED_DOWN = {"type": "command.acknowledged", "command": "c", "result": "rejected"}


@pytest.mark.parametrize(
    ("found", "first", "attempt", "verdict"),
    [
        ([], 1, 1, Start()),
        ([{"type": "run.queued"}], 1, 1, Start()),
        ([{"type": "run.started"}], 1, 2, Start()),
        ([{"type": "run.failed"}], 2, 2, Start()),
        ([{"type": "run.failed"}, {"type": "run.queued", "attempt": 2}], 2, 2, Start()),
        ([{"type": "run.completed"}], 1, 1, Leave("attempt 1 has ended")),
        ([{"type": "run.completed"}], 1, 2, Leave("attempt 1 has ended")),
        ([{"type": "run.started", "attempt": 3}], 1, 2, Leave("attempt 3 has begun", True)),
        ([{"type": "run.started"}, THIRD_REQUEST], 1, 2, Leave("attempt 3 has begun")),
        ([ASKED], 1, 1, Cancel(Command("c", "cancel"))),
        ([{"type": "run.started"}], 1, 1, Leave("attempt 1 has begun")),
        ([{"type": "run.started", "worker": "w"}], 1, 1, Leave("attempt 1 has begun", True)),
        ([{"type": "run.started", "attempt": 1}], 1, 1, Leave("attempt 1 has begun", True)),
        ([QUEUED_AGAIN], 1, 2, Leave("attempt 2 has a request of its own")),
        ([QUEUED_AGAIN], 1, 3, Leave("attempt 2 has a request of its own")),
        ([QUEUED_AGAIN], 2, 2, Start()),
        ([HANDED_OVER], 1, 2, Start()),
        ([{"type": "run.started"}, ASKED], 1, 2, Cancel(Command("c", "cancel"))),
        ([ASKED, TURNED_DOWN], 1, 2, Start()),
        ([ASKED, {"type": "run.queued", "attempt": 2}], 2, 2, Start()),
        ([{"type": "run.started", "attempt": 2}, {"type": "run.failed"}], 3, 3, Start()),
        ([{"type": "run.started", "attempt": 2}, LATE_FAILURE], 1, 3, Start()),
    ],
)
def test_what_is_done_about_a_request(
    found: list[dict[str, Any]], first: int, attempt: int, verdict: Verdict
) -> None:
    """Of attempts that have ended or begun elsewhere, and of cancelling that nobody heeded."""
    assert verdict == judge(past_of(*found), first, attempt)
