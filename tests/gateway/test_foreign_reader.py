"""Messages of dialects by NATS: nothing is lost, doubled or out of order, whoever translates."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from broker.errors import StreamUnavailable
from broker.model.subjects import RunKey, dialect_subject
from broker.stream.connection import Connection
from broker.stream.publish import Message, publish_all
from broker.stream.topology import DEADLETTER, DIALECTS, LOGS, PROGRESS, api, created_at
from tests.faults import killable, link, nothing, until
from tests.gateway.serving import broker, gateway
from tests.gateway.tiny import TINY, say
from tests.stream.serving import PATIENCE, Nats, key_of, nats
from tests.stream.test_deadletter import letters

RUNS = 12
ROUNDS = 12


def sent(run: str, *messages: bytes, dialect: str = "tiny") -> list[Message]:
    """Messages of a run as their producer publishes them."""
    return [Message(dialect_subject(dialect, key_of(run)), message) for message in messages]


async def send(server: Nats, run: str, *messages: bytes) -> None:
    await publish_all(server.connection, sent(run, *messages))


async def everything_is_translated(server: Nats, seconds: float = PATIENCE) -> None:
    async def nothing_is_left() -> bool:
        return not await server.subjects(DIALECTS)

    await until(nothing_is_left, seconds)


async def told(server: Nats, run: str) -> list[dict[str, Any]]:
    """The stored events of a run, without their ids."""
    events = [json.loads(record.payload) for record in await server.records(run)]
    assert all(len(event.pop("id")) == 26 for event in events)
    return events


def story(rounds: int) -> list[bytes]:
    """What a run says that fails and begins again; parts of it are judged by how the run stands."""
    messages = [say("begin")]
    for number in range(1, rounds + 1):
        messages += [say("step", step=f"s{n}", count=number * 10 + n) for n in range(4)]
        messages += [say("fail"), say("again"), say("nothing")]
    return [*messages, say("done")]


def stored(rounds: int) -> list[dict[str, Any]]:
    """What must be stored of such a run, and nothing else."""
    events: list[dict[str, Any]] = [{"type": "run.started", "name": "tiny"}]
    error = {"message": "no more"}
    for number in range(1, rounds + 1):
        events += [
            {"type": "step.progress", "step": f"s{n}", "current": float(number * 10 + n)}
            for n in range(4)
        ]
        events += [{"type": "step.failed", "step": f"s{n}", "error": error} for n in range(4)]
        events += [{"type": "run.failed", "error": error}]
        events += [{"type": "run.started", "attempt": number + 1}]
    return [
        *events,
        {"type": "run.progress", "current": 1, "total": 1},
        {"type": "run.completed"},
    ]


async def test_a_producer_needs_no_gateway(tmp_path: Path) -> None:
    """What it says is translated when one comes."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await send(server, "größe", *story(2))
        await publish_all(server.connection, sent("r2", say("begin"), say("log")))
        async with gateway(server.url, dialects=TINY):
            await everything_is_translated(server)
        assert stored(2) == await told(server, "größe")
        assert {"logs.default.r2": 1} == await server.subjects(LOGS)


async def test_what_cannot_be_read_is_kept_aside_with_the_reason(tmp_path: Path) -> None:
    bad = {
        "r1": (say("step"), "step: is missing"),
        "r2": (b"no JSON", "malformed"),
        "r3": (say("broken"), "it cannot be read: KeyError"),
        "r4": (say("begin", run="r5"), "the run id in the message is 'r5', not 'r4'"),
        "r5": (say("again"), "has not ended"),
        "r6": (say("step", step="a" * 300), "$.step"),
    }
    async with asyncio.timeout(PATIENCE), broker(tmp_path, dialects=TINY) as b:
        for run, (message, _) in bad.items():
            await send(b.nats, run, say("begin"), message, say("done"))
        await everything_is_translated(b.nats)
        kept = {letter.headers["Broker-Subject"]: letter for letter in await letters(b.nats)}
        assert {f"dialect.tiny.default.{run}" for run in bad} == set(kept)
        for run, (message, reason) in bad.items():
            letter = kept[f"dialect.tiny.default.{run}"]
            assert message == letter.payload
            assert reason in letter.headers["Broker-Reason"]
            types = [event["type"] for event in await told(b.nats, run)]
            assert ["run.started", "run.progress", "run.completed"] == types
        counted = [
            await b.metric("dialect_messages_total", dialect="tiny", outcome=outcome)
            for outcome in ("stored", "refused")
        ]
        assert [12, 6] == counted


