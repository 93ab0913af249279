"""What a person asks of a run reaches its pipeline, acts once, and is answered."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.model import events
from broker.model.subjects import RunKey
from broker.producer import Command, Producer, Run
from broker.producer.cancelled import Cancelled
from broker.producer.ear import BACK_OFF
from broker.stream.connection import Connection
from broker.stream.publish import Message, publish
from broker.stream.replay import read
from broker.stream.topology import PROGRESS, StreamSettings, api, ensure
from tests.faults import killable, link, live
from tests.producer.conftest import Link, Nats, eventually

Warnings = Callable[[], list[str]]
Answer = tuple[str, str, str | None]


async def give(nats: Nats, run: str, action: str, **fields: Any) -> str:
    """Store a command as the gateway does; gives its id."""
    name = fields.pop("id", None) or f"{action}-{len(await nats.events(run))}"
    payload = msgspec.json.encode({"type": f"command.{action}", "id": name, **fields})
    await publish(nats.connection, Message(RunKey("default", run).subject, payload, name))
    return str(name)


async def answers(nats: Nats, run: str) -> list[Answer]:
    """What became of the commands: of each its id, the result and the reason."""
    return [
        (event.command, event.result, event.reason)
        for event in await nats.events(run)
        if isinstance(event, events.CommandAcknowledged)
    ]


async def answered(nats: Nats, run: str, command: str) -> Answer:
    """Wait until a command is answered."""

    async def looked() -> bool:
        found.extend(one for one in await answers(nats, run) if one[0] == command)
        return bool(found)

    found: list[Answer] = []
    await eventually(looked)
    return found[0]


async def ends(nats: Nats, run: str) -> list[dict[str, Any]]:
    """The last events of a run."""
    ends = (events.RunCompleted, events.RunCancelled, events.RunFailed)
    return [
        {"is": type(event), "by": getattr(event, "by", None), "reason": getattr(event, "reason", 0)}
        for event in await nats.events(run)
        if isinstance(event, ends)
    ]


BY_ANN = {"by": "ann", "reason": "wrong data"}
CANCELLED_BY_ANN = [{"is": events.RunCancelled, **BY_ANN}]


@asynccontextmanager
async def reporting(nats: Nats, **how: Any) -> AsyncIterator[tuple[Producer, Run]]:
    """A run that is reported by hand."""
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p", **how)
        run.start()
        await producer.flush()
        yield producer, run


@pytest.fixture
def uncompared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Last sequences are not compared: what a test shows must be found in another way."""
    monkeypatch.setattr("broker.producer.listener.SWEEP", 3600.0)


