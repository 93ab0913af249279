"""The command line: mistakes are one clear line and an exit code."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from broker import __version__
from broker.cli.main import main


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command writes into an empty folder, and where it logs to is forgotten after it."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("nats").setLevel(logging.NOTSET)


EVERYWHERE = [f"{IPv4Address(0)}:0", f"[{IPv6Address(0)}]:0", "example.org:8080"]


@pytest.mark.parametrize("address", EVERYWHERE)
def test_serving_other_machines_must_be_asked_for(
    address: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Nothing asks who they are; nothing is started before that is settled."""
    assert 2 == main(["serve", "--listen", address])
    said = capsys.readouterr().err
    assert f"progress-broker: --listen={address!r} is reached from other machines" in said
    assert "--insecure" in said
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "address", ["8080", "localhost", ":80", "127.0.0.1:99999", "127.0.0.1:x", "127.0.0.1:²"]
)
def test_an_address_must_be_one(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["serve", "--listen", address])
    assert f"--listen={address!r} is not of the form HOST:PORT" in capsys.readouterr().err


def test_an_unknown_variable_is_refused_with_the_nearest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_LISTN", "127.0.0.1:0")
    assert 2 == main(["serve"])
    assert (
        "progress-broker: unknown variable BROKER_LISTN: did you mean BROKER_LISTEN?\n"
        == capsys.readouterr().err
    )


@pytest.mark.parametrize("arguments", [["dance"], ["--dance"], ["serve", "--no-such-flag"]])
def test_a_command_that_is_none_is_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert 2 == ended.value.code
    assert "usage: progress-broker" in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (0, f"{__version__}\n") == (ended.value.code, capsys.readouterr().out)


def test_the_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    said = capsys.readouterr().out
    assert "--hub-ttl" in said
    assert "BROKER_HUB_TTL" in said


@pytest.mark.parametrize("arguments", [[], ["--help"], ["help"]])
def test_without_a_command_there_is_an_overview(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(arguments)
    said = capsys.readouterr().out
    for command in COMMANDS:
        assert f"  {command} " in said
    assert "progress-broker demo" in said
    assert max(map(len, said.splitlines())) <= 100


def test_a_slip_of_the_pen_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["wacth"])
    assert "no command 'wacth': did you mean watch?" in capsys.readouterr().err


COMMANDS = ["runs", "watch", "logs", "start", "cancel", "retry", "pause", "resume", "emit"]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_shows_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    said = capsys.readouterr().out
    assert 0 == ended.value.code
    assert f"usage: progress-broker {command} [-h]" in said
    assert f"\nexamples:\n  progress-broker {command}" in said
    assert "PROGRESS_BROKER_URL" in said
    assert "--json" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs", "--url", "ftp://x"], "'ftp://x' is not the URL of a gateway"),
        (["runs", "--url", "http://x:99999"], "is not the URL of a gateway"),
        (["runs", "--status", "done"], "'done' is no status: it is one of queued, running"),
        (["runs", "--label", "team"], "'team' has no value: write it as key=value"),
        (["runs", "--limit", "0"], "'0' is not a number from 1"),
        (["logs", "r", "--level", "loud"], "invalid choice: 'loud'"),
        (["watch"], "the following arguments are required: RUN"),
        (["start", "p", "--input", "x"], "'x' has no value: write it as key=value"),
    ],
)
def test_what_cannot_be_is_told_with_what_can(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert 2 == ended.value.code
    assert said in capsys.readouterr().err


def test_the_variable_says_where_the_gateway_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is none of the settings' own, which refuse what they do not know."""
    monkeypatch.setenv("PROGRESS_BROKER_URL", "localhost:1/")
    assert 5 == main(["runs"])
    assert "no gateway at http://localhost:1 (" in capsys.readouterr().err


def test_asking_a_gateway_loads_no_gateway() -> None:
    """`emit` in a shell script is called often."""
    loaded = "import sys, broker.cli.emit, broker.cli.watch; print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", loaded], text=True).split()
    assert "broker.cli.client" in modules
    assert not {"nats", "prometheus_client", "broker.gateway.app", "uvloop"} & set(modules)