async def test_a_subject_may_name_anything(tmp_path: Path) -> None:
    """An unknown dialect, what no run can be called, and a tenant."""
    hostile = ["dialect.tinny.default.r1", "dialect.tiny.default.=zz", "dialect.*.*.*"]
    async with asyncio.timeout(PATIENCE), broker(tmp_path, dialects=TINY) as b:
        messages = [Message(subject, say("begin")) for subject in hostile]
        other = RunKey("acme", "r1")
        messages += [Message(dialect_subject("tiny", other), say(word)) for word in ("begin", "no")]
        await publish_all(b.nats.connection, messages)
        await everything_is_translated(b.nats)
        assert {"progress.acme.r1": 1} == await b.nats.subjects()
        kept = await letters(b.nats)
        assert {"deadletter.default": 3, "deadletter.acme": 1} == await b.nats.subjects(DEADLETTER)
        assert "did you mean tiny?" in kept[0].headers["Broker-Reason"]
        assert (
            3
            == await b.metric("dialect_messages_total", dialect="unknown", outcome="refused")
            + await b.metric("dialect_messages_total", dialect="tiny", outcome="refused")
            - 1
        )


async def test_two_gateways_keep_the_order_of_each_run(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(30),
        nats(tmp_path) as server,
        gateway(server.url, dialects=TINY),
        gateway(server.url, dialects=TINY),
    ):
        for message in story(ROUNDS):
            for number in range(RUNS):
                await send(server, f"r{number}", message)
        await everything_is_translated(server)
        for number in range(RUNS):
            assert stored(ROUNDS) == await told(server, f"r{number}")


def acknowledgement(message: bytes) -> bool:
    """Whether it is the word of the server that an event is stored."""
    return b'"stream":"PROGRESS"' in message


async def test_a_message_whose_storing_was_not_acknowledged_is_stored_once(tmp_path: Path) -> None:
    """It is handed out again; by then the run stands elsewhere, but it is known."""
    async with (
        asyncio.timeout(30),
        nats(tmp_path) as server,
        link(server.url) as way,
        gateway(way.url, dialects=TINY),
    ):
        await send(server, "r1", say("begin"), say("done"))
        await everything_is_translated(server)
        way.loses = acknowledgement
        await send(server, "r1", say("again"))
        await way.lost.wait()
        way.loses = nothing
        await everything_is_translated(server)
        assert [1, 1, 1, 2] == [event.get("attempt", 1) for event in await told(server, "r1")]
        assert {} == await server.subjects(DEADLETTER)


async def test_a_message_of_which_a_part_was_stored_is_completed(tmp_path: Path) -> None:
    """The run has gone on by that part, so the message is judged to be what is missing."""
    async with (
        asyncio.timeout(30),
        nats(tmp_path) as server,
        link(server.url) as way,
        gateway(way.url, dialects=TINY),
    ):
        steps = ("a", "b", "c")
        await send(server, "r1", say("begin"), *[say("step", step=step) for step in steps])
        await everything_is_translated(server)
        way.loses = acknowledgement
        await send(server, "r1", say("fail"))
        await way.lost.wait()
        way.loses = nothing
        await everything_is_translated(server)
        events = await told(server, "r1")
        assert [*steps, None] == [e.get("step") for e in events if e["type"].endswith(".failed")]
        assert {} == await server.subjects(DEADLETTER)


async def test_who_takes_over_knows_what_was_stored_before(tmp_path: Path) -> None:
    """Also where it opens the run from a checkpoint that has it in it already."""
    async with (
        asyncio.timeout(50),
        nats(tmp_path) as server,
        link(server.url) as way,
        gateway(way.url, dialects=TINY),
    ):
        await send(server, "r1", say("begin"), say("done"))
        await everything_is_translated(server)
        way.loses = acknowledgement
        async with gateway(server.url, dialects=TINY):
            await send(server, "r1", say("again"))
            await way.lost.wait()
            await way.close()
            await everything_is_translated(server, 30)
        assert [1, 1, 1, 2] == [event.get("attempt", 1) for event in await told(server, "r1")]
        assert {} == await server.subjects(DEADLETTER)


