"""On a real server the checkpoint of every run comes to be the fold of its events."""

import asyncio
import zlib
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from broker.model.checkpoint import pack, unpack
from broker.model.evolve import fold
from broker.model.state import initial
from broker.model.subjects import RunKey
from broker.model.summary import summarize
from broker.runs.projector import ProjectorLimits
from broker.stream.checkpoints import SUMMARY, load, store
from broker.stream.connection import Connection
from broker.stream.marks import CONSUMER, Marks
from broker.stream.publish import Message, publish_all
from broker.stream.topology import CHECKPOINTS, PROGRESS, StreamSettings, api, ensure
from tests.faults import link, until
from tests.gateway.runs import completed, long_run, short_run, started
from tests.runs.projecting import (
    QUICK,
    counted,
    differing,
    everything_is_acknowledged,
    keys_of,
    projecting,
)
from tests.stream.serving import PATIENCE, Nats, following, key_of, nats


async def everything_is_right(server: Nats) -> None:
    """Wait until all is acknowledged; then every checkpoint must be the fold."""
    await everything_is_acknowledged(server.connection)
    assert {} == await differing(server.connection, await keys_of(server))


async def test_every_run_gets_its_checkpoint(tmp_path: Path) -> None:
    """Those stored before, and those that come; short and long ones, with whatever in them."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, following(server.url) as runs:
        await server.publish("short", *short_run())
        await server.publish("long", *long_run(3000))
        await server.publish("größe", b"no event", started(), b"[]", {"type": "lab.made"}, b"")
        async with projecting(server.connection, runs):
            await everything_is_right(server)
            await server.publish("short", {"type": "run.started", "attempt": 2})
            await server.publish("new", *short_run()[:20])
            await everything_is_right(server)
        assert 4 == len(await server.subjects(CHECKPOINTS))


async def test_many_events_cost_few_checkpoints(tmp_path: Path) -> None:
    """Within a window a run is caught up once, to its head."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, following(server.url) as runs:
        await server.publish("r1", *long_run(2000))
        async with projecting(server.connection, runs):
            await everything_is_right(server)
        assert counted(runs.metrics, "checkpoints_written_total") < 10
        assert 2000 == counted(runs.metrics, "projector_acknowledged_total")
        assert counted(runs.metrics, "checkpoint_bytes_total") > 0


@pytest.mark.parametrize("keeps", [4096, 0])
async def test_several_projectors_share_the_events(tmp_path: Path, keeps: int) -> None:
    """They overtake each other, with and without folds kept in memory; nothing is lost."""
    limits = ProjectorLimits(window=0.01, window_most=0.02, rest=0, folds=keeps)
    async with (
        asyncio.timeout(40),
        nats(tmp_path) as server,
        following(server.url) as one,
        following(server.url) as two,
        following(server.url) as three,
        Connection.connect(server.url, name="two") as second,
        Connection.connect(server.url, name="three") as third,
        projecting(server.connection, one, limits),
        projecting(second, two, limits),
        projecting(third, three, limits),
    ):
        events = long_run(400)
        for begin in range(0, 400, 10):
            for run in range(5):
                await server.publish(f"r{run}", *events[begin : begin + 10])
            await asyncio.sleep(0.01)  # spread over many windows
        await everything_is_right(server)
        conflicts = [counted(r.metrics, "checkpoint_conflicts_total") for r in (one, two, three)]
        assert sum(conflicts) > 0, "they never met"