class Working:
    """A pipeline in a task that waits for ever, unless it is cancelled."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.begun = asyncio.Event()
        self.task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        async with self.run:
            self.begun.set()
            await asyncio.Event().wait()


async def test_a_cancelled_run_stops_and_says_who_asked(nats: Nats) -> None:
    async with Producer.connect(nats.url) as producer:
        working = Working(run := producer.run("p"))
        await working.begun.wait()
        await producer.flush()
        name = await give(nats, run.id, "cancel", **BY_ANN)
        with pytest.raises(asyncio.CancelledError, match="cancelled by ann: wrong data"):
            await working.task
        await producer.flush()
        assert [(name, "accepted", None)] == await answers(nats, run.id)
        assert CANCELLED_BY_ANN == await ends(nats, run.id)
        assert ("ann", "wrong data", True) == (
            run.cancelled.by,
            run.cancelled.reason,
            run.cancelled.is_set(),
        )


async def test_the_task_can_go_on_after_its_run_was_cancelled(nats: Nats) -> None:
    """The request is taken back with the block, so that timeouts and groups around it hold."""
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p")
        giving = asyncio.create_task(_give_when_started(nats, run))
        with suppress(asyncio.CancelledError):
            async with run, asyncio.TaskGroup() as group:
                group.create_task(asyncio.Event().wait())
        task = asyncio.current_task()
        assert task is not None
        assert 0 == task.cancelling()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        await giving
        await producer.flush()
        assert CANCELLED_BY_ANN == await ends(nats, run.id)


async def _give_when_started(nats: Nats, run: Run) -> None:
    await eventually(lambda: nats.tags(run.id))
    await give(nats, run.id, "cancel", **BY_ANN)


async def test_a_pipeline_that_finishes_in_spite_of_it_has_completed(nats: Nats) -> None:
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p")
        async with run:
            giving = asyncio.create_task(_give_when_started(nats, run))
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        task = asyncio.current_task()
        assert task is not None
        assert 0 == task.cancelling()
        await giving
        await producer.flush()
        assert [events.RunCompleted] == [end["is"] for end in await ends(nats, run.id)]


async def test_somebody_elses_cancelling_stays_theirs(nats: Nats) -> None:
    async with Producer.connect(nats.url) as producer:
        working = Working(run := producer.run("p"))
        await working.begun.wait()
        working.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working.task
        assert 1 == working.task.cancelling()
        await producer.flush()
        assert [{"is": events.RunCancelled, "by": None, "reason": None}] == await ends(nats, run.id)


async def test_a_command_after_the_end_is_ignored(nats: Nats) -> None:
    async with reporting(nats) as (producer, run):
        run.complete()
        await producer.flush()
        name = await give(nats, run.id, "cancel")
        assert (name, "ignored", "the run has ended") == await answered(nats, run.id, name)
        assert not run.cancelled


async def test_a_run_may_be_told_and_go_on(nats: Nats) -> None:
    """With on_cancel="ignore" the task is left alone: the pipeline looks, or awaits, or stops at
    a checkpoint.
    """
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p", on_cancel="ignore")

        async def work() -> None:
            async with run:
                await producer.flush()
                await run.checkpoint()
                await give(nats, run.id, "cancel", **BY_ANN)
                command = await run.cancelled
                assert Command(command.id, "cancel", "ann", "wrong data") == command
                assert command is await run.cancelled
                went_on.append(True)
                await run.checkpoint()

        went_on: list[bool] = []
        with pytest.raises(asyncio.CancelledError):
            await work()
        assert went_on
        await producer.flush()
        assert CANCELLED_BY_ANN == await ends(nats, run.id)


async def test_a_wait_for_cancelling_can_be_given_up(nats: Nats) -> None:
    async with reporting(nats) as (_, run):
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await run.cancelled
        waiting = asyncio.ensure_future(run.cancelled)
        await give(nats, run.id, "cancel", by="bob")
        assert "bob" == (await waiting).by


async def test_a_run_that_cannot_be_cancelled(nats: Nats) -> None:
    async with reporting(nats, cancellable=False) as (_, run):
        name = await give(nats, run.id, "cancel")
        assert (name, "rejected", "this run cannot be cancelled") == await answered(
            nats, run.id, name
        )
        assert not run.cancelled


async def test_pause_and_resume_at_a_checkpoint(nats: Nats) -> None:
    """The answer comes at once, the pause at the next checkpoint, for every task that is there."""
    async with reporting(nats) as (producer, run):
        await run.checkpoint()
        pause = await give(nats, run.id, "pause", by="ann", reason="lunch")
        assert (pause, "accepted", None) == await answered(nats, run.id, pause)
        again = await give(nats, run.id, "pause")
        assert "ignored" == (await answered(nats, run.id, again))[1]
        assert "run.paused" not in await nats.tags(run.id)
        waiting = [asyncio.create_task(run.checkpoint()) for _ in range(3)]
        waiting.append(asyncio.create_task(asyncio.to_thread(run.checkpoint_in_thread)))
        await eventually(lambda: _has(nats, run, "run.paused"))
        assert [] == [task for task in waiting if task.done()]
        resume = await give(nats, run.id, "resume", by="bob")
        await asyncio.gather(*waiting)
        await producer.flush()
        assert (resume, "accepted", None) == await answered(nats, run.id, resume)
        assert ["run.paused", "run.resumed"] == [
            tag for tag in await nats.tags(run.id) if tag in ("run.paused", "run.resumed")
        ]
        assert ["lunch", "asked by bob"] == [
            event.reason
            for event in await nats.events(run.id)
            if isinstance(event, events.RunPaused | events.RunResumed)
        ]
        again = await give(nats, run.id, "resume")
        assert (again, "ignored", "no command has paused the run") == await answered(
            nats, run.id, again
        )


async def _has(nats: Nats, run: Run, tag: str) -> bool:
    return tag in await nats.tags(run.id)


async def test_a_pause_that_is_taken_back_before_a_checkpoint_pauses_nothing(nats: Nats) -> None:
    async with reporting(nats) as (producer, run):
        await run.checkpoint()
        for action in ("pause", "resume"):
            name = await give(nats, run.id, action)
            assert (name, "accepted", None) == await answered(nats, run.id, name)
        await run.checkpoint()
        run.complete()
        await producer.flush()
        assert not {"run.paused", "run.resumed"} & set(await nats.tags(run.id))


async def test_a_cancel_is_not_missed_by_a_thread_that_begins_to_wait(nats: Nats) -> None:
    looked, cancelled = threading.Event(), threading.Event()

    class Slow(Cancelled):
        """Lets a cancel come in the moment after a look found none."""

        def __bool__(self) -> bool:
            found = self.is_set()
            looked.set()
            # The cancel must wait for who has looked, so that this wait has to end by itself.
            cancelled.wait(0.2)
            return found

    def cancel() -> None:
        looked.wait()
        commands.cancel(Command("c", "cancel"))
        cancelled.set()

    async with reporting(nats) as (_, run):
        await run.checkpoint()
        await answered(nats, run.id, await give(nats, run.id, "pause"))
        commands = run._commands
        commands.cancelled = Slow()
        waiting = asyncio.create_task(asyncio.to_thread(run.checkpoint_in_thread))
        await asyncio.to_thread(cancel)
        done, _ = await asyncio.wait({waiting}, timeout=5)
        run.complete()  # lets the thread go where it waits for ever
        assert done
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_paused_run_can_be_cancelled(nats: Nats) -> None:
    async with reporting(nats) as (producer, run):
        await run.checkpoint()
        await answered(nats, run.id, await give(nats, run.id, "pause"))
        waiting = asyncio.create_task(run.checkpoint())
        in_thread = asyncio.create_task(asyncio.to_thread(run.checkpoint_in_thread))
        await eventually(lambda: _has(nats, run, "run.paused"))
        await give(nats, run.id, "cancel")
        for stopped in (waiting, in_thread):
            with pytest.raises(asyncio.CancelledError):
                await stopped
        await producer.flush()
        assert not await _has(nats, run, "run.resumed")


async def test_a_checkpoint_lets_a_busy_pipeline_hear(nats: Nats) -> None:
    """A loop that awaits nothing but checkpoints can be cancelled."""
    async with Producer.connect(nats.url) as producer:
        giver = threading.Event()

        async def work() -> None:
            async with run:
                await producer.flush()
                giver.set()
                while True:
                    await run.checkpoint()

        def give_from_outside() -> None:
            giver.wait(20)
            asyncio.run(_give_to(nats.url, run.id))

        run = producer.run("p")
        giving = asyncio.create_task(asyncio.to_thread(give_from_outside))
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(work())
        await giving
        assert "ann" == run.cancelled.by


async def _give_to(url: str, run: str) -> None:
    async with Connection.connect(url, name="giver") as connection:
        await give(Nats(url, connection), run, "cancel", **BY_ANN)


async def test_without_checkpoints_there_is_no_pause(nats: Nats) -> None:
    async with reporting(nats) as (_, run):
        name = await give(nats, run.id, "pause")
        assert (
            name,
            "rejected",
            "this pipeline has no checkpoints, or none so far",
        ) == await answered(nats, run.id, name)


async def test_a_living_run_is_not_retried(nats: Nats) -> None:
    async with reporting(nats) as (_, run):
        name = await give(nats, run.id, "retry")
        assert (name, "rejected", "the run has not ended: cancel it first") == await answered(
            nats, run.id, name
        )


async def _slowly(command: Command) -> bool:
    await asyncio.sleep(0)
    return True


async def _slowly_wrong(command: Command) -> bool:
    await asyncio.sleep(0)
    raise ValueError("broken")


def _wrong(command: Command) -> bool:
    raise ValueError("broken")


@pytest.mark.parametrize(
    ("callback", "action", "answer"),
    [
        (lambda command: None, "cancel", ("accepted", None)),
        (lambda command: True, "retry", ("accepted", None)),
        (lambda command: True, "pause", ("accepted", None)),
        (lambda command: True, "resume", ("accepted", None)),
        (lambda command: False, "cancel", ("rejected", "the pipeline refuses")),
        (lambda command: f"not {command.by}", "cancel", ("rejected", "not ann")),
        (lambda command: object(), "retry", ("rejected", "the run has not ended: cancel it first")),
        (_slowly, "retry", ("accepted", None)),
        (_wrong, "cancel", ("accepted", None)),
        (_slowly_wrong, "cancel", ("accepted", None)),
    ],
)
async def test_a_callback_decides(
    nats: Nats, callback: Any, action: str, answer: tuple[str, str | None]
) -> None:
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p")
        assert callback is run.on_command(callback)
        run.start()
        await producer.flush()
        name = await give(nats, run.id, action, by="ann")
        assert (name, *answer) == await answered(nats, run.id, name)
        assert (action == "cancel" and answer[0] == "accepted") == run.cancelled.is_set()


async def test_a_failing_callback_warns(nats: Nats, warnings: Warnings) -> None:
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p")
        run.on_command(_wrong)
        run.start()
        await producer.flush()
        await answered(nats, run.id, await give(nats, run.id, "cancel"))
    assert ["the callback for commands failed, and the run decides alone: ValueError: broken"] == (
        warnings()
    )


async def test_a_callback_that_never_answers(nats: Nats, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run decides alone when its patience is over; what came meanwhile follows in its order."""
    monkeypatch.setattr("broker.producer.commands.PATIENCE", 0.01)
    heard: list[str] = []

    async def never(command: Command) -> bool:
        heard.append(command.action)
        await asyncio.Event().wait()
        return True

    async with Producer.connect(nats.url) as producer:
        run = producer.run("p")
        run.on_command(never)
        run.start()
        await producer.flush()
        retry, cancel = await give(nats, run.id, "retry"), await give(nats, run.id, "cancel")
        await answered(nats, run.id, cancel)
        assert [(retry, "rejected"), (cancel, "accepted")] == [
            one[:2] for one in await answers(nats, run.id)
        ]
    assert ["retry", "cancel"] == heard