async def test_it_goes_on_after_nats_was_away(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(50),
        killable(tmp_path) as server,
        gateway(server.url, dialects=TINY),
    ):
        async with connected(server.url) as producer:
            await send(producer, "r1", *story(1)[:-1])
            await everything_is_translated(producer)
        await server.kill()
        await server.start()
        async with connected(server.url) as producer:
            await send(producer, "r1", *story(1)[-1:])
            await everything_is_translated(producer, 30)
            assert stored(1) == await told(producer, "r1")


async def test_a_stream_that_was_deleted_is_made_anew(tmp_path: Path) -> None:
    """What is sent then is not taken for what had its place before."""
    async with asyncio.timeout(PATIENCE), broker(tmp_path, dialects=TINY) as b:
        await send(b.nats, "r1", say("begin"))
        await everything_is_translated(b.nats)
        await api(b.nats.connection, f"STREAM.DELETE.{DIALECTS}")

        async def is_there() -> bool:
            with suppress(StreamUnavailable):
                await created_at(b.nats.connection, DIALECTS)
                return True
            return False

        await until(is_there)
        await send(b.nats, "r1", say("done"))
        await everything_is_translated(b.nats)
        types = [event["type"] for event in await told(b.nats, "r1")]
        assert ["run.started", "run.progress", "run.completed"] == types


async def test_what_is_bad_goes_on_where_its_stream_was_deleted(tmp_path: Path) -> None:
    """One message that cannot be kept aside must not keep all others waiting."""
    async with asyncio.timeout(PATIENCE), broker(tmp_path, dialects=TINY) as b:
        await api(b.nats.connection, f"STREAM.DELETE.{DEADLETTER}")
        await send(b.nats, "r1", say("begin"), b"no JSON", say("done"))
        await everything_is_translated(b.nats)
        assert 1 == sum((await b.nats.subjects(DEADLETTER)).values())
        assert {"progress.default.r1": 3} == await b.nats.subjects()


@pytest.mark.parametrize(
    ("stream", "message"), [(LOGS, say("log")), (PROGRESS, say("begin")), (PROGRESS, say("fail"))]
)
async def test_what_was_stored_long_ago_is_known(
    tmp_path: Path, stream: str, message: bytes
) -> None:
    """The server knows ids for a while; here it is made to forget them at once."""
    async with (
        asyncio.timeout(PATIENCE),
        nats(tmp_path) as server,
        link(server.url) as way,
        gateway(way.url, dialects=TINY),
    ):
        way.loses = lambda message: b'"stream":"%b"' % stream.encode() in message
        await send(server, "r1", message)
        await way.lost.wait()
        info = await api(server.connection, f"STREAM.INFO.{stream}")
        short = info["config"] | {"duplicate_window": 100_000_000}
        await api(server.connection, f"STREAM.UPDATE.{stream}", short)
        way.loses = nothing
        await everything_is_translated(server)
        assert 1 == sum((await server.subjects(stream)).values())
        assert {} == await server.subjects(DEADLETTER)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Nats]:
    async with Connection.connect(url, name="producer") as connection:
        yield Nats(url, connection)


@asynccontextmanager
async def process(url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A gateway as a process of its own, which has begun to listen."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.gateway.tiny_gateway", url, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert started.stdout is not None
        assert (await started.stdout.readline()).startswith(b"http://")
        yield started
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


@pytest.mark.timeout(120)
async def test_the_gateway_that_translates_may_be_killed_at_any_moment(tmp_path: Path) -> None:
    """Twice, while producers go on: the next one goes on where it was, in the same order."""
    async with asyncio.timeout(110), nats(tmp_path) as server, AsyncExitStack() as stack:
        gateways = [await stack.enter_async_context(process(server.url)) for _ in range(3)]

        async def produce() -> None:
            for message in story(4 * ROUNDS):
                for number in range(RUNS):
                    await send(server, f"r{number}", message)

        async def beyond(events: int) -> None:
            async def stored_so_many() -> bool:
                return sum((await server.subjects()).values()) > events

            await until(stored_so_many, 40)

        producing = asyncio.create_task(produce())
        for number, victim in enumerate(gateways[:2]):
            await beyond(500 + 1500 * number)
            victim.send_signal(signal.SIGKILL)
            await victim.wait()
        await producing
        await everything_is_translated(server, 60)
        for number in range(RUNS):
            assert stored(4 * ROUNDS) == await told(server, f"r{number}")
        assert {} == await server.subjects(DEADLETTER)
