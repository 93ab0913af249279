"""The addresses that a gateway listens on: taken before anything else is begun.

What answers there may change: first an application that says why the gateway is not ready yet, then
the one that serves. The sockets stay, so nobody is turned away between the two.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, Self

from aiohttp import web

from broker.errors import CannotListen

LINE_MAX: Final = 256 * 1024
"""Bytes of a request line: `/v1/stream` names up to 1,000 runs in it."""
HEADER_MAX: Final = 32 * 1024
"""Bytes of one header: a proxy that asks who is there passes its session on, tokens and all, in
cookies of 4 KiB each. 8 KiB, aiohttp's own bound, turns away people who are in many groups."""
KEEPALIVE: Final = 75.0
"""Seconds an idle connection stays open; aiohttp's deadline for request headers too."""
_BACKLOG: Final = 4096


class Door:
    """An address that is listened on. Made by `opened`."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self._sockets = sockets
        self._sites: list[web.SockSite] = []
        host, port = sockets[0].getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, host: str, port: int, *, flag: str, shares_port: bool = False
    ) -> AsyncIterator[Self]:
        """Listen as long as the block; `flag` is named where that cannot be.

        With `shares_port` other processes may listen on the same port. Raises CannotListen.
        """
        with ExitStack() as life:
            sockets: list[socket.socket] = []
            try:
                for family, address in await _resolved(host, port):
                    sockets.append(life.enter_context(socket.socket(family)))
                    _bind(sockets[-1], address, shares_port=shares_port)
            except OSError as error:
                where = f"{host}:{port}"
                raise CannotListen(where, error.strerror or str(error), flag) from None
            yield cls(sockets)

    @asynccontextmanager
    async def showing(self, app: web.Application, *, for_now: bool = False) -> AsyncIterator[None]:
        """Have an application answer who connects from now on, as long as the block.

        Who is connected already is still answered by the one before, which must have been shown
        `for_now`: then each connection is for one answer, or a client that keeps its connection
        would never meet the next. When the block of another ends, nobody listens any more.
        """
        if for_now:
            app.on_response_prepare.append(last_answer)
        runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=KEEPALIVE,
            shutdown_timeout=1.0,
            max_line_size=LINE_MAX,
            max_field_size=HEADER_MAX,
        )
        await runner.setup()
        try:
            for site in self._sites:
                await site.stop()
            # A site closes its socket when it stops.
            sockets = [each.dup() for each in self._sockets] if for_now else self._sockets
            self._sites = [web.SockSite(runner, each, backlog=_BACKLOG) for each in sockets]
            for site in self._sites:
                await site.start()
            yield
        finally:
            await runner.cleanup()


async def last_answer(request: web.Request, response: web.StreamResponse) -> None:
    """The signal that ends a connection with its answer, unless it becomes a WebSocket's."""
    if response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        response.force_close()
        response.headers["Connection"] = "close"  # aiohttp has decided on it before


async def _resolved(host: str, port: int) -> list[tuple[int, Any]]:
    """The families and addresses of a host, each once."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    return list(dict.fromkeys((int(family), where) for family, *_, where in found))


def _bind(listener: socket.socket, address: Any, *, shares_port: bool) -> None:
    listener.setblocking(False)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shares_port:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(address)
    listener.listen(_BACKLOG)