async def test_a_projector_goes_on_where_another_left_off(tmp_path: Path) -> None:
    """From its checkpoint; the events before it may even be gone."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, following(server.url) as runs:
        whole = long_run(100)
        await server.publish("r1", *whole[:60])
        async with projecting(server.connection, runs):
            await everything_is_right(server)
        kept = await server.records("r1")
        await api(server.connection, f"STREAM.PURGE.{PROGRESS}", {"filter": key_of("r1").subject})
        await server.publish("r1", *whole[60:])
        async with projecting(server.connection, runs):
            await everything_is_acknowledged(server.connection)
        found = await load(server.connection, key_of("r1"), runs.epoch)
        kept += await server.records("r1")
        assert pack(fold(kept, initial(*key_of("r1")))) == found.packed


async def test_what_a_stopped_projector_had_is_taken_over_at_once(tmp_path: Path) -> None:
    """It gives back what it has not done, so nobody waits until the server does it."""
    slow = ProjectorLimits(window=60, window_most=60)
    async with asyncio.timeout(8), nats(tmp_path) as server, following(server.url) as runs:
        await server.publish("r1", *short_run())
        async with projecting(server.connection, runs, slow):
            await until(lambda: _handed_out(server))
        async with projecting(server.connection, runs):
            await everything_is_right(server)


async def _handed_out(server: Nats) -> bool:
    names = await api(server.connection, f"CONSUMER.NAMES.{PROGRESS}")
    if CONSUMER not in (names["consumers"] or []):
        return False
    info = await api(server.connection, f"CONSUMER.INFO.{PROGRESS}.{CONSUMER}")
    return bool(len(short_run()) == info["num_ack_pending"])


BROKEN = [
    b"broken",
    zlib.compress(b"{}"),
    b'{"later":1}',
    b'{"run":"\xff"}',
    b'{"later":%b}' % (b"[" * 50_000 + b"]" * 50_000),
]


@pytest.mark.parametrize("packed", BROKEN, ids=["no JSON", "empty", "later", "no UTF-8", "deep"])
async def test_a_broken_checkpoint_is_made_anew(tmp_path: Path, packed: bytes) -> None:
    """From the events, as if there were none; and it is counted."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, following(server.url) as runs:
        await server.publish("r1", *short_run()[:10])
        [last] = await server.publish("r1", started())
        state = initial(*key_of("r1"))
        state.seq = last - 1
        summary = summarize(state, runs.epoch)
        await store(server.connection, key_of("r1"), summary, packed, 0)
        async with projecting(server.connection, runs):
            await everything_is_right(server)
        assert 1 == counted(runs.metrics, "checkpoints_unreadable_total")


@pytest.mark.parametrize("summary", ["{", '{"later":' + "[" * 50_000], ids=["cut off", "deep"])
async def test_a_checkpoint_with_a_broken_summary_is_replaced(tmp_path: Path, summary: str) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, following(server.url) as runs:
        subject = key_of("r1").checkpoint_subject
        stored = Message(subject, b"{}", None, {SUMMARY: summary})
        await publish_all(server.connection, [stored])
        await server.publish("r1", *short_run())
        async with projecting(server.connection, runs):
            await everything_is_right(server)


async def test_a_checkpoint_of_another_stream_is_replaced(tmp_path: Path) -> None:
    """Its sequences mean other events."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, following(server.url) as runs:
        await server.publish("r1", *short_run())
        state = initial(*key_of("r1"))
        state.seq, state.message = 1_000_000, "of long ago"
        await store(server.connection, key_of("r1"), summarize(state, "earlier"), pack(state), 0)
        async with projecting(server.connection, runs):
            await everything_is_right(server)


async def test_a_state_too_large_to_store_is_told_in_the_list_alone(tmp_path: Path) -> None:
    """Its events are acknowledged all the same; who opens it replays them."""
    names = [sha256(b"%d" % n).hexdigest() for n in range(500)]
    async with asyncio.timeout(30), nats(tmp_path) as server, following(server.url) as runs:
        await server.publish("r1", {**started(), "plan": [{"step": name} for name in names]})
        await server.publish("r1", *[{"type": "step.started", "step": name} for name in names])
        largest = server.connection.largest
        try:
            server.connection._client._max_payload = (
                10_000  # the server has no such option below 1 MiB here
            )
            async with projecting(server.connection, runs):
                await everything_is_acknowledged(server.connection)
        finally:
            server.connection._client._max_payload = largest
        found = await load(server.connection, key_of("r1"), runs.epoch)
        assert (501, b"") == (found.seq, found.packed)
        assert None is await runs.checkpoint(key_of("r1"))


async def test_it_goes_on_after_nats_was_away(tmp_path: Path) -> None:
    """In the midst of its work; meanwhile it ends nothing."""
    async with (
        asyncio.timeout(50),
        nats(tmp_path) as server,
        link(server.url) as way,
        following(server.url) as runs,
        Connection.connect(way.url, name="projector") as connection,
        projecting(connection, runs),
    ):
        for _ in range(3):
            events = [Message(key_of(f"r{n % 50}").subject, b'{"type":"run.heartbeat"}')
                      for n in range(2000)]  # fmt: skip
            publishing = asyncio.create_task(publish_all(server.connection, events))
            await until(lambda: server.subjects(CHECKPOINTS))
            way.cut()
            await publishing
        await way.close()
        await server.publish("r1", *short_run())
        await way.open()
        await everything_is_right(server)


async def test_it_goes_on_when_its_consumer_is_deleted(tmp_path: Path) -> None:
    """Everything is told again then, and most of it acknowledged at once."""
    async with asyncio.timeout(30), nats(tmp_path) as server, following(server.url) as runs:
        await server.publish("r1", *short_run())
        async with projecting(server.connection, runs):
            await everything_is_right(server)
            written = counted(runs.metrics, "checkpoints_written_total")
            await api(server.connection, f"CONSUMER.DELETE.{PROGRESS}.{CONSUMER}")
            await server.publish("r2", *short_run())
            await everything_is_right(server)
            assert written + 2 >= counted(runs.metrics, "checkpoints_written_total")


async def test_a_stream_made_anew_makes_every_checkpoint_anew(tmp_path: Path) -> None:
    """Although its sequences begin below those of the checkpoints."""
    async with asyncio.timeout(45), nats(tmp_path) as server, following(server.url) as runs:
        await server.publish("r1", *short_run())
        async with projecting(server.connection, runs):
            await everything_is_right(server)
            before = runs.epoch
            await api(server.connection, f"STREAM.DELETE.{PROGRESS}")
            await ensure(server.connection, StreamSettings())
            await server.publish("r1", *short_run()[:5])
            await server.publish("r2", started())
            await everything_is_right(server)
            assert before != runs.epoch


async def test_readiness_tells_whether_it_has_caught_up_once(tmp_path: Path) -> None:
    """Later lag is told by a metric: it is every gateway's, and must not end them all."""
    waits = ProjectorLimits(window=0.01, marks=10)
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, following(server.url) as runs:
        async with projecting(server.connection, runs) as projector:
            assert "the projector has not begun" == projector.why_not_ready()
            await projector.caught_up(5)
            assert None is projector.why_not_ready()
            await server.publish("r1", *long_run(100))
            assert None is projector.why_not_ready()
            await everything_is_acknowledged(server.connection)
        await server.publish("r2", *long_run(100))
        await api(server.connection, f"STREAM.DELETE.{CHECKPOINTS}")  # so that it never does
        async with projecting(server.connection, runs, waits) as projector:
            await projector.caught_up(0.5)
            assert "the projector has not caught up" == projector.why_not_ready()
        late = msgspec.structs.replace(waits, ready_within=0.0)
        async with projecting(server.connection, runs, late) as projector:
            await projector.caught_up(0.5)
            assert None is projector.why_not_ready()


