"""A gateway that begins before its NATS answers at once, and serves as soon as it can."""

import asyncio
import signal
import socket
from pathlib import Path

import aiohttp
import pytest

from broker.errors import TopologyMismatch
from broker.gateway.process.outage import MOST_REASONS, Outage
from broker.stream.connection import Connection
from broker.stream.embedded import embedded_server
from broker.stream.topology import api
from tests.faults import until
from tests.gateway.process import free_ports, serving
from tests.gateway.runs import started
from tests.gateway.serving import gateway
from tests.sse import Wire, ask, path
from tests.stream.configured import JETSTREAM, configured
from tests.stream.serving import nats

USER = "authorization {{ user: gateway, password: right }}"
ANOTHER = "authorization {{ user: another, password: right }}"


async def answers(url: str, target: str, status: int) -> bool:
    return (await ask(url, target)).status == status


@pytest.mark.parametrize("apart", [False, True])
async def test_it_answers_while_it_waits_and_serves_when_nats_comes(
    tmp_path: Path, apart: bool
) -> None:
    """Alive, not ready and why; pages; and the API asks to come back. With one address, or two."""
    port, admin_port = free_ports(2)
    admin_listen = f"127.0.0.1:{admin_port}" if apart else ""
    async with gateway(f"nats://127.0.0.1:{port}", admin_listen=admin_listen) as here:
        admin = f"http://127.0.0.1:{admin_port}" if apart else here.url
        assert 200 == (await ask(admin, "/healthz")).status
        assert b"progress_broker_ready 0.0\n" in (await ask(admin, "/metrics")).body
        not_ready = await ask(admin, "/readyz")
        assert 503 == not_ready.status
        assert "waits for NATS: connect to NATS at nats://127.0.0.1" in not_ready.json()["reason"]
        assert 200 == (await ask(here.url, "/")).status
        for target in (path("r1"), "/v1/runs", "/v1/stream?run=r1", "/api/jobs"):
            answer = await ask(here.url, target)
            assert 503 == answer.status
            assert int(answer.headers["retry-after"]) >= 1
        problem = (await ask(here.url, path("r1"))).json()
        assert "urn:progress-broker:problem:stream-unavailable" == problem["type"]
        assert "connect to NATS at nats://127.0.0.1" in problem["detail"]
        async with nats(tmp_path, port) as server:
            await until(lambda: answers(admin, "/readyz", 200))
            await server.publish("r1", started())
            for _ in range(20):
                assert "running" == (await ask(here.url, path("r1"))).json()["status"]


async def test_a_connection_of_before_is_answered_after(tmp_path: Path) -> None:
    """Nobody is cut off between waiting and serving."""
    [port] = free_ports(1)
    async with (
        gateway(f"nats://127.0.0.1:{port}") as here,
        Wire.connect(here.url) as idle,
        nats(tmp_path, port),
    ):
        await until(lambda: answers(here.url, "/readyz", 200))
        await idle.send("GET", "/readyz")
        assert 200 == (await idle.answer()).status


async def test_who_asked_before_is_served_after(tmp_path: Path) -> None:
    """Although clients and proxies keep their connections."""
    [port] = free_ports(1)
    async with (
        gateway(f"nats://127.0.0.1:{port}") as here,
        aiohttp.ClientSession() as session,
    ):
        for target in ("/healthz", "/readyz", "/", path("r1")):
            async with session.get(f"{here.url}{target}") as answer:
                assert "close" == answer.headers["Connection"]
        async with nats(tmp_path, port):
            await until(lambda: answers(here.url, "/readyz", 200))
            async with session.get(f"{here.url}{path('r1')}") as answer:
                assert 404 == answer.status


async def test_what_waiting_does_not_mend_ends_it(tmp_path: Path) -> None:
    """NATS comes, and its streams are not those that are wanted."""
    [port] = free_ports(1)
    async with (
        embedded_server(tmp_path, port) as url,
        Connection.connect(url, name="test") as connection,
    ):
        theirs = {"name": "PROGRESS", "subjects": ["progress.*.*"], "retention": "interest"}
        await api(connection, "STREAM.CREATE.PROGRESS", theirs)

    async def until_it_ends() -> None:
        async with gateway(url), embedded_server(tmp_path, port):
            await asyncio.Event().wait()

    async with asyncio.timeout(30):
        with pytest.raises(TopologyMismatch, match="'interest', but 'limits' is wanted"):
            await until_it_ends()


async def test_it_can_be_stopped_while_it_waits(tmp_path: Path) -> None:
    async with serving(tmp_path, "nats://127.0.0.1:1") as process:

        async def waits() -> bool:
            return "waiting for NATS" in process.log

        await until(waits)
        process.tell(signal.SIGTERM)
        assert 0 == await process.ended(5)
        assert 1 == len(process.log.splitlines())


async def test_it_can_be_stopped_before_it_knows_whether_to_wait(tmp_path: Path) -> None:
    """Something takes connections, and does not greet."""
    [port] = free_ports(1)
    here = f"http://127.0.0.1:{port}"

    async def alive() -> bool:
        try:
            return await answers(here, "/healthz", 200)
        except OSError:
            return False

    with socket.create_server(("127.0.0.1", 0)) as silent:
        nats_url = f"nats://127.0.0.1:{silent.getsockname()[1]}"
        async with serving(tmp_path, nats_url, listen=f"127.0.0.1:{port}") as process:
            await until(alive)
            process.tell(signal.SIGTERM)
            assert 0 == await process.ended()
            assert "" == process.log


async def test_a_user_who_is_not_known_any_more_ends_no_gateway_that_serves(
    tmp_path: Path,
) -> None:
    """What is in memory is shown, and all is well when the user is known again."""
    event, target = b'{"type":"run.started"}', path("r1", "/events")
    async with (
        configured(tmp_path, JETSTREAM + USER) as server,
        gateway(server.url("gateway:right"), ready_grace=0) as here,
    ):
        assert 202 == (await ask(here.url, target, method="POST", body=event)).status
        assert 200 == (await ask(here.url, path("r1"))).status
        await server.reload(JETSTREAM + ANOTHER)
        await until(lambda: answers(here.url, "/readyz", 503))
        assert 200 == (await ask(here.url, path("r1"))).status
        await server.reload(JETSTREAM + USER)
        await until(lambda: answers(here.url, "/readyz", 200))
        assert 202 == (await ask(here.url, target, method="POST", body=event)).status


def test_the_log_tells_a_reason_once(caplog: pytest.LogCaptureFixture) -> None:
    """And only when it comes again: the first failure may be the only one."""
    moment = 0.0
    outage = Outage(lambda: moment)
    with caplog.at_level("INFO"):
        for _ in range(1000):
            outage.failed("refused")
        assert ["waiting for NATS: refused"] == caplog.messages
        moment = 2.5
        outage.changed(True)
        assert "NATS is there, after 2.5 s" == caplog.messages[-1]
        with outage.watched():
            outage.changed(False)
            for number in range(1000):
                outage.failed(f"reason {number % 50}")
            outage.changed(True)
        assert 2 + 1 + MOST_REASONS + 1 == len(caplog.messages)
        outage.changed(False)
        assert 2 + 1 + MOST_REASONS + 1 == len(caplog.messages)
