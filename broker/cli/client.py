"""A small client of the gateway's HTTP API; what goes wrong becomes one sentence that helps."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, Self, TypeAlias
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from yarl import URL

from broker.errors import GatewayUnreachable, RequestRefused

Params: TypeAlias = Mapping[str, object]
"""Query parameters: a list stands for a repeated one, None for none."""

EVENT_STREAM: Final = "text/event-stream"
NDJSON: Final = "application/x-ndjson"

_TIMEOUT: Final = aiohttp.ClientTimeout(total=90, sock_connect=10)
_MOST_PROBLEM: Final = 1 << 20
"""Bytes of an error's answer that are read."""

_PATIENCE: Final = {("GET", 429): 60.0, ("POST", 429): 60.0, ("GET", 503): 10.0}
"""Seconds that a request waits, all told, where the gateway says when it may be asked again."""


class Client:
    """Asks one gateway. Made by `connect`."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url
        self._ahead = timedelta()

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str) -> AsyncIterator[Self]:
        """A client of the gateway at `url`; the first request opens the connection."""
        async with aiohttp.ClientSession(
            timeout=_TIMEOUT,
            read_bufsize=1 << 18,
            max_line_size=1 << 16,
            connector=aiohttp.TCPConnector(limit=0),
        ) as session:
            yield cls(session, url)

    def now(self) -> datetime:
        """The time by the gateway's clock, as far as its answers tell."""
        return datetime.now(UTC) + self._ahead

    async def get(self, path: str, params: Params | None = None) -> Any:
        """What is at a path, as JSON. Raises RequestRefused, GatewayUnreachable."""
        return await self._ask("GET", path, params, {"Accept": "application/json"})

    async def post(self, path: str, body: Any) -> Any:
        """Send JSON, or bytes that are NDJSON already; gives the answer. Raises as `get`."""
        if isinstance(body, bytes):
            return await self._ask("POST", path, None, {"Content-Type": NDJSON}, body)
        sent = msgspec.json.encode(body)
        return await self._ask("POST", path, None, {"Content-Type": "application/json"}, sent)

    async def lines(self, path: str, params: Params | None = None) -> AsyncGenerator[Any, None]:
        """What is at a path, as NDJSON that is read as it comes. Raises as `get`."""
        endless = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
        try:
            async with self.session.get(
                self.target(path, params), headers={"Accept": NDJSON}, timeout=endless
            ) as response:
                self.hear(response)
                if response.status >= 400:
                    raise await refused(response)
                rest = b""
                async for piece in response.content.iter_any():
                    *whole, rest = (rest + piece).split(b"\n")
                    for line in whole:
                        if line:
                            yield msgspec.json.decode(line)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise GatewayUnreachable(self.url, reason_of(error)) from error

    async def pages(self, path: str, params: Params, token: str) -> AsyncIterator[Any]:
        """The pages of what is at a path; `token` is the parameter that takes `next`."""
        asked = dict(params)
        while True:
            page = await self.get(path, asked)
            yield page
            if page.get("next") is None:
                return
            asked[token] = page["next"]

    def target(self, path: str, params: Params | None = None) -> URL:
        """The URL of a path, whose parts are encoded already."""
        query = urlencode(
            {name: value for name, value in (params or {}).items() if value is not None}, doseq=True
        )
        return URL(f"{self.url}{path}{'?' if query else ''}{query}", encoded=True)

    def hear(self, response: aiohttp.ClientResponse) -> None:
        """Learn how far the gateway's clock is from ours; the header has whole seconds."""
        try:
            told = parsedate_to_datetime(response.headers["Date"])
        except (KeyError, ValueError):
            return
        ahead = told + timedelta(seconds=0.5) - datetime.now(UTC)
        self._ahead = ahead if abs(ahead) > timedelta(seconds=2) else timedelta()

    async def _ask(
        self,
        method: str,
        path: str,
        params: Params | None,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Any:
        waited = 0.0
        while True:
            try:
                return await self._ask_once(method, path, params, headers, body)
            except RequestRefused as error:
                patience = _PATIENCE.get((method, error.status), 0.0)
                if not error.wait or waited + error.wait > patience:
                    raise
                waited += error.wait
                await asyncio.sleep(error.wait)

    async def _ask_once(
        self,
        method: str,
        path: str,
        params: Params | None,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Any:
        try:
            async with self.session.request(
                method, self.target(path, params), headers=headers, data=body
            ) as response:
                self.hear(response)
                if response.status >= 400:
                    raise await refused(response)
                text = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise GatewayUnreachable(self.url, reason_of(error)) from error
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            raise RequestRefused(
                response.status, "no-json", f"{self.url} does not answer as a gateway does"
            ) from None


def run_path(run: str, rest: str = "") -> str:
    """The path of a run."""
    return f"/v1/runs/{quote(run, safe='')}{rest}"


def reason_of(error: BaseException) -> str:
    """What a failed connection is to a person."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host is not known"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return os.strerror(number).lower() if number else "not connected"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__


async def refused(response: aiohttp.ClientResponse) -> RequestRefused:
    """The error that an answer tells of."""
    text = await _body_of(response)
    wait = _wait(response.headers.get("Retry-After", ""))
    try:
        problem = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        detail = f"{response.url} answered {response.status} {response.reason}: is it a gateway?"
        return RequestRefused(response.status, "no-problem", detail, (), wait)
    name = str(problem.get("type", "")).rpartition(":")[2]
    detail = str(problem.get("detail") or problem.get("title") or response.reason)
    if response.status == 404 and name == "not-found":
        detail = (
            f"the gateway does not know {response.method} {response.url.path}: "
            "it is of another version than this command"
        )
    problems = [
        (one["index"], str(one["detail"]))
        for one in problem.get("errors", ())
        if isinstance(one, dict) and {"index", "detail"} <= one.keys()
    ]
    return RequestRefused(response.status, name, detail, problems, wait)


async def _body_of(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    while len(body) < _MOST_PROBLEM and (piece := await response.content.readany()):
        body += piece
    return body


def _wait(header: str) -> float | None:
    return float(header) if header.isascii() and header.isdigit() else None
