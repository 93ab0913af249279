"""NATS by the chart's values: a real server takes them, and a gateway works with it by TLS."""

import asyncio
from pathlib import Path

import pytest

from broker.errors import StreamUnavailable
from broker.stream.connection import Connection
from broker.stream.topology import StreamSettings, api, streams
from tests.deploy.servers import DEPLOY, checked, environment
from tests.gateway.serving import gateway
from tests.k8s.charted import certificate, charted_server, configuration, url_of
from tests.k8s.rendering import overlay
from tests.sse import ask, path, stream
from tools.k8s_check.nats_config import parse
from tools.k8s_check.overlay import ROOT, Overlay, names
from tools.k8s_check.variables import settings_of


async def test_the_server_takes_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "nats.conf"
    config.write_text(configuration(tmp_path, await certificate(tmp_path)))
    code, said = await checked(config, environment())
    assert 0 == code, said


async def test_a_gateway_works_with_it_by_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And ends without a warning for each of its connections."""
    tls = await certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", tls["ca_file"])
    async with (
        asyncio.timeout(30),
        charted_server(tmp_path, tls) as address,
        gateway(url_of("gateway", address)) as g,
    ):
        body = b'[{"type":"run.started"},{"type":"run.completed"}]'
        answer = await ask(g.url, path("r1", "/events"), method="POST", body=body)
        assert 202 == answer.status, answer.body
        async with stream(g.url, "r1") as frames:
            await frames.until("end")
    assert [] == [record.getMessage() for record in caplog.records if record.name == "asyncio"]


async def test_without_the_authority_there_is_no_connection(tmp_path: Path) -> None:
    async with charted_server(tmp_path, await certificate(tmp_path)) as address:
        with pytest.raises(StreamUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            async with Connection.connect(url_of("gateway", address), name="test") as connection:
                await api(connection, "INFO")


def test_streams_have_three_replicas_where_it_counts() -> None:
    """What the program makes of the settings of each overlay."""
    wanted = {"dev": {1}, "staging": {3}, "production": {3}, "production-gke": {3}}
    found = {}
    for name in names(ROOT):
        settings = StreamSettings(replicas=settings_of(overlay(name)).replicas)
        found[name] = {each["num_replicas"] for each in streams(settings)}
    assert wanted == found


def test_nobody_but_the_gateways_owns_the_streams(production: Overlay) -> None:
    """A second owner (NACK) would set back what a new version of the program changes."""
    assert [] == production.of("Stream", "Consumer", "KeyValue")


def test_the_reader_of_configurations_sees_what_the_server_sees() -> None:
    text = 'a: 1 # c\nb { c: "x # {y}", d: [1, {e: $F}, "g"] }\ninclude ./x.conf\nh = yes'
    assert {"a": "1", "b": {"c": "x # {y}", "d": ["1", {"e": "$F"}, "g"]}, "h": "yes"} == parse(
        text
    )
    users = parse((DEPLOY / "nats" / "users.conf").read_text())
    assert ["producer", "gateway", "operator"] == [
        user["user"] for user in users["accounts"]["PROGRESS"]["users"]
    ]


@pytest.mark.parametrize("text", ["a {", "a: [1", "a: 1 }", "a:"])
def test_a_configuration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"closed|closes|missing"):
        parse(text)
