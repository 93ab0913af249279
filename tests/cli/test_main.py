"""The command line: mistakes are one clear line and an exit code."""

import logging
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
    assert 1 == main(["serve", "--listen", address])
    said = capsys.readouterr().err
    assert f"progress-broker: --listen={address!r} is reached from other machines" in said
    assert "--insecure" in said
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["8080", "localhost", ":80", "127.0.0.1:99999", "127.0.0.1:x"])
def test_an_address_must_be_one(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == main(["serve", "--listen", address])
    assert f"--listen={address!r} is not of the form HOST:PORT" in capsys.readouterr().err


def test_an_unknown_variable_is_refused_with_the_nearest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_LISTN", "127.0.0.1:0")
    assert 1 == main(["serve"])
    assert (
        "progress-broker: unknown variable BROKER_LISTN: did you mean BROKER_LISTEN?\n"
        == capsys.readouterr().err
    )


def test_a_nats_that_does_not_answer_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    url = "nats://ann:secret@127.0.0.1:1"
    assert 1 == main(["serve", "--listen", "127.0.0.1:0", "--nats-url", url])
    said = capsys.readouterr().err
    assert "progress-broker: connect to NATS at nats://***@127.0.0.1:1" in said
    assert "secret" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("arguments", [[], ["dance"], ["serve", "--no-such-flag"]])
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
