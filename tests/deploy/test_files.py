"""The files of `deploy/` agree with the program and with each other."""

import re
from typing import Any

import pytest
import yaml

from broker.settings import described, load
from tests.deploy.servers import DEPLOY

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
GATEWAYS = [name for name in SERVICES if name.startswith("gateway")]
SERVERS = [name for name in SERVICES if name.startswith("nats")]


def instructions(name: str) -> list[str]:
    """What follows an instruction of the Dockerfile, each time it stands there."""
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)


def test_the_image_is_pinned_and_belongs_to_nobody() -> None:
    (python,) = instructions("ARG")
    assert re.fullmatch(r"PYTHON=python:3\.\d+-slim-\w+@sha256:[0-9a-f]{64}", python)
    assert ["${PYTHON} AS build", "${PYTHON}"] == instructions("FROM")
    assert ["10001:10001"] == instructions("USER")
    assert ['["progress-broker"]'] == instructions("ENTRYPOINT")
    assert ["SIGTERM"] == instructions("STOPSIGNAL")


def test_the_image_holds_no_nats_server() -> None:
    locked = (DEPLOY.parent / "requirements" / "image.txt").read_text()
    assert "aiohttp==" in locked
    assert "nats-server" not in locked


@pytest.mark.parametrize("name", GATEWAYS)
def test_a_gateway_starts_with_what_compose_gives_it(name: str) -> None:
    """Every variable is one that the program knows, and its value is one that it takes."""
    given = SERVICES[name]["environment"]
    settings = load({}, given)
    assert settings.replicas == len(SERVERS)
    assert [server + ":4222" for server in SERVERS] == [
        url.rsplit("@")[1] for url in settings.nats_url.split(",")
    ]
    grace = float(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    assert grace > settings.drain_seconds + 10


def test_who_is_named_is_there() -> None:
    """The proxies, Prometheus and the servers look for each other under the names of compose."""
    for file in ("proxy/nginx.conf", "proxy/haproxy.cfg", "proxy/Caddyfile"):
        named = set(re.findall(r"(gateway-\d):8080", (DEPLOY / file).read_text()))
        assert set(GATEWAYS) == named, file
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    assert [f"{name}:8081" for name in GATEWAYS] == scraped["scrape_configs"][0]["static_configs"][
        0
    ]["targets"]
    for name in SERVERS:
        others = re.findall(r"nats://([\w-]+):6222", SERVICES[name]["environment"]["NATS_ROUTES"])
        assert {*SERVERS} - {name} == {*others}
    for config in COMPOSE["configs"].values():
        assert (DEPLOY / config["file"]).is_file()


def test_every_variable_of_nats_is_given() -> None:
    text = "".join((DEPLOY / "nats" / f"{name}.conf").read_text() for name in ("server", "users"))
    asked = set(re.findall(r"\$(NATS_\w+)", text))
    assert all(asked == set(SERVICES[name]["environment"]) for name in SERVERS)
    secrets = {name for name in asked if name.endswith("PASSWORD")}
    example = (DEPLOY / "compose.env.example").read_text()
    assert secrets == set(re.findall(r"^(NATS_\w+)=$", example, re.MULTILINE))


def test_the_heartbeat_is_faster_than_any_proxy_cuts() -> None:
    heartbeat = next(s.default for s in described() if s.name == "heartbeat")
    text = (DEPLOY / "proxy" / "nginx.conf").read_text()
    text += (DEPLOY / "proxy" / "haproxy.cfg").read_text()
    times = re.findall(r"(?:proxy_read_timeout|timeout (?:client|server|tunnel)) (\d+)s", text)
    assert 4 == len(times)
    assert all(2 * heartbeat < float(seconds) for seconds in times)


def test_the_service_waits_for_the_drain() -> None:
    unit = (DEPLOY / "systemd" / "progress-broker.service").read_text()
    (stop,) = re.findall(r"TimeoutStopSec=(\d+)", unit)
    drain = next(s.default for s in described() if s.name == "drain_seconds")
    assert float(stop) > drain + 10