async def test_the_consumer_of_earlier_versions_is_removed(tmp_path: Path) -> None:
    """Unless a gateway of theirs still reads by it."""
    names = f"CONSUMER.NAMES.{PROGRESS}"
    config = {"durable_name": "malformed", "ack_policy": "explicit"}
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, following(server.url) as runs:
        create = {"stream_name": PROGRESS, "config": config}
        await api(server.connection, f"CONSUMER.CREATE.{PROGRESS}.malformed", create)
        reading = await server.connection.subscribe("inbox", lambda *message: None)
        await server.connection.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{PROGRESS}.malformed",
            b'{"batch":1,"expires":500000000}',
            reply="inbox",
        )
        await Marks(server.connection, runs, runs.metrics).open()
        found = (await api(server.connection, names))["consumers"]
        assert {"malformed", CONSUMER} == set(found)
        await reading.close()

        async def nobody_reads() -> bool:
            info = await api(server.connection, f"CONSUMER.INFO.{PROGRESS}.malformed")
            return not info["num_waiting"]

        await until(nobody_reads)
        await Marks(server.connection, runs, runs.metrics).open()
        assert [CONSUMER] == (await api(server.connection, names))["consumers"]


async def test_the_newest_event_of_many_runs_is_soon_in_a_checkpoint(tmp_path: Path) -> None:
    """With more runs than visits at a time, and more marks than one request brings."""
    async with asyncio.timeout(40), nats(tmp_path) as server, following(server.url) as runs:
        messages = [
            Message(RunKey("default", f"r{n % 500}").subject, b'{"type":"run.heartbeat"}')
            for n in range(5000)
        ]
        await publish_all(server.connection, messages)
        async with projecting(server.connection, runs, QUICK):
            await everything_is_right(server)
            await publish_all(
                server.connection,
                [
                    Message(RunKey("default", f"r{n}").subject, msgspec.json.encode(completed()))
                    for n in range(500)
                ],
            )
            await everything_is_right(server)
            for n in range(0, 500, 50):
                found = await load(server.connection, key_of(f"r{n}"), runs.epoch)
                assert "completed" == unpack(found.packed).status
        assert 500 == len(await server.subjects(CHECKPOINTS))
