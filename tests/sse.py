"""A small raw HTTP client: exact bytes out, answers and server-sent events in.

It knows nothing of the broker's own framing code, so that the two can disagree.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlsplit

PATIENCE = 30.0
"""Seconds that one answer, or one frame, may take."""


class Answer(NamedTuple):
    """A whole answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Frame(NamedTuple):
    """One server-sent event, its data read as JSON."""

    event: str
    data: Any
    id: str | None


class Wire:
    """One connection. Made by `connect`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.complete = False
        """Whether the last body came to the end that it announced."""

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, *, receive_buffer: int | None = None) -> AsyncIterator[Self]:
        """Connect to where a URL leads; a small `receive_buffer` makes a slow reader felt early."""
        where = urlsplit(url)
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE):
            try:
                await loop.sock_connect(sock, (where.hostname, where.port))
            except BaseException:
                sock.close()
                raise
            reader, writer = await asyncio.open_connection(sock=sock, limit=receive_buffer or 65536)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        version: str = "1.1",
    ) -> None:
        """Send a request; `target` goes out as it is."""
        lines = [f"{method} {target} HTTP/{version}", "Host: localhost"]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next answer."""
        async with asyncio.timeout(PATIENCE):
            block = await self.reader.readuntil(b"\r\n\r\n")
        status, *fields = block.decode("latin-1").rstrip().split("\r\n")
        headers: dict[str, str] = {}
        for name, _, value in (field.partition(":") for field in fields):
            headers[name.lower()] = value.strip()
        return int(status.split()[1]), headers

    async def pieces(self, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
        """A body as it arrives: chunk by chunk, or until the connection ends."""
        self.complete = False
        chunked = headers.get("transfer-encoding") == "chunked"
        left = int(headers.get("content-length", 1 << 62))
        while left:
            try:
                if chunked:
                    size = int(await self.reader.readuntil(b"\r\n"), 16)
                    piece = (await self.reader.readexactly(size + 2))[:-2]
                else:
                    piece = await self.reader.read(min(left, 65536))
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            if not piece:
                self.complete = chunked or "content-length" not in headers
                return
            left -= len(piece)
            yield piece
        self.complete = True

    async def answer(self, method: str = "GET") -> Answer:
        """The next answer, whole."""
        status, headers = await self.head()
        body = b""
        if method != "HEAD" and status not in (204, 304):
            async with asyncio.timeout(PATIENCE):
                body = b"".join([piece async for piece in self.pieces(headers)])
        return Answer(status, headers, body)


class Stream:
    """An open event stream. Made by `stream`."""

    def __init__(
        self, wire: Wire, status: int, headers: Mapping[str, str], patience: float
    ) -> None:
        self.status = status
        self.headers = headers
        self.retry: int | None = None
        self._wire = wire
        self._pieces = wire.pieces(headers)
        self._buffer = b""
        self._patience = patience

    @property
    def complete(self) -> bool:
        """Whether the stream was ended, not cut."""
        return self._wire.complete

    async def next(self) -> Frame | None:
        """The next event; None at the end of the stream."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(self._patience):
            while (line := await self._line()) is not None:
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if name == "retry":
                    self.retry = int(value)
                elif name:
                    fields[name] = f"{fields[name]}\n{value}" if name in fields else value
                elif not line and "data" in fields:
                    return Frame(
                        fields.get("event", "message"), json.loads(fields["data"]), fields.get("id")
                    )
        return None

    async def comment(self) -> None:
        """Wait for a comment, which must be what comes next."""
        async with asyncio.timeout(self._patience):
            assert ":" == await self._line()

    async def _line(self) -> str | None:
        """The next line; None at the end, which no line may be cut by."""
        while b"\n" not in self._buffer:
            piece = await anext(self._pieces, None)
            if piece is None:
                assert b"" == self._buffer
                return None
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    async def until(self, event: str) -> list[Frame]:
        """The frames up to the first of a name, that one included."""
        frames = []
        while (frame := await self.next()) is not None:
            frames.append(frame)
            if frame.event == event:
                return frames
        raise AssertionError(f"the stream ended without {event!r}: {frames[-3:]}")

    async def rest(self) -> list[Frame]:
        """Every frame until the stream ends."""
        frames = []
        while (frame := await self.next()) is not None:
            frames.append(frame)
        return frames


class Viewer:
    """What a page keeps of a stream: five lines of code, and the cursor to come back with."""

    def __init__(self) -> None:
        self.hello: dict[str, Any] = {}
        self.state: Any = None
        self.snapshots = 0
        self.events: list[dict[str, Any]] = []
        self.last_id: str | None = None
        self.end: dict[str, Any] | None = None

    def take(self, frame: Frame) -> None:
        """Keep what a frame says."""
        if frame.event == "hello":
            self.hello = frame.data
        elif frame.event == "snapshot":
            self.state = frame.data
            self.snapshots += 1
        elif frame.event == "patch":
            self.state = merged(self.state, frame.data)
        elif frame.event == "end":
            self.end = frame.data
        else:
            self.events.append(frame.data)
        if frame.id is not None:
            self.last_id = frame.id

    def take_all(self, frames: Iterable[Frame]) -> None:
        """Keep what many say."""
        for frame in frames:
            self.take(frame)

    @property
    def cursors(self) -> list[str]:
        """The cursors of the events seen."""
        return [event["cursor"] for event in self.events]


def merged(target: Any, patch: Any) -> Any:
    """A JSON merge patch applied (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        result[name] = merged(result.get(name), value)
        if value is None:
            del result[name]
    return result


def path(run: str, rest: str = "") -> str:
    """The path of a run."""
    return f"/v1/runs/{quote(run, safe='')}{rest}"


async def ask(
    url: str,
    target: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    version: str = "1.1",
) -> Answer:
    """One request on a connection of its own."""
    async with Wire.connect(url) as wire:
        await wire.send(method, target, headers, body, version)
        return await wire.answer(method)


@asynccontextmanager
async def stream(
    url: str,
    run: str,
    view: str = "state",
    *,
    last_id: str | None = None,
    query: str = "",
    version: str = "1.1",
    receive_buffer: int | None = None,
    patience: float = PATIENCE,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[Stream]:
    """Open the event stream of a run, as `EventSource` does."""
    sent = {"Accept": "text/event-stream", **(headers or {})}
    if last_id is not None:
        sent["Last-Event-ID"] = last_id
    async with Wire.connect(url, receive_buffer=receive_buffer) as wire:
        await wire.send("GET", path(run, f"/events?view={view}{query}"), sent, version=version)
        status, found = await wire.head()
        yield Stream(wire, status, found, patience)


async def watch(
    url: str, run: str, view: str = "state", viewer: Viewer | None = None, **how: Any
) -> Viewer:
    """Watch until the stream ends; a viewer given before comes back with its cursor."""
    viewer = viewer or Viewer()
    async with stream(url, run, view, last_id=viewer.last_id, **how) as frames:
        assert 200 == frames.status
        viewer.take_all(await frames.rest())
    return viewer
