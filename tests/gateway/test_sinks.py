"""Taking a socket from aiohttp: what `hand_over` leans on, pinned for the installed version."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from broker.gateway.http.sinks import StreamSink, hand_over
from tests.sse import Wire, ask


class Taken:
    """The sinks of a server that takes every socket at `/take`, and what aiohttp had of them."""

    def __init__(self) -> None:
        self.url = ""
        self.sinks: list[StreamSink] = []
        self.remains: list[weakref.ref[object]] = []
        self.another = asyncio.Event()

    async def take(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        response.force_close()
        await response.prepare(request)
        task = asyncio.current_task()
        self.remains += [weakref.ref(each) for each in (request, response, task)]
        self.sinks.append(hand_over(request, high_water=1024, now=asyncio.get_running_loop().time))
        self.another.set()
        return response

    async def sink(self) -> StreamSink:
        """The sink of the next socket taken."""
        await self.another.wait()
        self.another.clear()
        return self.sinks[-1]


@asynccontextmanager
async def taking() -> AsyncIterator[Taken]:
    """Serve on a free port."""
    taken = Taken()
    app = web.Application()
    app.router.add_get("/take", taken.take)
    app.router.add_get("/plain", plain)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        taken.url = f"http://{host}:{port}"
        yield taken
    finally:
        await runner.cleanup()


async def plain(request: web.Request) -> web.Response:
    return web.Response(text="plain")


def handlers() -> int:
    """How many of aiohttp's protocols there are; they take no weak reference."""
    return sum(type(each) is RequestHandler for each in gc.get_objects())


async def test_nothing_of_aiohttp_is_left() -> None:
    """No request, response, protocol or task: a waiting client costs its socket."""
    async with asyncio.timeout(10), taking() as taken, Wire.connect(taken.url) as wire:
        await wire.send("GET", "/take")
        status, _ = await wire.head()
        assert 200 == status
        await taken.sink()
        while any(reference() for reference in taken.remains) or handlers():
            await asyncio.sleep(0.01)
            gc.collect()
        assert {asyncio.current_task()} == asyncio.all_tasks()


async def test_what_is_written_arrives_and_the_end_is_an_end() -> None:
    async with asyncio.timeout(10), taking() as taken, Wire.connect(taken.url) as wire:
        await wire.send("GET", "/take")
        _, headers = await wire.head()
        sink = await taken.sink()
        sink.write(b"5\r\nhello\r\n")
        sink.write(b"0\r\n\r\n")
        sink.close()
        assert [b"hello"] == [piece async for piece in wire.pieces(headers)]
        assert wire.complete
        assert b"" == await wire.reader.read()


async def test_a_client_that_goes_is_noticed() -> None:
    async with asyncio.timeout(10), taking() as taken:
        gone = asyncio.Event()
        async with Wire.connect(taken.url) as wire:
            await wire.send("GET", "/take")
            await wire.head()
            (await taken.sink()).on_close = lambda why: gone.set()
        await gone.wait()


async def test_requests_before_it_on_the_same_connection_are_answered() -> None:
    """The connection was kept alive by aiohttp, and is taken with the third request."""
    async with asyncio.timeout(10), taking() as taken, Wire.connect(taken.url) as wire:
        for _ in range(2):
            await wire.send("GET", "/plain")
            assert b"plain" == (await wire.answer()).body
        await wire.send("GET", "/take")
        _, headers = await wire.head()
        (await taken.sink()).write(b"2\r\nok\r\n")
        assert b"ok" == await anext(wire.pieces(headers))


async def test_a_sink_tells_what_its_client_has_not_taken() -> None:
    async with (
        asyncio.timeout(10),
        taking() as taken,
        Wire.connect(taken.url, receive_buffer=4096) as wire,
    ):
        await wire.send("GET", "/take")
        await wire.head()
        sink = await taken.sink()
        assert 0 == sink.pending()
        sink.write(b"x" * 8_000_000)
        assert sink.pending() > 0
        read = 0
        while read < 8_000_000:
            read += len(await wire.reader.read(65536))
        assert 0 == sink.pending()


async def test_many_sockets_are_taken_and_given_back() -> None:
    """A hundred clients come and go; the server still answers, and stops at once."""
    async with asyncio.timeout(20), taking() as taken:

        async def come_and_go() -> None:
            async with Wire.connect(taken.url) as wire:
                await wire.send("GET", "/take")
                await wire.head()

        await asyncio.gather(*(come_and_go() for _ in range(100)))
        assert b"plain" == (await ask(taken.url, "/plain")).body


async def test_a_client_that_has_gone_already_is_an_error() -> None:
    """Its request is over: there is no socket to take."""
    failed = asyncio.Event()

    async def late(request: web.Request) -> web.StreamResponse:
        transport = request.transport
        assert transport is not None
        transport.abort()
        with pytest.raises(ConnectionResetError):
            hand_over(request, high_water=1024, now=asyncio.get_running_loop().time)
        failed.set()
        return web.Response()

    app = web.Application()
    app.router.add_get("/", late)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        async with asyncio.timeout(10), Wire.connect(f"http://{host}:{port}") as wire:
            await wire.send("GET", "/")
            await failed.wait()
    finally:
        await runner.cleanup()
