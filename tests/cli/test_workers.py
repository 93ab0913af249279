"""Several gateways on one port, and the one process that keeps them."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from broker.cli import exits
from tests.faults import gone, until
from tests.gateway.process import Process, free_ports, serving
from tests.gateway.runs import completed, started
from tests.sse import ask, path, stream, watch
from tests.stream.configured import JETSTREAM, configured
from tests.stream.serving import Nats, nats


class Workers:
    """Two gateways, each with an address of its own for its metrics."""

    def __init__(self, process: Process, url: str, admin: list[str], server: Nats) -> None:
        self.process = process
        self.url = url
        self.admin = admin
        self.nats = server

    @property
    def pids(self) -> list[int]:
        """The gateways, without those who guard them."""
        return [
            pid
            for pid, command in self.process.descendants().items()
            if "--shares-port" in command and "guardian" not in command
        ]

    async def ready(self) -> None:
        """Wait until both take requests."""
        for url in self.admin:

            async def answers(url: str = url) -> bool:
                try:
                    return (await ask(url, "/readyz")).status == 200
                except OSError:
                    return False

            await until(answers, 30)


@asynccontextmanager
async def two_workers(folder: Path) -> AsyncIterator[Workers]:
    """Run two; whatever becomes of their keeper, they must not outlive the block."""
    port, *admin = free_ports(3)
    url = f"http://127.0.0.1:{port}"
    settings = {
        "listen": f"127.0.0.1:{port}",
        "admin_listen": f"127.0.0.1:{admin[0]}",
        "workers": 2,
        "drain_seconds": 1,
    }
    family: dict[int, str] = {}
    async with nats(folder / "nats") as server:
        async with serving(folder, server.url, **settings) as process:
            workers = Workers(process, url, [f"http://127.0.0.1:{p}" for p in admin], server)
            await workers.ready()
            try:
                yield workers
            finally:
                family = process.descendants()
        async with asyncio.timeout(15):
            for pid in family:
                await gone(pid)


async def requests(admin: str) -> float:
    """How many polls a worker has answered."""
    metric = b'progress_broker_http_requests_total{code="200",endpoint="/v1/runs/{run}"'
    lines = (await ask(admin, "/metrics")).body.split(b"\n")
    return sum(float(line.split()[-1]) for line in lines if line.startswith(metric))


async def test_two_share_one_port(tmp_path: Path) -> None:
    """Both answer, each counts its own, and a stream of either shows the run."""
    async with two_workers(tmp_path) as workers:
        await workers.nats.publish("r1", started())
        for _ in range(40):
            assert 200 == (await ask(workers.url, path("r1"))).status
        counts = [await requests(admin) for admin in workers.admin]
        assert 40 == sum(counts)
        assert min(counts) > 0
        await workers.nats.publish("r1", completed())
        ends = await asyncio.gather(*[watch(workers.url, "r1") for _ in range(8)])
        assert {"completed"} == {viewer.state["status"] for viewer in ends}


async def test_one_that_is_killed_is_started_again(tmp_path: Path) -> None:
    """Meanwhile the other serves; its streams notice nothing."""
    async with two_workers(tmp_path) as workers:
        await workers.nats.publish("r1", started())
        before = workers.pids
        assert 2 == len(before)
        os.kill(before[0], signal.SIGKILL)
        await gone(before[0])
        async with stream(workers.url, "r1") as frames:
            await frames.until("snapshot")
            await workers.process.listens(times=3)
            await workers.ready()
            await workers.nats.publish("r1", completed())
            await frames.until("end")
        after = workers.pids
        assert 2 == len(after)
        assert before[1] in after
        assert before[0] not in after
        assert "starting it again" in workers.process.log


async def test_sigterm_ends_them_in_good_order(tmp_path: Path) -> None:
    """Their streams are ended, not cut; nothing is left running."""
    async with two_workers(tmp_path) as workers:
        await workers.nats.publish("r1", started())
        family = workers.process.descendants()
        async with stream(workers.url, "r1") as one, stream(workers.url, "r1") as two:
            for frames in (one, two):
                await frames.until("snapshot")
            workers.process.tell(signal.SIGTERM)
            for frames in (one, two):
                await frames.rest()
                assert frames.complete
                assert frames.retry is not None
        assert 0 == await workers.process.ended()
        for pid in family:
            await gone(pid)
        assert "Traceback" not in workers.process.log


async def test_they_end_with_a_keeper_that_is_killed(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as workers:
        family = workers.process.descendants()
        assert len(family) >= 4
        workers.process.tell(signal.SIGKILL)
        assert -signal.SIGKILL == await workers.process.ended()
        async with asyncio.timeout(15):
            for pid in family:
                await gone(pid)


async def test_a_port_that_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    """Any free port would be another one for each."""
    async with serving(tmp_path, "nats://127.0.0.1:1", workers=2) as process:
        assert 2 == await process.ended()
        assert "--listen" in process.log
        assert "Traceback" not in process.log


async def test_what_only_a_person_mends_is_not_tried_again(tmp_path: Path) -> None:
    """The first worker that says so ends all of them, with its code."""
    [port] = free_ports(1)
    users = JETSTREAM + "authorization {{ user: gateway, password: right }}"
    async with configured(tmp_path / "nats", users) as server:
        wrong = server.url("gateway:wrong")
        listen = f"127.0.0.1:{port}"
        async with serving(tmp_path, wrong, workers=2, listen=listen) as process:
            assert exits.NATS_REFUSES == await process.ended()
            assert "Authorization Violation" in process.log
            assert "a worker cannot begin" in process.log.splitlines()[-1]
            assert "starting it again" not in process.log
            assert "Traceback" not in process.log
