"""Two thousand clients that poll one run through a cache cost the gateway one request a change."""

import asyncio
import re
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import until
from tests.gateway.runs import started, step_progress
from tests.gateway.serving import Broker, broker
from tests.proxy.proxies import proxy
from tests.sse import Wire, ask, path

CLIENTS = 2000
CHANGES = 3


@pytest.fixture
def _many_files() -> Iterator[None]:
    """Each client and each of its counterparts is a socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def asked(b: Broker) -> float:
    """How many snapshots the gateway was asked for."""
    return await b.metric(
        "http_requests_total", code="200", endpoint="/v1/runs/{run}", method="GET"
    )


async def waiting(url: str) -> int:
    """How many requests nginx holds, this one not counted."""
    found = re.search(rb"Writing: (\d+)", (await ask(url, "/status")).body)
    assert found is not None
    return int(found[1]) - 1


async def poll(url: str, cursor: str, seen: list[int]) -> None:
    """A client: each answer's `ETag` is the next question's cursor."""
    async with Wire.connect(url) as wire:
        for _ in range(CHANGES):
            await wire.send("GET", path("r1", f"?after={cursor}&wait=20"))
            answer = await wire.answer()
            assert 200 == answer.status
            cursor = answer.headers["etag"].strip('"')
            seen.append(answer.json()["steps"]["fetch"]["current"])


@pytest.mark.usefixtures("_many_files")
async def test_one_request_for_each_change(tmp_path: Path) -> None:
    """nginx asks once for all that are equally far, and they get the same answer.

    It wakes those who wait for its lock twice a second, so that they hear half a second later.
    """
    async with broker(tmp_path) as b, proxy("nginx", tmp_path / "nginx", b.url) as url:
        await b.publish("r1", started())
        cursor = (await ask(b.url, path("r1"))).headers["etag"].strip('"')
        before = await asked(b)

        async def all_wait() -> bool:
            return await waiting(url) >= CLIENTS

        async with asyncio.TaskGroup() as group:
            saw: list[list[int]] = [[] for _ in range(CLIENTS)]
            for seen in saw:
                group.create_task(poll(url, cursor, seen))
            for change in range(CHANGES):
                await until(all_wait)
                await b.publish("r1", step_progress("fetch", change + 1))
        # Each saw them all, but for those that were late: they go on with what is so by then.
        assert all(seen == sorted(seen) and seen[-1] == CHANGES for seen in saw)
        assert saw.count([1, 2, 3]) > CLIENTS / 2
        # One for each; where a machine is slow, an answer is too old for some who come late.
        assert CHANGES <= await asked(b) - before <= 5 * CHANGES
