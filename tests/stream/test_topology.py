"""The streams are created, verified, brought up to date, or refused with the reason."""

import asyncio
from pathlib import Path

import pytest

from broker.errors import StreamRefused, StreamUnavailable, TopologyMismatch
from broker.stream.connection import Connection
from broker.stream.embedded import embedded_server
from broker.stream.publish import Message, publish
from broker.stream.topology import (
    CHECKPOINTS,
    DEADLETTER,
    DIALECTS,
    GRAPHS,
    JOBS,
    LOGS,
    MIB,
    PROGRESS,
    StreamSettings,
    api,
    created_at,
    ensure,
    streams,
)
from tests.stream.serving import PATIENCE, nats


async def config(connection: Connection, stream: str) -> dict[str, object]:
    answer = await api(connection, f"STREAM.INFO.{stream}")
    found: dict[str, object] = answer["config"]
    return found


async def test_every_stream_is_created_as_it_is_written_down(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(PATIENCE),
        embedded_server(tmp_path, 0) as url,
        Connection.connect(url, name="test") as connection,
    ):
        await ensure(connection, StreamSettings())
        names = [wanted["name"] for wanted in streams(StreamSettings())]
        assert [PROGRESS, LOGS, DEADLETTER, CHECKPOINTS, GRAPHS, JOBS, DIALECTS] == names
        for wanted in streams(StreamSettings()):
            found = await config(connection, wanted["name"])
            assert wanted == wanted | {name: found[name] for name in wanted}


async def test_verifying_again_changes_nothing(tmp_path: Path) -> None:
    """However often, and however many do it at once: the stream is the same, and its messages."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await server.publish("r1", {"type": "run.started"})
        created = await created_at(server.connection, PROGRESS)
        again = await asyncio.gather(
            *(ensure(server.connection, StreamSettings()) for _ in range(5))
        )
        assert [created] * 5 == again
        assert 1 == len(await server.records("r1"))


async def test_gateways_that_start_at_once_agree(tmp_path: Path) -> None:
    """The streams do not exist yet, and each creates them."""
    async with asyncio.timeout(PATIENCE), embedded_server(tmp_path, 0) as url:
        async with (
            Connection.connect(url, name="one") as one,
            Connection.connect(url, name="two") as two,
        ):
            created = await asyncio.gather(
                *(ensure(each, StreamSettings()) for each in (one, two) * 3)
            )
        assert 1 == len(set(created))


async def test_what_can_be_changed_is(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await ensure(server.connection, StreamSettings(progress_max_bytes=64 * MIB))
        assert 64 * MIB == (await config(server.connection, PROGRESS))["max_bytes"]
        await ensure(server.connection, StreamSettings())
        assert -1 == (await config(server.connection, PROGRESS))["max_bytes"]


async def test_what_cannot_be_changed_is_an_error_with_both_values(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        with pytest.raises(TopologyMismatch) as caught:
            await ensure(server.connection, StreamSettings(storage="memory"))
        assert "stream PROGRESS has storage = 'file', but 'memory' is wanted" in str(caught.value)
        assert (PROGRESS, "storage", "file", "memory") == (
            caught.value.stream,
            caught.value.field,
            caught.value.found,
            caught.value.wanted,
        )


async def test_replicas_that_one_server_cannot_hold_are_an_error(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        with pytest.raises(TopologyMismatch, match="num_replicas = 1, but 3 is wanted"):
            await ensure(server.connection, StreamSettings(replicas=3))


async def test_new_streams_with_too_many_replicas_say_why_not(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(PATIENCE),
        embedded_server(tmp_path, 0) as url,
        Connection.connect(url, name="test") as connection,
    ):
        with pytest.raises(StreamRefused, match=r"does not make stream PROGRESS .replicas"):
            await ensure(connection, StreamSettings(replicas=3))


async def test_subjects_that_another_stream_has_are_an_error(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(PATIENCE),
        embedded_server(tmp_path, 0) as url,
        Connection.connect(url, name="test") as connection,
    ):
        theirs = {"name": "THEIRS", "subjects": ["logs.>"]}
        await api(connection, "STREAM.CREATE.THEIRS", theirs)
        with pytest.raises(StreamRefused, match=r"stream LOGS .subjects overlap"):
            await ensure(connection, StreamSettings())


async def test_subjects_of_runs_alone_are_stored(tmp_path: Path) -> None:
    """What has no run, or more than one, has no stream."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        for subject in ("progress.default", "progress.default.r1.x", "progress"):
            with pytest.raises(StreamUnavailable):
                await publish(server.connection, Message(subject, b"{}"))
