"""`deploy/nats/`: each user can do what it must, and nothing else."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from broker.errors import StreamUnavailable
from broker.producer import Producer, Run, Worker
from broker.stream.connection import Connection
from broker.stream.publish import Message, publish
from broker.stream.topology import api
from tests.deploy.servers import DEPLOY, Server, checked, environment, server_with_users
from tests.faults import until
from tests.gateway.serving import gateway
from tests.sse import ask, path, stream

PATIENCE = 30.0


async def test_the_configuration_is_one_that_the_server_takes(tmp_path: Path) -> None:
    more = {
        "NATS_NAME": "n1",
        "NATS_ROUTES": "[nats://n2:6222, nats://n3:6222]",
        "NATS_STORE": str(tmp_path),
    }
    code, said = await checked(DEPLOY / "nats" / "server.conf", {**environment(), **more})
    assert 0 == code, said


async def test_gateway_and_producer_do_all_they_must(tmp_path: Path) -> None:
    """A run that is asked for, worked on, logged and watched: nothing is refused."""
    async with asyncio.timeout(PATIENCE), server_with_users(tmp_path) as server:
        await _everything(server)
        async with Connection.connect(server.url("producer"), name="test") as connection:
            await connection.publish("nothing.of.ours", b"")
            await server.refused("nothing.of.ours")


async def _everything(server: Server) -> None:
    async with gateway(server.url("gateway")) as g, asyncio.TaskGroup() as tasks:
        worker = Worker(server.url("producer"))
        paused = asyncio.Event()

        @worker.pipeline("count")
        async def count(run: Run, inputs: dict[str, Any]) -> dict[str, Any]:
            async with run.step("one") as step:
                step.log("counting")
                step.progress(1, 1)
                paused.set()
                await run.checkpoint()
            return {"sum": 1}

        working = tasks.create_task(worker.run())
        answer = await ask(
            g.url, "/v1/pipelines/count/runs", method="POST", body=b'{"run":"r1","inputs":{}}'
        )
        assert 202 == answer.status, answer.body
        async with stream(g.url, "r1") as frames:
            await frames.until("end")
        await paused.wait()
        assert "completed" == (await ask(g.url, path("r1"))).json()["status"]
        assert "counting" in (await ask(g.url, path("r1", "/logs"))).body.decode()
        refused = await ask(g.url, path("r1", "/cancel"), method="POST", body=b"{}")
        assert 409 == refused.status
        async with (
            Producer.connect(server.url("producer")) as producer,
            producer.run("by hand", run_id="r2"),
        ):
            pass
        async with stream(g.url, "r2") as frames:
            await frames.until("end")
        async with Connection.connect(server.url("producer"), name="test") as connection:
            for message in (b'{"type":"start","total_nodes":1}', b'{"type":"complete"}'):
                await publish(connection, Message("dialect.graphs.default.r3", message))
        await until(lambda: _is_there(g.url, "r3"))
        async with stream(g.url, "r3") as frames:
            await frames.until("end")
        graph = b'{"file_path":"a.py","graph_name":"a","description":""}'
        assert (await ask(g.url, "/api/graphs/load", method="POST", body=graph)).status < 300
        working.cancel()


async def _is_there(url: str, run: str) -> bool:
    return 200 == (await ask(url, path(run))).status


@pytest.mark.parametrize(
    "subject",
    [
        "progress.other.r1",
        "$KV.RUNS.default.r1",
        "deadletter.default",
        "jobs.default.import",
        "live.progress.default.r1",
        "$JS.API.STREAM.PURGE.PROGRESS",
        "$JS.API.STREAM.DELETE.PROGRESS",
    ],
)
async def test_a_producer_can_do_nothing_else(tmp_path: Path, subject: str) -> None:
    async with (
        asyncio.timeout(PATIENCE),
        server_with_users(tmp_path) as server,
        gateway(server.url("gateway")),
        Connection.connect(server.url("producer"), name="test") as connection,
    ):
        await connection.publish(subject, b"{}")
        await server.refused(subject)


async def test_a_gateway_can_neither_delete_nor_purge(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(PATIENCE),
        server_with_users(tmp_path) as server,
        gateway(server.url("gateway")),
        Connection.connect(server.url("gateway"), name="test") as connection,
        Connection.connect(server.url("operator"), name="test") as operator,
    ):
        await publish(connection, Message("progress.default.r1", b'{"type":"run.started"}'))
        calls = ("$JS.API.STREAM.PURGE.PROGRESS", "$JS.API.STREAM.DELETE.PROGRESS")
        for call in calls:
            await connection.publish(call, b"")
        await server.refused(*calls)
        state = (await api(operator, "STREAM.INFO.PROGRESS"))["state"]
        assert 1 == state["messages"]
        await api(operator, "STREAM.PURGE.PROGRESS")


async def test_servers_tell_the_user_system_alone_how_they_are(tmp_path: Path) -> None:
    """What `nats server list` and `nats server report` ask."""
    async with asyncio.timeout(PATIENCE), server_with_users(tmp_path) as server:
        async with Connection.connect(server.url("system"), name="test") as connection:
            assert b'"server"' in await connection.request("$SYS.REQ.SERVER.PING", b"")
        async with Connection.connect(server.url("operator"), name="test") as connection:
            with pytest.raises(StreamUnavailable, match="nobody answers"):
                await connection.request("$SYS.REQ.SERVER.PING", b"")


async def test_nobody_hears_the_answers_of_another(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(PATIENCE),
        server_with_users(tmp_path) as server,
        Connection.connect(server.url("producer"), name="test") as connection,
    ):
        await connection.subscribe("_INBOX.gateway.>", lambda *message: None)
        await server.refused("_INBOX.gateway.>")


async def test_who_has_no_password_is_turned_away(tmp_path: Path) -> None:
    async with server_with_users(tmp_path) as server:
        with pytest.raises(StreamUnavailable, match=r"nats://\*\*\*@.*Authorization Violation"):
            async with Connection.connect(
                server.url("gateway").replace("-of-this-test", "-guessed"), name="test"
            ):
                pass
