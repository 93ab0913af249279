"""A way to a gateway that spoils what passes, as broken gateways and proxies do."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeAlias

from aiohttp import ClientSession, ClientTimeout, WSMsgType, web

from tests.apps import served_app

Fault: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

_NOT_PASSED: Final = {"connection", "transfer-encoding", "content-length", "content-encoding"}
_HANDSHAKE: Final = ("sec-websocket", "upgrade", "connection")


class Spoiler:
    """Passes requests on, or has a fault answer those of the API."""

    def __init__(self, gateway: str, session: ClientSession) -> None:
        self.url = ""
        self.spoilt = 0
        """Requests that the fault answered."""
        self.rewrite: Callable[[str], str] = str
        """What becomes of a message that the gateway sends on a socket."""
        self._gateway = gateway
        self._session = session
        self._fault: Fault | None = None
        self._paths = ""
        self._sockets_too = True
        self._sockets: set[web.WebSocketResponse] = set()

    async def spoil(self, fault: Fault, *, paths: str = "^/v1", sockets: bool = True) -> None:
        """Let the fault answer where a path is like that.

        With `sockets` those that are open break, and none passes.
        """
        self._fault, self._paths, self._sockets_too, self.spoilt = fault, paths, sockets, 0
        if sockets:
            await self.cut()

    def heal(self) -> None:
        """Pass everything on again."""
        self._fault = None

    async def cut(self) -> None:
        """Break all sockets, as a network does."""
        for socket in list(self._sockets):
            if socket._req is not None and socket._req.transport is not None:
                socket._req.transport.abort()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """What the browser gets."""
        upgrade = "Upgrade" in request.headers
        fault = self._fault if self._sockets_too or not upgrade else None
        if fault is not None and re.search(self._paths, request.path):
            self.spoilt += 1
            return await fault(request)
        return await (self._socket(request) if upgrade else self._pass(request))

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        asked = {k: v for k, v in request.headers.items() if k not in ("Host", "Origin")}
        url, body = self._gateway + request.raw_path, await request.read()
        async with self._session.request(
            request.method, url, headers=asked, data=body, allow_redirects=False
        ) as answer:
            said = {k: v for k, v in answer.headers.items() if k.lower() not in _NOT_PASSED}
            response = web.StreamResponse(status=answer.status, headers=said)
            await response.prepare(request)
            with suppress(ConnectionError):
                async for part in answer.content.iter_any():
                    await response.write(part)
            return response

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        here = web.WebSocketResponse()
        async with self._session.ws_connect(self._gateway + request.raw_path) as there:
            await here.prepare(request)
            self._sockets.add(here)

            async def down() -> None:
                async for message in there:
                    await here.send_str(self.rewrite(message.data))
                await here.close(code=there.close_code or 1006)

            passing = asyncio.create_task(down())
            try:
                async for message in here:
                    if message.type is WSMsgType.TEXT:
                        await there.send_str(message.data)
            finally:
                self._sockets.discard(here)
                passing.cancel()
        return here


def answers(status: int, body: str, type_: str = "text/html", **headers: str) -> Fault:
    """Every request gets this answer."""

    async def fault(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=body, content_type=type_, headers=named)

    return fault


def problem(status: int, name: str, detail: str, **headers: str) -> Fault:
    """Every request is refused as the gateway does it."""
    body = f'{{"type":"urn:progress-broker:problem:{name}","detail":"{detail}","status":{status}}}'
    return answers(status, body, "application/problem+json", **headers)


async def truncated(request: web.Request) -> web.StreamResponse:
    """The answer breaks off."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    response.content_type = "application/json"
    await response.prepare(request)
    await response.write(b'{"run":"import-7","sta')
    return _broken(request, response)


async def silent(request: web.Request) -> web.StreamResponse:
    """The request is taken, and nothing comes."""
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    return web.Response(status=500)


async def dripping(request: web.Request) -> web.StreamResponse:
    """The answer comes byte by byte, and never ends."""
    response = web.StreamResponse()
    response.content_type = "application/json"
    with suppress(ConnectionError):
        await response.prepare(request)
        for byte in b'{"run":"' + b"x" * 10_000:
            await response.write(bytes([byte]))
            await asyncio.sleep(0.2)  # slow is the point
    return response


def closing(code: int, reason: str = "") -> Fault:
    """Every socket opens, and is closed with this code."""

    async def fault(request: web.Request) -> web.StreamResponse:
        if "Upgrade" not in request.headers:
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.close(code=code, message=reason.encode())
        return socket

    return fault


def saying(*frames: str | bytes) -> Fault:
    """Every socket opens and says this, then nothing."""

    async def fault(request: web.Request) -> web.StreamResponse:
        if "Upgrade" not in request.headers:
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for frame in frames:
            await (socket.send_str(frame) if isinstance(frame, str) else socket.send_bytes(frame))
        async for _ in socket:
            pass
        return socket

    return fault


def _broken(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return response


@asynccontextmanager
async def spoiler(gateway: str) -> AsyncIterator[Spoiler]:
    """A way to a gateway."""
    async with ClientSession(timeout=ClientTimeout(total=None)) as session:
        way = Spoiler(gateway, session)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", way.answer)
        async with served_app(app) as way.url:
            yield way
