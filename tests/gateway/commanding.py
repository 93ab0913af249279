"""What commands leave behind: events of the run, and jobs on the work queue."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from broker.stream.headers import SEQUENCE, number
from broker.stream.replay import read
from broker.stream.topology import JOBS
from tests.gateway.serving import Broker
from tests.sse import Answer, ask, path
from tests.stream.serving import key_of

Event = dict[str, Any]


async def tell(
    b: Broker,
    run: str,
    command: str,
    body: Any = None,
    *,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    url: str | None = None,
) -> Answer:
    """Give a run a command."""
    sent = {} if key is None else {"Idempotency-Key": key}
    if body is not None and not isinstance(body, bytes):
        body = msgspec.json.encode(body)
    return await ask(
        url or b.url,
        path(run, f"/{command}"),
        method="POST",
        headers={"Content-Type": "application/json", **sent, **(headers or {})},
        body=body or b"",
    )


async def given(b: Broker, run: str, command: str, body: Any = None, **how: Any) -> str:
    """Give a run a command that it takes; gives the command's id."""
    answer = await tell(b, run, command, body, **how)
    assert 202 == answer.status, answer.body
    id: str = answer.json()["command"]
    return id


async def events(b: Broker, run: str = "r1") -> list[Event]:
    """The stored events of a run."""
    return [msgspec.json.decode(record.payload) for record in await b.nats.records(run)]


async def types(b: Broker, run: str = "r1") -> list[str]:
    """Their types."""
    return [event["type"] for event in await events(b, run)]


async def jobs(b: Broker, pipeline: str = "import") -> list[dict[str, Any]]:
    """What waits for a worker of a pipeline."""
    pages = read(b.nats.connection, f"jobs.default.{pipeline}", 0, stream=JOBS)
    return [msgspec.json.decode(record.payload) async for page in pages for record in page]


async def work(b: Broker, pipeline: str = "import") -> dict[str, Any]:
    """Take a job off the queue, as a worker does that has done it."""
    created = await b.nats.connection.request(
        f"$JS.API.CONSUMER.CREATE.{JOBS}.worker.jobs.default.{pipeline}",
        msgspec.json.encode(
            {
                "stream_name": JOBS,
                "config": {
                    "durable_name": "worker",
                    "ack_policy": "explicit",
                    "filter_subject": f"jobs.default.{pipeline}",
                },
            }
        ),
    )
    assert b'"error"' not in created, created
    taken: asyncio.Future[tuple[bytes, bytes]] = asyncio.get_running_loop().create_future()

    def take(subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        taken.set_result((reply, data))

    inbox = b.nats.connection.new_inbox()
    subscription = await b.nats.connection.subscribe(inbox, take)
    await b.nats.connection.publish(
        f"$JS.API.CONSUMER.MSG.NEXT.{JOBS}.worker", b'{"batch":1}', reply=inbox
    )
    async with asyncio.timeout(10):
        reply, data = await taken
    await b.nats.connection.request(reply.decode(), b"+ACK")
    await subscription.close()
    job: dict[str, Any] = msgspec.json.decode(data)
    return job


class Producer:
    """What a producer hears of its run over plain NATS."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[int, Event]] = asyncio.Queue()

    def take(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        self.heard.put_nowait((number(headers or b"", SEQUENCE) or 0, msgspec.json.decode(data)))

    async def next(self) -> Event:
        """The next event of the run."""
        async with asyncio.timeout(10):
            return (await self.heard.get())[1]


@asynccontextmanager
async def producer(b: Broker, run: str = "r1") -> AsyncIterator[Producer]:
    """Listen to a run, as its producer does in any language."""
    listener = Producer()
    subscription = await b.nats.connection.subscribe(key_of(run).live_subject, listener.take)
    await b.nats.connection.flush()
    yield listener
    await subscription.close()
