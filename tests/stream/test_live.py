"""A followed run is delivered whole, in order, each record once, whatever gets lost on the way."""

import asyncio
import random
from pathlib import Path

from broker.stream.live import LiveRuns
from broker.stream.publish import Message, publish_all
from broker.stream.topology import PROGRESS, StreamSettings, api, ensure
from tests.faults import link, live, until
from tests.stream.serving import PATIENCE, Log, following, key_of, nats

EVENT = {"type": "run.heartbeat"}


def numbered(number: int) -> dict[str, object]:
    return {"type": "run.progress", "current": number}


async def test_stored_records_come_first_then_those_to_come(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, following(server.url) as runs:
        stored = await server.publish("r1", EVENT, EVENT)
        await server.publish("another", EVENT)
        log = Log()
        await runs.follow(key_of("r1"), log.deliver)
        assert stored == log.seqs
        [more] = await server.publish("r1", EVENT)
        assert [*stored, more] == await log.upto(more)


async def test_a_publisher_that_goes_on_during_the_opening_changes_nothing(tmp_path: Path) -> None:
    """However the subscription, the reading and the publishing interleave."""
    chance = random.Random(3)
    async with asyncio.timeout(40), nats(tmp_path) as server, following(server.url) as runs:
        for attempt in range(60):
            run = f"r{attempt}"
            log = Log()
            before, during = chance.randint(0, 20), chance.randint(1, 60)
            pause = chance.choice([0.0, 0.0002, 0.001])
            await server.publish(run, *[EVENT] * before)

            async def publish(run: str = run, count: int = during, pause: float = pause) -> int:
                seq = 0
                for _ in range(count):
                    [seq] = await server.publish(run, EVENT)
                    await asyncio.sleep(pause)
                return seq

            publishing = asyncio.create_task(publish())
            await asyncio.sleep(pause * chance.randint(0, 10))
            follower = await runs.follow(key_of(run), log.deliver)
            await log.upto(await publishing)
            assert [record.seq for record in await server.records(run)] == log.seqs
            await follower.close()


async def test_a_burst_during_the_opening_that_is_too_long_to_hold_is_read(tmp_path: Path) -> None:
    """More live records than are held back, and more stored ones than a page holds."""
    async with asyncio.timeout(30), nats(tmp_path) as server, following(server.url) as runs:
        await server.publish("r1", *[EVENT] * 5000)
        log = Log()
        opening = asyncio.create_task(runs.follow(key_of("r1"), log.deliver))
        stored = await server.publish("r1", *[EVENT] * 6000)
        await opening
        await log.upto(stored[-1])
        assert list(range(1, stored[-1] + 1)) == log.seqs


async def test_a_lost_message_is_found_by_the_next(tmp_path: Path) -> None:
    """Each live message names its run's previous sequence, so a missing one leaves a hole."""
    async with (
        asyncio.timeout(PATIENCE),
        nats(tmp_path) as server,
        link(server.url) as way,
        following(way.url, server.url) as runs,
    ):
        log = Log()
        await runs.follow(key_of("r1"), log.deliver)
        way.loses = live(b'"current":2')
        seqs = await server.publish("r1", *map(numbered, range(1, 6)))
        assert seqs == await log.upto(seqs[-1])
        assert way.lost.is_set()
        assert 1 == runs.metrics.gaps.labels(found_by="chain")._value.get()
        await until(lambda: _mended(runs))


async def _mended(runs: LiveRuns) -> bool:
    return runs.metrics.registry.get_sample_value("progress_broker_gaps_mended_total") == 1


async def test_lost_messages_of_all_kinds_leave_no_hole(tmp_path: Path) -> None:
    """A link that loses every third live message delays, and hides nothing."""
    chance = random.Random(5)
    async with (
        asyncio.timeout(30),
        nats(tmp_path) as server,
        link(server.url) as way,
        following(way.url, server.url) as runs,
    ):
        log = Log()
        await runs.follow(key_of("r1"), log.deliver)
        is_live = live()
        way.loses = lambda message: is_live(message) and chance.random() < 0.3
        for number in range(300):
            await server.publish("r1", numbered(number))
        way.loses = live(b"no such")
        [last] = await server.publish("r1", EVENT)
        await log.upto(last)
        assert [record.seq for record in await server.records("r1")] == log.seqs


async def test_the_loss_of_the_last_message_is_found_by_comparing(tmp_path: Path) -> None:
    """No later message shows it, so all last sequences are compared every few seconds."""
    async with (
        asyncio.timeout(PATIENCE),
        nats(tmp_path) as server,
        link(server.url) as way,
        following(way.url, server.url) as runs,
    ):
        log = Log()
        await runs.follow(key_of("r1"), log.deliver)
        way.loses = live()
        [last] = await server.publish("r1", {"type": "run.completed"})
        await way.lost.wait()
        assert [] == log.seqs
        async with asyncio.timeout(10):
            assert [last] == await log.upto(last)
        assert 1 == runs.metrics.gaps.labels(found_by="comparison")._value.get()


async def test_what_was_stored_while_the_link_was_down_is_read_after_it(tmp_path: Path) -> None:
    """After every reconnect the last sequences are compared at once."""
    async with (
        asyncio.timeout(PATIENCE),
        nats(tmp_path) as server,
        link(server.url) as way,
        following(way.url) as runs,
    ):
        log = Log()
        [first] = await server.publish("r1", EVENT)
        await runs.follow(key_of("r1"), log.deliver)
        await way.close()
        missed = await server.publish("r1", EVENT, EVENT)
        await way.open()
        assert [first, *missed] == await log.upto(missed[-1])
        [next_] = await server.publish("r1", EVENT)
        assert [first, *missed, next_] == await log.upto(next_)


async def test_a_publisher_cannot_lie_about_its_place(tmp_path: Path) -> None:
    """The server's own headers stand behind the publisher's in what it republishes, too."""
    lies = {"Nats-Sequence": "1", "Nats-Last-Sequence": "900", "Nats-Time-Stamp": "1999"}
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, following(server.url) as runs:
        log = Log()
        await runs.follow(key_of("r1"), log.deliver)
        message = Message(key_of("r1").subject, b'{"type":"run.heartbeat"}', headers=lies)
        await publish_all(server.connection, [message] * 5)
        assert [1, 2, 3, 4, 5] == await log.upto(5)
        assert 0 == runs.metrics.gaps.labels(found_by="chain")._value.get()


async def test_a_stream_made_anew_has_another_epoch(tmp_path: Path) -> None:
    """Sequences begin at 1 again, and mean something else."""
    async with (
        asyncio.timeout(PATIENCE),
        nats(tmp_path) as server,
        link(server.url) as way,
        following(way.url) as runs,
    ):
        renewed = asyncio.Event()
        runs.on_new_epoch = renewed.set
        before = runs.epoch
        await api(server.connection, f"STREAM.DELETE.{PROGRESS}")
        await ensure(server.connection, StreamSettings())
        way.cut()
        await renewed.wait()
        assert before != runs.epoch


async def test_a_closed_follower_hears_nothing(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, following(server.url) as runs:
        closed, other = Log(), Log()
        follower = await runs.follow(key_of("r1"), closed.deliver)
        await follower.close()
        await follower.close()
        await runs.follow(key_of("r2"), other.deliver)
        await server.publish("r1", EVENT)
        [seq] = await server.publish("r2", EVENT)
        await other.upto(seq)
        assert [] == closed.seqs
        assert ["progress.default.r2"] == list(runs.followers)
