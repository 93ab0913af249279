"""`poll`: `GET /v1/runs/{run}` over 64 connections, each asking as soon as it is answered.

With the ETag of the last answer, while the run has one event a second; then without. The run has
ten steps, so its snapshot is of about 2 KB.
"""

import asyncio

import msgspec

from bench.harness import Figure, quantile
from bench.pollers import Polled, Polling
from bench.processes import Helper, gateway, nats
from broker.stream.connection import Connection

SUBJECT = "progress.default.poll"
PLAN = {"type": "run.started", "plan": [{"step": f"step-{n}", "name": "A"} for n in range(10)]}


async def measure(smoke: bool) -> list[Figure]:
    seconds = 1.0 if smoke else 15.0
    figures = []
    async with (
        nats() as url,
        gateway(nats_url=url) as server,
        Connection.connect(url, name="bench") as connection,
    ):
        await connection.request(SUBJECT, msgspec.json.encode(PLAN))
        for name, conditional in (("with ETag", True), ("without", False)):
            plan = Polling(
                port=server.port,
                path="/v1/runs/poll",
                connections=64,
                seconds=seconds,
                conditional=conditional,
            )
            before = server.cost()
            async with Helper.running("bench.pollers", plan) as pollers:
                changing = asyncio.create_task(_change(connection))
                polled = await pollers.hear(Polled, seconds + 30.0)
                changing.cancel()
            after = server.cost()
            if set(polled.answers) - {200, 304}:
                raise AssertionError(f"answers {polled.answers}")
            rate = sum(polled.answers.values()) / polled.seconds
            figures += [
                Figure(f"{name}: answers", rate, "/s", ">=", 20_000 if conditional else None),
                Figure(f"{name}: of these 200", polled.answers.get(200, 0), ""),
                Figure(f"{name}: p99", quantile(polled.latencies, 0.99), "ms"),
                Figure(
                    f"{name}: core", (after.seconds - before.seconds) / polled.seconds * 100, "%"
                ),
                Figure(f"{name}: pollers' core", polled.busy * 100, "%"),
            ]
    return figures


async def _change(connection: Connection) -> None:
    """An event a second, until cancelled."""
    current = 0
    while True:
        await asyncio.sleep(1.0)
        current += 1
        payload = b'{"type":"run.progress","current":%d}' % current
        await connection.publish(SUBJECT, payload)