async def test_a_command_acts_once(nats: Nats) -> None:
    """However often it is stored, and read again after the link broke."""
    way = Link(nats.url)
    async with way.opened() as url, Producer.connect(url) as producer:
        heard: list[str] = []
        run = producer.run("p")
        run.on_command(lambda command: heard.append(command.id))
        run.start()
        await producer.flush()
        payload = b'{"type": "command.retry", "id": "c1"}'
        for _ in range(2):
            await publish(nats.connection, Message(RunKey("default", run.id).subject, payload))
        await answered(nats, run.id, "c1")
        way.cut()
        await answered(nats, run.id, await give(nats, run.id, "retry", id="c2"))
        assert ["c1", "c2"] == heard
        assert ["c1", "c2"] == [one[0] for one in await answers(nats, run.id)]


async def test_a_command_without_an_id_is_named_by_its_sequence(nats: Nats) -> None:
    async with reporting(nats) as (_, run):
        subject = RunKey("default", run.id).subject
        stored = await publish(nats.connection, Message(subject, b'{"type":"command.retry"}'))
        assert "rejected" == (await answered(nats, run.id, f"seq-{stored.seq}"))[1]


@pytest.mark.usefixtures("uncompared")
async def test_a_command_given_before_the_start(nats: Nats) -> None:
    async with Producer.connect(nats.url) as producer:
        await give(nats, "r1", "cancel", id="c1", **BY_ANN)
        working = Working(producer.run("p", run_id="r1"))
        with pytest.raises(asyncio.CancelledError):
            await working.task
        await producer.flush()
        assert [("c1", "accepted", None)] == await answers(nats, "r1")
        assert CANCELLED_BY_ANN == await ends(nats, "r1")


