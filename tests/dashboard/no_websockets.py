"""A proxy of the kind that lets no WebSocket pass."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from aiohttp import ClientSession, ClientTimeout, web

from tests.apps import served_app

_HOP_BY_HOP: Final = {"connection", "transfer-encoding", "content-length", "content-encoding"}


@asynccontextmanager
async def no_websockets(gateway: str) -> AsyncIterator[str]:
    """Pass requests on to a gateway, and answers on as they come; gives the proxy's URL."""
    async with ClientSession(timeout=ClientTimeout(total=None)) as session:

        async def passed_on(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Upgrade"):
                return web.Response(status=502)
            asked = {k: v for k, v in request.headers.items() if k not in ("Host", "Origin")}
            url = gateway + request.raw_path
            async with session.request(request.method, url, headers=asked) as answer:
                said = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
                response = web.StreamResponse(status=answer.status, headers=said)
                await response.prepare(request)
                with suppress(ConnectionError):
                    async for part in answer.content.iter_any():
                        await response.write(part)
                return response

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", passed_on)
        async with served_app(app) as url:
            yield url
