"""A checkpoint is one message of the bucket RUNS: read as it was written, or passed over."""

import asyncio
import zlib
from pathlib import Path

import msgspec
import pytest

from broker.errors import StreamUnavailable, Superseded
from broker.model.checkpoint import Checkpoint, pack, unpack
from broker.model.cursor import Cursor
from broker.model.evolve import fold
from broker.model.state import RunState, initial
from broker.model.summary import decode_summary, summarize
from broker.stream.checkpoints import SUMMARY, load, store, summary_in
from broker.stream.connection import Connection
from broker.stream.publish import Message, publish
from broker.stream.topology import CHECKPOINTS, api
from tests.gateway.runs import long_run, short_run, started
from tests.stream.serving import PATIENCE, Nats, following, key_of, nats
from tests.unit.runs import exactly

EPOCH = "e1"


async def stored_state(server: Nats, run: str) -> RunState:
    """What the events of a run fold to."""
    return fold(await server.records(run), initial(*key_of(run)))


async def write(server: Nats, state: RunState, revision: int = 0, epoch: str = EPOCH) -> int:
    """Store the checkpoint of a state."""
    key, summary = key_of(state.run), summarize(state, epoch)
    return await store(server.connection, key, summary, pack(state), revision)


async def test_what_is_stored_is_loaded(tmp_path: Path) -> None:
    """A short state as JSON, a long one compressed; with any characters in its names."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        steps = [{"step": f"schritt-ü-{n}"} for n in range(300)]
        await server.publish("größe \U0001f600", {**started(), "plan": steps, "name": "naïve\r\n"})
        await server.publish("r1", *short_run())
        for run in ("r1", "größe \U0001f600"):
            state = await stored_state(server, run)
            revision = await write(server, state)
            found = await load(server.connection, key_of(run), EPOCH)
            assert (revision, state.seq) == (found.revision, found.seq)
            assert exactly(state) == exactly(unpack(found.packed))


async def test_a_run_without_checkpoint_has_an_empty_one(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        assert Checkpoint() == await load(server.connection, key_of("nobody"), EPOCH)


async def test_a_checkpoint_replaces_only_the_one_it_was_made_from(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await server.publish("r1", *short_run())
        state = await stored_state(server, "r1")
        first = await write(server, state)
        with pytest.raises(Superseded, match=r"KV\.RUNS\.default\.r1"):
            await write(server, state, revision=0)
        second = await write(server, state, revision=first)
        with pytest.raises(Superseded):
            await write(server, state, revision=first)
        found = await load(server.connection, key_of("r1"), EPOCH)
        assert second == found.revision


async def test_of_another_stream_only_the_revision_counts(tmp_path: Path) -> None:
    """Its sequences mean other events; who replaces it must still know what it replaces."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await server.publish("r1", *short_run())
        revision = await write(server, await stored_state(server, "r1"), epoch="earlier")
        assert Checkpoint(revision) == await load(server.connection, key_of("r1"), EPOCH)


async def test_a_state_too_large_for_a_message_leaves_its_summary(tmp_path: Path) -> None:
    """The run is in the list; the rest of it is replayed."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await server.publish("r1", *short_run())
        state = await stored_state(server, "r1")
        key, summary = key_of("r1"), summarize(state, EPOCH)
        largest = server.connection.largest
        for size in (largest - 100, largest, 2 * largest):
            revision = (await load(server.connection, key, EPOCH)).revision
            again = await store(server.connection, key, summary, b"x" * size, revision)
            found = await load(server.connection, key, EPOCH)
            assert Checkpoint(again, state.seq, b"") == found


async def test_the_summary_is_a_header_on_one_line(tmp_path: Path) -> None:
    """So an index reads the rows of the list without the states."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await server.publish("r1", {**started(), "name": "two\r\nlines: ü"}, *short_run())
        state = await stored_state(server, "r1")
        await write(server, state)
        subject = f"$JS.API.DIRECT.GET.{CHECKPOINTS}.{key_of('r1').checkpoint_subject}"
        headers, _ = await server.connection.ask(subject, b"")
        [line] = [row for row in headers.split(b"\r\n") if row.startswith(SUMMARY.encode())]
        assert summarize(state, EPOCH) == decode_summary(line.split(b": ", 1)[1])
        assert summarize(state, EPOCH) == summary_in(headers)


@pytest.mark.parametrize(
    "body",
    [b"{", b"x", b"\0\1", b"{}", zlib.compress(b"[]"), b'{"seq":"one"}', b"x" * 70_000],
)
async def test_a_checkpoint_that_cannot_be_read_is_passed_over(tmp_path: Path, body: bytes) -> None:
    """It is counted, and the run is read from its events."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, following(server.url) as runs:
        await server.publish("r1", *short_run())
        summary = summarize(await stored_state(server, "r1"), runs.epoch)
        await store(server.connection, key_of("r1"), summary, body, 0)
        assert None is await runs.checkpoint(key_of("r1"))
        assert 1 == runs.metrics.checkpoints_unreadable._value.get()


@pytest.mark.parametrize("summary", ["", "{", '{"run":"r1"}', '{"cursor":"nonsense"}'])
async def test_a_checkpoint_without_a_sound_summary_is_none(tmp_path: Path, summary: str) -> None:
    """Anybody can write into a bucket."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        subject = key_of("r1").checkpoint_subject
        headers = {SUMMARY: summary} if summary else {}
        stored = await publish(server.connection, Message(subject, b"?", None, headers))
        assert Checkpoint(stored.seq) == await load(server.connection, key_of("r1"), EPOCH)


async def test_a_followed_run_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    """What is delivered is the tail alone."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, following(server.url) as runs:
        seqs = await server.publish("r1", *long_run(50))
        state = fold((await server.records("r1"))[:30], initial(*key_of("r1")))
        await write(server, state, epoch=runs.epoch)
        found = await runs.checkpoint(key_of("r1"))
        assert found is not None
        assert exactly(state) == exactly(found)
        delivered: list[int] = []
        follower = await runs.follow(
            key_of("r1"), lambda records: delivered.extend(r.seq for r in records), found.seq
        )
        assert seqs[30:] == delivered
        await follower.close()


async def test_tools_of_nats_read_the_bucket(tmp_path: Path) -> None:
    """`nats kv get RUNS default.r1` asks just this."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await server.publish("r1", *short_run())
        await write(server, await stored_state(server, "r1"))
        last = {"last_by_subj": "$KV.RUNS.default.r1"}
        answer = await api(server.connection, f"STREAM.MSG.GET.{CHECKPOINTS}", last)
        assert "$KV.RUNS.default.r1" == answer["message"]["subject"]


async def test_a_bucket_that_is_away_is_an_error_and_not_an_absent_checkpoint(
    tmp_path: Path,
) -> None:
    """Else a run would be taken for one without a past."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await api(server.connection, f"STREAM.DELETE.{CHECKPOINTS}")
        async with Connection.connect(server.url, name="reader") as connection:
            with pytest.raises(StreamUnavailable):
                await load(connection, key_of("r1"), EPOCH)


def test_a_cursor_of_a_summary_is_what_a_checkpoint_goes_up_to() -> None:
    state = initial("default", "r1")
    state.seq = 7
    summary = summarize(state, EPOCH)
    assert Cursor(EPOCH, 7) == Cursor.parse(summary.cursor)
    assert summary == decode_summary(msgspec.json.encode(summary))