async def test_an_attempt_that_the_gateway_ended_in_the_queue(nats: Nats) -> None:
    """It was cancelled, and that was answered, in the moment in which the producer began it."""
    subject = RunKey("default", "r1").subject
    for event in (
        {"type": "run.queued", "pipeline": "p"},
        {"type": "command.cancel", "id": "c1", **BY_ANN},
        {"type": "run.cancelled", "attempt": 1, **BY_ANN},
        {"type": "command.acknowledged", "command": "c1", "result": "accepted"},
    ):
        await publish(nats.connection, Message(subject, msgspec.json.encode(event)))
    async with Producer.connect(nats.url) as producer:
        working = Working(run := producer.run("p", run_id="r1", attempt=1))
        with pytest.raises(asyncio.CancelledError):
            await working.task
        assert "ann" == run.cancelled.by
        assert [("c1", "accepted", None)] == await answers(nats, "r1")


async def test_commands_of_an_earlier_attempt_are_not_for_this_one(nats: Nats) -> None:
    """Nor are those that somebody has answered."""
    subject = RunKey("default", "r1").subject
    for event in (
        {"type": "run.started", "attempt": 1},
        {"type": "command.cancel", "id": "old"},
        {"type": "run.queued", "attempt": 2},
        {"type": "command.retry", "id": "answered"},
        {"type": "command.acknowledged", "command": "answered", "result": "rejected"},
        {"type": "command.cancel", "id": "other", "attempt": 1},
        {"type": "command.pause", "id": "ours"},
    ):
        await publish(nats.connection, Message(subject, msgspec.json.encode(event)))
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p", run_id="r1", attempt=2)
        run.start()
        await answered(nats, "r1", "ours")
        assert ["answered", "ours"] == [one[0] for one in await answers(nats, "r1")]
        assert not run.cancelled


