"""The log of a running gateway: JSON that a machine reads, however it is treated."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from broker.logs import ALIKE
from tests.faults import link, until
from tests.gateway.process import Process, serving
from tests.gateway.runs import started
from tests.sse import Wire, ask, path, stream
from tests.stream.serving import PATIENCE, nats

SECRET = "a-secret-of-somebody"
GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"NONSENSE " + SECRET.encode() + b"\r\n\r\n",
    b"GET /v1/runs?token=" + SECRET.encode() + b" HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + SECRET.encode() + b"\x00\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + SECRET.encode() + b"\r\n\r\n",
    b"GET /" + SECRET.encode() * 20_000 + b" HTTP/1.1\r\n\r\n",
]
RUNS = 40


def lines_of(process: Process) -> list[dict[str, Any]]:
    """Every line, each of which must be an object of its own with the fields of the page."""
    lines = [json.loads(line) for line in process.log.splitlines()]
    for line in lines:
        assert {"ts", "level", "logger", "event", "msg"} <= line.keys()
    return lines


async def test_garbage_is_a_line_each_and_not_repeated(tmp_path: Path) -> None:
    """Neither what it says nor a traceback; and soon not even a line."""
    async with (
        asyncio.timeout(PATIENCE),
        nats(tmp_path / "nats") as server,
        serving(tmp_path, server.url, log_format="json", log_level="debug") as process,
    ):
        url = await process.listens()
        for number in range(60):
            async with Wire.connect(url) as wire:
                wire.writer.write(GARBAGE[number % len(GARBAGE)])
                assert b"400" in await wire.reader.readline()
        wanted = f"/v1/runs?token={SECRET}&nonsense=1"
        headers = {"Authorization": f"Bearer {SECRET}"}
        assert 422 == (await ask(url, wanted, headers=headers)).status
        assert SECRET not in process.log
        found = [line for line in lines_of(process) if line["event"] == "request_malformed"]
        assert 0 < len(found) <= ALIKE
        assert {"info"} == {line["level"] for line in found}
        assert "Traceback" not in process.log


async def test_an_outage_is_a_few_lines(tmp_path: Path) -> None:
    """However many runs are watched, and however often all of it is tried again."""
    async with (
        asyncio.timeout(PATIENCE),
        nats(tmp_path / "nats") as server,
        link(server.url) as way,
        serving(tmp_path, way.url, log_format="json") as process,
        AsyncExitStack() as stack,
    ):
        url = await process.listens()
        for number in range(RUNS):
            await server.publish(f"r{number}", started())
            frames = await stack.enter_async_context(stream(url, f"r{number}"))
            await frames.until("snapshot")
        before = len(process.log.splitlines())
        for _ in range(2):
            await way.close()
            await asyncio.gather(*[ask(url, path(f"unknown-{n}")) for n in range(20)])
            await way.open()
            await until(lambda: _serves(url))
        told = process.log.splitlines()[before:]
        assert 0 < len(told) < 25, told
        assert {"nats_lost", "nats_connected"} <= {line["event"] for line in lines_of(process)}


async def _serves(url: str) -> bool:
    return (await ask(url, path("nobody"))).status == 404
