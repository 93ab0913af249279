"""The settings: one frozen object, read once. Nothing else reads the environment.

A flag beats a variable, a variable the settings file, the file the default. Field names give the
flag (`--hub-ttl`), the variable (`BROKER_HUB_TTL`) and the key in the file (`hub_ttl`).
"""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

from broker.errors import SettingsError

PREFIX: Final = "BROKER_"

_Seconds = Annotated[float, Meta(gt=0, le=86_400)]
_Rate = Annotated[float, Meta(ge=0, le=1e9)]
_Burst = Annotated[float, Meta(ge=1, le=1e9)]
_Count = Annotated[int, Meta(ge=0, le=10_000_000)]
_Bytes = Annotated[int, Meta(ge=1024, le=64 * 1024 * 1024)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set. Times are seconds, sizes bytes; a limit of 0 is none."""

    listen: Annotated[str, "address and port of the HTTP server"] = "127.0.0.1:8080"
    admin_listen: Annotated[
        str, "address and port of health and metrics; empty: with everything else"
    ] = ""
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=256)],
        "processes that share the port; each has the next admin port from --admin-listen",
    ] = 1
    nats_url: Annotated[str, "NATS servers, comma separated; empty: start the embedded server"] = ""
    nats_port: Annotated[
        Annotated[int, Meta(ge=0, le=65_535)], "port of the embedded server; 0: any free one"
    ] = 4222
    data_dir: Annotated[str, "where the embedded server keeps its data"] = ".progress-broker"
    replicas: Annotated[
        Annotated[int, Meta(ge=1, le=5)], "replicas of each stream; 3 in production"
    ] = 1
    allowed_origins: Annotated[
        str, "web origins that may read from a browser, comma separated; `*`: every one"
    ] = ""
    insecure: Annotated[bool, "listen beyond loopback although nothing asks who a client is"] = (
        False
    )
    body_max: Annotated[_Bytes, "largest request body"] = 1024 * 1024
    snapshot_ttl: Annotated[
        Annotated[int, Meta(ge=0, le=3600)], "how long a cache may keep a snapshot"
    ] = 1
    hub_ttl: Annotated[_Seconds, "how long a run stays in memory after the last look"] = 30.0
    heartbeat: Annotated[_Seconds, "silence after which a stream gets a comment"] = 15.0
    tick: Annotated[
        Annotated[float, Meta(ge=0, le=10)], "events that come within it go out together; 0: never"
    ] = 0.035
    max_age: Annotated[_Seconds, "age at which a stream is ended, to be resumed elsewhere"] = 900.0
    idle_timeout: Annotated[_Seconds, "a stream of a run without events is ended after it"] = 300.0
    high_water: Annotated[_Bytes, "unsent bytes above which a client is waited for"] = 64 * 1024
    stall_timeout: Annotated[_Seconds, "a client that takes no byte for it is closed"] = 30.0
    poll_rate: Annotated[_Rate, "requests a second, of one client and run"] = 1.0
    poll_burst: Annotated[_Burst, "such requests at once"] = 10.0
    open_rate: Annotated[_Rate, "streams that one client opens a second"] = 20.0
    open_burst: Annotated[_Burst, "streams that it opens at once"] = 100.0
    ingest_rate: Annotated[_Rate, "events that one client stores a second"] = 5000.0
    streams_per_client: Annotated[_Count, "open streams of one client"] = 100
    streams_max: Annotated[_Count, "open streams of this gateway"] = 18_000
    trusted_proxies: Annotated[
        str, "networks whose X-Forwarded-For is believed, comma separated"
    ] = ""
    drain_seconds: Annotated[
        Annotated[float, Meta(ge=0, le=3600)], "time that open streams have to end on SIGTERM"
    ] = 25.0
    ready_grace: Annotated[
        Annotated[float, Meta(ge=0, le=3600)], "time that NATS may be away until /readyz says so"
    ] = 5.0
    max_steps: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)], "steps that a run's state holds"
    ] = 10_000
    index_max: Annotated[
        Annotated[int, Meta(ge=1, le=10_000_000)],
        "runs that lists show, the newest; each takes about 1.5 KB of memory",
    ] = 200_000
    log_batches: Annotated[
        _Count, "batches of log lines kept of one run, the newest; 0: as many as there are"
    ] = 10_000
    log_level: Annotated[Literal["debug", "info", "warning", "error"], "least level logged"] = (
        "info"
    )
    log_format: Annotated[Literal["text", "json"], "form of the log lines"] = "text"


class Described(msgspec.Struct, frozen=True):
    """A setting as people see it."""

    name: str
    default: Any
    text: str

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()


def described() -> list[Described]:
    """Every setting, in order."""
    hints = get_type_hints(Settings, include_extras=True)
    return [
        Described(
            field.name,
            field.default,
            next(note for note in get_args(hints[field.name]) if isinstance(note, str)),
        )
        for field in msgspec.structs.fields(Settings)
    ]


def load(
    flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None = None
) -> Settings:
    """Put the settings together. Raises SettingsError, which names the source of the mistake."""
    values: dict[str, Any] = {}
    if file is not None:
        values |= _from_file(file)
    values |= _from_environment(environment)
    values |= {
        name: _converted(name, value, f"--{name.replace('_', '-')}")
        for name, value in flags.items()
        if value is not None
    }
    return msgspec.convert(values, Settings)


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings as variables, as another process of ours reads them."""
    return {
        setting.variable: str(getattr(settings, setting.name)).lower()
        if isinstance(setting.default, bool)
        else str(getattr(settings, setting.name))
        for setting in described()
    }


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    names = {setting.variable: setting.name for setting in described()}
    values = {}
    for variable, value in environment.items():
        if not variable.startswith(PREFIX):
            continue
        if variable not in names:
            raise SettingsError(f"unknown variable {variable}{_nearest(variable, names)}")
        values[names[variable]] = _converted(names[variable], value, variable)
    return values


def _from_file(file: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"the settings file {file} cannot be read: {error}") from None
    names = {setting.name: setting.name for setting in described()}
    for name in content:
        if name not in names:
            raise SettingsError(f"unknown setting {name!r} in {file}{_nearest(name, names)}")
    return {name: _converted(name, value, f"{name} in {file}") for name, value in content.items()}


def _converted(name: str, value: Any, source: str) -> Any:
    field = next(f for f in msgspec.structs.fields(Settings) if f.name == name)
    try:
        return msgspec.convert(value, field.type, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{source}={value!r}: {error}") from None


def _nearest(name: str, known: Mapping[str, str]) -> str:
    """The known name most like it; the prefix of variables makes none more alike."""
    names = {each.removeprefix(PREFIX): each for each in known}
    near = difflib.get_close_matches(name.removeprefix(PREFIX), names, n=1, cutoff=0.5)
    return f": did you mean {names[near[0]]}?" if near else ""