async def test_commands_for_a_later_attempt_are_not_for_this_one(nats: Nats) -> None:
    """Another process has begun attempt 2 while this one still works on attempt 1."""
    async with reporting(nats, run_id="r1", attempt=1) as (producer, run):
        subject = RunKey("default", "r1").subject
        started = b'{"type":"run.started","attempt":2}'
        await publish(nats.connection, Message(subject, started))
        await give(nats, "r1", "cancel")
        other = producer.run("q")
        other.start()
        await producer.flush()
        await answered(nats, other.id, await give(nats, other.id, "retry"))  # heard later
        assert [] == await answers(nats, "r1")
        assert not run.cancelled


@pytest.mark.usefixtures("uncompared")
async def test_a_command_given_while_the_producer_was_away(nats: Nats) -> None:
    way = Link(nats.url)
    async with way.opened() as url, Producer.connect(url) as producer:
        working = Working(run := producer.run("p"))
        await working.begun.wait()
        await producer.flush()
        way.shut()
        name = await give(nats, run.id, "cancel", **BY_ANN)
        await way.open()
        with pytest.raises(asyncio.CancelledError):
            await working.task
        await producer.flush()
        assert [(name, "accepted", None)] == await answers(nats, run.id)
        assert CANCELLED_BY_ANN == await ends(nats, run.id)


@pytest.mark.usefixtures("uncompared")
async def test_a_command_given_before_the_server_died(tmp_path: Path) -> None:
    """The server comes back with what it had stored; the producer takes it up."""
    async with killable(tmp_path / "nats") as server:
        way = Link(server.url)
        async with way.opened() as url, Producer.connect(url) as producer:
            async with Connection.connect(server.url, name="test") as connection:
                await ensure(connection, StreamSettings())
                nats = Nats(server.url, connection)
                working = Working(run := producer.run("p"))
                await working.begun.wait()
                await producer.flush()
                way.shut()
                await give(nats, run.id, "cancel", **BY_ANN)
            await server.kill()
            await server.start()
            await way.open()
            with pytest.raises(asyncio.CancelledError):
                await working.task
    assert "ann" == run.cancelled.by


