"""What keeps a gateway from its start is one line that says what to do, and a code of its own."""

import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from broker.cli import exits
from broker.stream.connection import Connection
from broker.stream.embedded import embedded_server
from broker.stream.topology import StreamSettings, ensure
from tests.cli.shell import Result, shell
from tests.stream.configured import JETSTREAM, configured, greeting
from tests.stream.serving import nats

USERS = """
authorization {{ users: [
  {{user: gateway, password: right}}
  {{user: guest, password: right, permissions: {{publish: "nothing"}}}}
] }}
"""

PRIVATE = ("unshare", "--map-root-user", "--mount")
"""Runs a command that sees other disks than everybody else."""


async def serve(*flags: str, nats: str = "", under: Sequence[str] = ()) -> Result:
    """Run `serve` to its end, on any free port."""
    more = ("--nats-url", nats) if nats else ()
    return await shell("", "serve", "--listen", "127.0.0.1:0", *more, *flags, under=under)


def assert_line(result: Result, code: int, *words: str) -> None:
    """It ended with the code and one line, which holds the words."""
    assert (code, "") == (result.code, result.out), result.err
    lines = [line for line in result.err.splitlines() if line.startswith("progress-broker: ")]
    assert result.err.splitlines() == lines
    (line,) = lines
    for word in words:
        assert word in line


def test_each_reason_has_a_code_of_its_own() -> None:
    """And none is one that a command for a gateway has for something else."""
    codes = [0, 1, 2, 6, 7, 8, 9, 10, 11]
    assert codes == sorted(exits.SERVING)
    assert {exits.CANCELLED, exits.UNKNOWN_RUN, exits.NO_ANSWER}.isdisjoint(codes)
    assert set(codes) - {0, 1} == exits.NEEDS_A_PERSON


def test_the_page_has_the_codes() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    for code, meaning in exits.SERVING.items():
        assert f"| {code} | {meaning} |\n" in page
    prevent = " ".join(map(str, sorted(exits.NEEDS_A_PERSON)))
    assert f"RestartPreventExitStatus={prevent}`" in page


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("BROKER_NATSURL", "x", "unknown variable BROKER_NATSURL: did you mean BROKER_NATS_URL?"),
        ("BROKER_HEARTBEAT", "soon", "BROKER_HEARTBEAT='soon'"),
        ("BROKER_TRUSTED_PROXIES", "here", "--trusted-proxies='here'"),
        ("BROKER_NATS_URL", "http://localhost:4222", "http:// is not what NATS speaks"),
    ],
)
async def test_a_wrong_setting(
    variable: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert_line(await serve(), exits.USAGE, words)


@contextmanager
def taken() -> Iterator[str]:
    """An address that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("flag", ["--listen", "--admin-listen"])
async def test_an_address_that_is_taken(flag: str) -> None:
    """That is told before NATS is even looked for."""
    with taken() as address:
        result = await serve(flag, address, nats="nats://127.0.0.1:1")
    assert_line(result, exits.CANNOT_LISTEN, f"cannot listen on {address}", flag)


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ("gateway:wrong", ("connect to NATS at nats://***@", "'Authorization Violation'")),
        ("", ("connect to NATS at nats://127.0.0.1:", "'Authorization Violation'")),
        ("guest:right", ("permissions violation for publish", "$js.api.stream.info.progress")),
    ],
)
async def test_a_user_whom_nats_refuses(tmp_path: Path, user: str, words: tuple[str, ...]) -> None:
    async with configured(tmp_path, JETSTREAM + USERS) as server:
        result = await serve(nats=server.url(user))
    assert_line(result, exits.NATS_REFUSES, *words, "check the user, its password")
    assert "wrong" not in result.err


async def test_a_nats_that_is_too_old() -> None:
    async with greeting("2.9.10") as url:
        result = await serve(nats=url)
    assert_line(result, exits.NATS_UNFIT, "NATS is version 2.9.10: upgrade it to 2.11 or newer")


@pytest.mark.parametrize(
    ("configuration", "user", "words"),
    [
        ("", "", "NATS has no JetStream"),
        (
            JETSTREAM + "accounts {{ A: {{ users: [{{user: a, password: b}}] }} }}",
            "a:b",
            "the account of the NATS user has no JetStream",
        ),
    ],
)
async def test_a_nats_without_jetstream(
    tmp_path: Path, configuration: str, user: str, words: str
) -> None:
    async with configured(tmp_path, configuration) as server:
        assert_line(await serve(nats=server.url(user)), exits.NATS_UNFIT, words, "jetstream {}")


async def test_a_stream_with_other_settings(tmp_path: Path) -> None:
    async with embedded_server(tmp_path, 0) as url:
        async with Connection.connect(url, name="test") as connection:
            await ensure(connection, StreamSettings(storage="memory"))
        result = await serve(nats=url)
    both = "stream PROGRESS has storage = 'memory', but 'file' is wanted"
    assert_line(result, exits.STREAMS_DIFFER, both)


async def test_replicas_that_one_server_cannot_hold(tmp_path: Path) -> None:
    async with embedded_server(tmp_path, 0) as url:
        result = await serve("--replicas", "3", nats=url)
    assert_line(result, exits.STREAMS_DIFFER, "stream PROGRESS", "replicas > 1")


async def test_data_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = await serve("--nats-port", "0", "--data-dir", str(tmp_path / "file" / "data"))
    assert_line(result, exits.NO_EMBEDDED_SERVER, "cannot be written (Not a directory)")


async def test_data_that_another_broker_has(tmp_path: Path) -> None:
    async with nats(tmp_path):
        result = await serve("--nats-port", "0", "--data-dir", str(tmp_path))
    assert_line(result, exits.NO_EMBEDDED_SERVER, f"in use by process {os.getpid()}")


async def test_a_port_for_nats_that_is_taken(tmp_path: Path) -> None:
    with taken() as address:
        port = address.rpartition(":")[2]
        result = await serve("--nats-port", port, "--data-dir", str(tmp_path))
    assert_line(result, exits.NO_EMBEDDED_SERVER, f"port {port}", "--nats-port")


@pytest.mark.skipif(
    "CI" not in os.environ and subprocess.run([*PRIVATE, "true"], check=False).returncode != 0,
    reason="no disk can be mounted here",
)
async def test_a_disk_that_is_too_small(tmp_path: Path) -> None:
    """It has less than the streams reserve. None but the process sees it."""
    mount = ("sh", "-c", 'mount -t tmpfs -o size=16m tmpfs "$0" && exec "$@"', str(tmp_path))
    flags = ("--nats-port", "0", "--data-dir", str(tmp_path))
    result = await serve(*flags, under=(*PRIVATE, *mount))
    assert_line(result, exits.NO_ROOM, "make stream", "give it disk space")
