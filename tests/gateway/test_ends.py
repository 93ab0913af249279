"""Every stream that ends is counted once, by why; and no connection is counted for ever."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from broker.stream.topology import PROGRESS, api
from tests.faults import link, until
from tests.gateway.bundle import many
from tests.gateway.lists import live as live_list
from tests.gateway.runs import completed, started
from tests.gateway.serving import Broker, broker, gateway
from tests.gateway.test_websocket import websockets_client
from tests.sse import ask, path, stream
from tests.stream.serving import nats

TRANSPORTS = ("sse", "websocket", "poll", "download")


async def ended(b: Broker, **wanted: int) -> None:
    """Wait until these ends were counted, and nothing is open; then these must be all."""

    async def counted() -> dict[str, int]:
        text = (await b.get("/metrics")).body.decode()
        rows = [row for row in text.split("\n") if row.startswith(PREFIX)]
        found = {row.split('"')[1]: int(float(row.split()[-1])) for row in rows}
        return {reason: count for reason, count in found.items() if count}

    async def all_told() -> bool:
        return sum((await counted()).values()) >= sum(wanted.values())

    await until(all_told)
    assert wanted == await counted()
    assert [0, 0, 0, 0] == [await b.metric("connections", transport=t) for t in TRANSPORTS]


PREFIX = "progress_broker_streams_closed_total{"


async def a_stream(b: Broker) -> None:
    async with stream(b.url, "r1") as frames:
        await frames.until("snapshot")
        assert 1 == await b.metric("connections", transport="sse")


async def a_bundle(b: Broker) -> None:
    async with many(b.url, "r1") as frames:
        await frames.until("snapshot")
        assert 1 == await b.metric("connections", transport="sse")


async def a_list(b: Broker) -> None:
    async with live_list(b) as frames:
        await frames.until("snapshot")
        assert 1 == await b.metric("connections", transport="sse")


async def a_socket(b: Broker) -> None:
    async with websockets_client(b.url) as socket:
        await socket.until("hello")
        assert 1 == await b.metric("connections", transport="websocket")


@pytest.mark.parametrize("open_and_leave", [a_stream, a_bundle, a_list, a_socket])
async def test_a_client_that_goes(
    tmp_path: Path, open_and_leave: Callable[[Broker], Awaitable[None]]
) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        await open_and_leave(b)
        await ended(b, client=1)


async def test_a_run_that_ends(tmp_path: Path) -> None:
    """The stream of it, and one of many of which it was the last; a download is over too."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        async with stream(b.url, "r1") as frames, many(b.url, "r1") as bundle:
            await frames.until("snapshot")
            await bundle.until("snapshot")
            await b.publish("r1", completed())
            await frames.rest()
            await bundle.rest()
        accept = {"Accept": "application/x-ndjson"}
        assert 200 == (await ask(b.url, path("r1", "/events"), headers=accept)).status
        await ended(b, end=3)


async def test_a_gateway_that_drains(tmp_path: Path) -> None:
    async with broker(tmp_path) as b, gateway(b.nats.url) as here:
        draining = Broker(here, b.nats)
        await b.publish("r1", started())
        async with (
            stream(here.url, "r1") as frames,
            many(here.url, "r1") as bundle,
            live_list(draining) as listed,
            websockets_client(here.url) as socket,
            asyncio.TaskGroup() as group,
        ):
            for one in (frames, bundle, listed):
                await one.until("snapshot")
            await socket.until("hello")
            assert 0 == await draining.metric("draining")
            group.create_task(here.drain.run(0.1))
            for one in (frames, bundle, listed):
                await one.rest()
            assert await socket.next() is None
            assert (1, 0) == (await draining.metric("draining"), await draining.metric("ready"))
        await ended(draining, drain=4)


async def test_a_stream_that_is_made_anew(tmp_path: Path) -> None:
    """What was watched is not there any more: everybody comes back."""
    async with nats(tmp_path) as server, link(server.url) as way, gateway(way.url) as here:
        await server.publish("r1", started())
        async with stream(here.url, "r1") as frames, many(here.url, "r1") as bundle:
            await frames.until("snapshot")
            await bundle.until("snapshot")
            await api(server.connection, f"STREAM.DELETE.{PROGRESS}")
            way.cut()  # after an outage the streams are looked at
            await frames.rest()
            await bundle.rest()
        await ended(Broker(here, server), interrupted=2)


async def test_a_socket_whose_client_breaks_the_rules(tmp_path: Path) -> None:
    async with broker(tmp_path) as b, websockets_client(b.url) as socket:
        await socket.until("hello")
        for _ in range(10):
            await socket.text(json.dumps({"op": "dance"}))
        while await socket.next() is not None:
            pass
        await ended(b, protocol=1)
