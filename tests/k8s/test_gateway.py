"""What the manifests say of a gateway is so: its ports, its probes, the way of the proxy."""

import asyncio
from pathlib import Path

from tests.faults import link, until
from tests.gateway.process import free_ports
from tests.gateway.serving import gateway
from tests.sse import ask, path
from tests.stream.serving import nats
from tools.k8s_check.edge import admin_paths
from tools.k8s_check.overlay import GATEWAY, Overlay, containers_of
from tools.k8s_check.variables import settings_of

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


async def test_probes_and_monitors_are_answered(tmp_path: Path, production: Overlay) -> None:
    """Each on the admin port, and none on the public one."""
    (pods,) = production.pods_matching(GATEWAY)
    probed = [containers_of(pods)[0][name]["httpGet"]["path"] for name in PROBES]
    scraped = [
        endpoint["path"]
        for monitor in production.of("PodMonitor")
        for endpoint in monitor["spec"]["podMetricsEndpoints"]
    ]
    admin = f"127.0.0.1:{free_ports(1)[0]}"
    async with nats(tmp_path) as server, gateway(server.url, admin_listen=admin) as g:

        async def all_well() -> bool:
            return {200} == {(await ask(f"http://{admin}", at)).status for at in probed + scraped}

        await until(all_well)
        for at in admin_paths():
            assert 404 == (await ask(g.url, at)).status, at


async def test_a_gateway_without_nats_is_alive_and_not_ready(
    tmp_path: Path, production: Overlay
) -> None:
    """Liveness does not restart all gateways when NATS is away; readiness keeps new clients off."""
    container = containers_of(production.pods_matching(GATEWAY)[0])[0]
    alive, ready = (container[name]["httpGet"]["path"] for name in PROBES[1:])
    admin = f"127.0.0.1:{free_ports(1)[0]}"
    async with (
        asyncio.timeout(30),
        nats(tmp_path) as server,
        link(server.url) as way,
        gateway(way.url, admin_listen=admin, ready_grace=0) as g,
    ):
        await until(lambda: _answers(f"http://{admin}", ready, 200))
        await way.close()
        await until(lambda: _answers(f"http://{admin}", ready, 503))
        assert await _answers(f"http://{admin}", alive, 200)
        await way.open()
        await until(lambda: _answers(f"http://{admin}", ready, 200))
        assert 404 == (await ask(g.url, path("nobody"))).status


async def _answers(url: str, at: str, status: int) -> bool:
    return status == (await ask(url, at)).status


async def test_each_client_of_the_proxy_has_its_own_limit(
    tmp_path: Path, production: Overlay
) -> None:
    """The proxies' addresses are left out, and what a client adds to the left is not believed."""
    network = settings_of(production).trusted_proxies
    trusted = f"{network},127.0.0.1/32"
    hop = network.split("/")[0]
    async with (
        nats(tmp_path) as server,
        gateway(server.url, trusted_proxies=trusted, poll_rate=0.001, poll_burst=1) as g,
    ):

        async def status(forwarded: str) -> int:
            headers = {"X-Forwarded-For": forwarded}
            return (await ask(g.url, path("r1"), headers=headers)).status

        assert 404 == await status(f"203.0.113.1, {hop}")
        assert 429 == await status(f"203.0.113.1, {hop}")
        assert 429 == await status(f"198.51.100.9, 203.0.113.1, {hop}")
        assert 404 == await status(f"203.0.113.2, {hop}")
