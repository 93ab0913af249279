"""A flag beats a variable, a variable the file, the file the default; mistakes are named."""

from pathlib import Path
from typing import Any

import pytest

from broker.errors import SettingsError
from broker.settings import Settings, described, load


def test_the_nearer_source_wins(tmp_path: Path) -> None:
    file = tmp_path / "broker.toml"
    file.write_text("hub_ttl = 1\nheartbeat = 1\nmax_age = 1")
    environment = {"BROKER_HUB_TTL": "2", "BROKER_HEARTBEAT": "2", "PATH": "/bin", "BROKERAGE": "x"}
    settings = load({"hub_ttl": "3", "heartbeat": None}, environment, file)
    assert (3, 2, 1, Settings().stall_timeout) == (
        settings.hub_ttl,
        settings.heartbeat,
        settings.max_age,
        settings.stall_timeout,
    )


def test_nothing_given_is_the_defaults() -> None:
    assert Settings() == load({}, {})


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("BROKER_HEARTBEET", "BROKER_HEARTBEAT"),
        ("BROKER_NATSURL", "BROKER_NATS_URL"),
        ("BROKER_LISTN", "BROKER_LISTEN"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_name(variable: str, nearest: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({}, {variable: "1"})
    assert f"unknown variable {variable}: did you mean {nearest}?" == str(caught.value)


def test_a_variable_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(SettingsError, match=r"^unknown variable BROKER_QQQQQQ$"):
        load({}, {"BROKER_QQQQQQ": "1"})


def test_an_unknown_key_of_the_file_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    file = tmp_path / "broker.toml"
    file.write_text("hub_tll = 1")
    with pytest.raises(SettingsError, match=r"unknown setting 'hub_tll' .*: did you mean hub_ttl"):
        load({}, {}, file)


@pytest.mark.parametrize(
    ("flags", "environment", "named"),
    [
        ({"hub_ttl": "soon"}, {}, "--hub-ttl='soon'"),
        ({"nats_port": "70000"}, {}, "--nats-port='70000'"),
        ({}, {"BROKER_HEARTBEAT": "-1"}, "BROKER_HEARTBEAT='-1'"),
        ({}, {"BROKER_HEARTBEAT": "nan"}, "BROKER_HEARTBEAT='nan'"),
        ({}, {"BROKER_REPLICAS": ""}, "BROKER_REPLICAS=''"),
        ({}, {"BROKER_LOG_LEVEL": "loud"}, "BROKER_LOG_LEVEL='loud'"),
        ({}, {"BROKER_INSECURE": "perhaps"}, "BROKER_INSECURE='perhaps'"),
    ],
)
def test_a_wrong_value_is_refused_with_where_it_stands(
    flags: dict[str, Any], environment: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(flags, environment)
    assert str(caught.value).startswith(named)


@pytest.mark.parametrize("content", ["hub_ttl = ", "\ufffe"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "broker.toml"
    file.write_bytes(content.encode("utf-16"))
    for path in (file, tmp_path / "missing.toml", tmp_path):
        with pytest.raises(SettingsError, match="cannot be read"):
            load({}, {}, path)


def test_words_for_yes_and_no_are_understood() -> None:
    for text, value in (("true", True), ("1", True), ("false", False), ("0", False)):
        assert value is load({}, {"BROKER_INSECURE": text}).insecure


def test_every_setting_has_a_flag_a_variable_and_a_text() -> None:
    assert list(Settings.__struct_fields__) == [setting.name for setting in described()]
    for setting in described():
        assert setting.text
        assert f"BROKER_{setting.name.upper()}" == setting.variable
        assert f"--{setting.name.replace('_', '-')}" == setting.flag
