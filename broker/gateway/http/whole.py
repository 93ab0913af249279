"""Short answers that clients ask for again and again: written as one piece of bytes.

aiohttp makes a response from parts that are the same for all clients, for each of them anew, which
takes as long as finding out what to answer. It is left to do so wherever the answer depends on who
asks: an older HTTP, a connection that closes, HEAD, a browser's page.
"""

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import SERVER_SOFTWARE


def whole(
    request: web.Request,
    status: int,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    always: tuple[tuple[str, str], ...],
) -> web.StreamResponse:
    """The answer to a request; `headers` beside those that every answer has `always`."""
    if (
        request.method != "GET"
        or request.version != HttpVersion11
        or not request.keep_alive
        or "Origin" in request.headers
    ):
        return web.Response(status=status, headers=headers, body=body or None)
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    if status != HTTPStatus.NOT_MODIFIED:
        lines.append(f"Content-Length: {len(body)}\r\n")
    head = f"{_status_line(status)}{''.join(lines)}{_common(always)}"
    date = _date(int(time.time()))
    return _Whole(status, b"%b%b%b" % (head.encode(), date, body))


class _Whole(web.StreamResponse):
    """Such an answer. Neither headers nor signals can change it any more."""

    keep_alive = True

    def __init__(self, status: int, data: bytes) -> None:
        super().__init__(status=status)
        self._data = data

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        transport.write(self._data)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """All is written."""


@lru_cache
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"


@lru_cache(4)
def _common(always: tuple[tuple[str, str], ...]) -> str:
    named = [("Server", SERVER_SOFTWARE), *always]
    return "".join([f"{name}: {value}\r\n" for name, value in named])


@lru_cache(2)
def _date(second: int) -> bytes:
    """The last header, and the end of all."""
    return f"Date: {formatdate(second, usegmt=True)}\r\n\r\n".encode()