async def test_a_lost_live_message_is_read(nats: Nats, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison of last sequences finds what no later message shows."""
    monkeypatch.setattr("broker.producer.listener.SWEEP", 0.05)
    async with link(nats.url) as way, Producer.connect(way.url) as producer:
        working = Working(run := producer.run("p"))
        await working.begun.wait()
        await producer.flush()
        way.loses = live(b"command.cancel")
        await give(nats, run.id, "cancel", **BY_ANN)
        with pytest.raises(asyncio.CancelledError):
            await working.task
        await way.lost.wait()


@pytest.mark.usefixtures("uncompared")
async def test_a_lost_live_message_shows_with_the_next(nats: Nats) -> None:
    """What is read then is in its order: the pause comes before its end."""
    async with link(nats.url) as way, Producer.connect(way.url) as producer:
        run = producer.run("p")
        run.start()
        await run.checkpoint()
        await producer.flush()
        way.loses = live(b"command.pause")
        pause = await give(nats, run.id, "pause")
        await way.lost.wait()
        resume = await give(nats, run.id, "resume")
        await answered(nats, run.id, resume)
        assert [(pause, "accepted"), (resume, "accepted")] == [
            one[:2] for one in await answers(nats, run.id)
        ]


async def test_a_server_that_stays_behind_for_long_is_asked_again(
    nats: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it did not have then is found by the next comparison."""
    asked = 0

    async def behind(connection: Connection, subject: str, after: int) -> AsyncIterator[Any]:
        nonlocal asked
        asked += 1
        if asked > len(BACK_OFF):
            async for page in read(connection, subject, after):
                yield page

    monkeypatch.setattr("broker.producer.listener.SWEEP", 0.2)
    async with link(nats.url) as way, Producer.connect(way.url) as producer:
        working = Working(run := producer.run("p"))
        await working.begun.wait()
        await producer.flush()
        monkeypatch.setattr("broker.producer.ear.read", behind)
        way.loses = live(b"command.cancel")
        await give(nats, run.id, "cancel", **BY_ANN)
        await way.lost.wait()
        run.annotate({"team": "a"})
        done, _ = await asyncio.wait({working.task}, timeout=10)
        assert done
        with pytest.raises(asyncio.CancelledError, match="cancelled by ann"):
            await working.task
        assert asked > len(BACK_OFF)


async def test_a_command_while_the_producer_closes(nats: Nats, warnings: Warnings) -> None:
    """Nobody is there any more who could answer it, and that is nothing to warn of."""
    way = Link(nats.url)
    async with way.opened() as url:
        async with Producer.connect(url) as producer:
            run = producer.run("p")
            run.start()
            await producer.flush()
            run.complete()
            closing = asyncio.get_running_loop().create_task(give(nats, run.id, "cancel"))
        await closing
    assert [] == warnings()
    assert [] == await answers(nats, run.id)


async def test_a_run_that_does_not_listen(nats: Nats) -> None:
    """It says so, for nobody should offer what has no effect."""
    async with Producer.connect(nats.url) as producer:
        deaf, run = producer.run("p", commands=False), producer.run("p")
        deaf.start()
        run.start()
        await producer.flush()
        (started,) = await nats.events(deaf.id)
        assert isinstance(started, events.RunStarted)
        assert False is started.cancellable
        await give(nats, deaf.id, "cancel")
        await answered(nats, run.id, await give(nats, run.id, "retry"))
        assert [] == await answers(nats, deaf.id)


async def test_runs_are_started_and_looked_at_in_threads(nats: Nats) -> None:
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p")
        started = threading.Event()

        def work() -> str | None:
            run.start()
            started.set()
            while not run.cancelled.is_set():
                pass
            run.cancel()
            return run.cancelled.by

        working = asyncio.create_task(asyncio.to_thread(work))
        await asyncio.to_thread(started.wait)
        await producer.flush()
        await give(nats, run.id, "cancel", **BY_ANN)
        assert "ann" == await working
        await producer.flush()
        assert CANCELLED_BY_ANN == await ends(nats, run.id)


async def test_a_run_on_another_loop_is_cancelled_there(nats: Nats) -> None:
    async with Producer.connect(nats.url) as producer:
        run = producer.run("p")

        async def work() -> None:
            async with run:
                await asyncio.Event().wait()

        def in_thread() -> None:
            with pytest.raises(asyncio.CancelledError):
                asyncio.run(work())

        working = asyncio.create_task(asyncio.to_thread(in_thread))
        await eventually(lambda: nats.tags(run.id))
        await give(nats, run.id, "cancel", **BY_ANN)
        await working
        await producer.flush()
        assert CANCELLED_BY_ANN == await ends(nats, run.id)


async def test_a_forgotten_run_is_listened_to_no_more(
    nats: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.producer.listener.SWEEP", 0.01)
    async with Producer.connect(nats.url) as producer:
        producer.run("p", run_id="r1").start()
        async with producer.run("p", run_id="r2"):
            pass
        await producer.flush()
        await eventually(lambda: not producer._listener._ears)
        await give(nats, "r1", "cancel")
        run = producer.run("q")
        run.start()
        await producer.flush()
        await answered(nats, run.id, await give(nats, run.id, "retry"))
        assert [] == await answers(nats, "r1")


async def test_a_run_id_used_again_hears_as_the_new_run(nats: Nats) -> None:
    async with reporting(nats, run_id="r1") as (producer, run):
        run.fail("broken")
        again = producer.run("p", run_id="r1")
        again.start()
        await producer.flush()
        await give(nats, "r1", "cancel", id="c1")
        assert ("c1", "accepted", None) == await answered(nats, "r1", "c1")
        assert (False, True) == (run.cancelled.is_set(), again.cancelled.is_set())


@pytest.mark.parametrize("stored", [1, 6], ids=["that came just as far", "that is behind"])
@pytest.mark.parametrize("sweep", [0.05, 3600.0], ids=["compared", "heard"])
async def test_a_stream_made_anew(
    nats: Nats, monkeypatch: pytest.MonkeyPatch, stored: int, sweep: float
) -> None:
    """Its sequences begin again, and commands are heard all the same."""
    monkeypatch.setattr("broker.producer.listener.SWEEP", sweep)
    async with reporting(nats) as (producer, run):
        [ear] = producer._listener._ears.values()
        for number in range(1, stored):
            run.annotate(labels={"a": number})
            await producer.flush()
        if sweep > 1:  # nothing else would tell of what was stored before it listened
            await eventually(lambda: ear.subscription is not None)
            ear.found(stored, datetime.now(UTC))
        await eventually(lambda: ear.last == stored and not ear.behind)
        await api(nats.connection, f"STREAM.DELETE.{PROGRESS}")
        await ensure(nats.connection, StreamSettings())
        name = await give(nats, run.id, "cancel")
        assert "accepted" == (await answered(nats, run.id, name))[1]


async def test_a_stream_made_anew_that_has_come_further(nats: Nats, uncompared: None) -> None:
    """While the producer was away: what it hears of first lies behind the command."""
    way = Link(nats.url)
    async with way.opened() as url, Producer.connect(url) as producer:
        run = producer.run("p", "r1")
        run.start()
        await producer.flush()
        [ear] = producer._listener._ears.values()
        await eventually(lambda: ear.last == 1 and not ear.behind)
        way.shut()
        await api(nats.connection, f"STREAM.DELETE.{PROGRESS}")
        await ensure(nats.connection, StreamSettings())
        other = RunKey("default", "r2").subject
        await publish(nats.connection, Message(other, b'{"type":"run.started"}'))
        name = await give(nats, "r1", "cancel")
        beat = b'{"type":"run.heartbeat"}'
        await publish(nats.connection, Message(RunKey("default", "r1").subject, beat))
        ear.last = 2  # as one that had come to where the command is
        await way.open()
        assert "accepted" == (await answered(nats, "r1", name))[1]


async def test_what_is_known_is_not_read_again(nats: Nats) -> None:
    """Neither after live events, nor where the run has none that are new."""
    async with reporting(nats) as (producer, run):
        [ear] = producer._listener._ears.values()
        await eventually(lambda: ear.subscription is not None and not ear.behind)
        run.annotate(labels={"a": 1})
        await producer.flush()
        await eventually(lambda: ear.last == 2)
        heard: list[int] = []
        ear._past.add = lambda payload, seq: heard.append(seq)  # type: ignore[method-assign]
        async with asyncio.timeout(30):
            await ear.catch_up(nats.connection)
    assert ([], 2) == (heard, ear.last)


async def test_another_event_in_the_place_of_the_last(nats: Nats, uncompared: None) -> None:
    """Also where the clock of who leads the new stream is behind."""
    async with reporting(nats) as (producer, run):
        [ear] = producer._listener._ears.values()
        await eventually(lambda: ear.last == 1 and not ear.behind)
        ear._last_at += timedelta(hours=1)
        await api(nats.connection, f"STREAM.DELETE.{PROGRESS}")
        await ensure(nats.connection, StreamSettings())
        name = await give(nats, run.id, "cancel")
        assert "accepted" == (await answered(nats, run.id, name))[1]
