"""An event stream comes back where it stopped, whatever cut it; the server here is a script."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import NamedTuple

import pytest

from broker.cli.client import Client
from broker.cli.stream import Stream
from broker.errors import GatewayUnreachable, RequestRefused

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
PROBLEM = b'{"type":"urn:progress-broker:problem:%b","detail":"%b"}'


def chunk(text: str) -> bytes:
    return b"%x\r\n%b\r\n" % (len(text), text.encode())


def sent(number: int) -> bytes:
    return chunk(f"id: e-{number}\nevent: patch\ndata: {number}\n\n")


def problem(status: str, name: bytes, detail: bytes, headers: str = "") -> bytes:
    body = PROBLEM % (name, detail)
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


class Asked(NamedTuple):
    """What a stream asked for."""

    target: str
    last_id: str | None


class Server:
    """Answers connection after connection as it was told to. Made by `serving`."""

    def __init__(self, answers: list[bytes]) -> None:
        self.asked: list[Asked] = []
        self.url = ""
        self._answers = answers

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *rest = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in rest if ": " in line)
        self.asked.append(Asked(first.split()[1], headers.get("last-event-id")))
        writer.write(self._answers.pop(0))
        writer.close()


@asynccontextmanager
async def serving(*answers: bytes) -> AsyncIterator[Server]:
    script = Server(list(answers))
    async with await asyncio.start_server(script.answer, "127.0.0.1", 0) as server:
        script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield script


class Pauses:
    """A sleep that takes no time, and remembers how long it was to be."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)


async def read(
    script: Server,
    sleep: Callable[[float], Awaitable[None]],
    links: list[bool] | None = None,
) -> list[str]:
    """Everything the stream gives until its end."""
    async with Client.connect(script.url) as client:
        stream = Stream(
            client,
            "/v1/runs/a%2Fb/events",
            {"view": "state", "none": None, "label": ["a:1", "b:2"]},
            on_link=lambda: None if links is None else links.append(stream.lost_for is None),
            sleep=sleep,
            jitter=lambda: 0.5,
        )
        async with aclosing(stream.events()) as events:
            return [event.data async for event in events]


async def test_it_comes_back_with_the_last_id_until_the_end() -> None:
    """A cut in the middle of an event, a clean end, then the rest; a cut alone loses the link."""
    pauses, links = Pauses(), list[bool]()
    end = chunk('event: end\ndata: {"run":"r"}\n\n')
    hello = chunk('event: hello\ndata: {"heartbeat":15}\n\n')
    async with serving(
        OK + hello + sent(1) + chunk("id: e-2\ndata: ha"),
        OK + hello + sent(2) + chunk("retry: 3000\n") + END,
        OK + hello + sent(3) + end + END,
    ) as script:
        assert ["1", "2", "3", '{"run":"r"}'] == await read(script, pauses, links)
    assert [None, "e-1", "e-2"] == [asked.last_id for asked in script.asked]
    assert "/v1/runs/a%2Fb/events?view=state&label=a%3A1&label=b%3A2" == script.asked[0].target
    assert [0.25, 3.0] == pauses.taken
    assert [False, True] == links


async def test_204_means_that_no_more_comes() -> None:
    nothing = b"HTTP/1.1 204 No Content\r\n\r\n"
    async with serving(OK + sent(1) + END, nothing) as script:
        assert ["1"] == await read(script, Pauses())


async def test_a_gateway_that_is_full_is_asked_later_and_ever_more_slowly() -> None:
    full = problem("503 Full", b"overloaded", b"full", "Retry-After: 1\r\n")
    drained = problem("503 Stop", b"draining", b"stopping")
    nothing = b"HTTP/1.1 204 No Content\r\n\r\n"
    pauses = Pauses()
    async with serving(OK + sent(1), drained, drained, drained, full, nothing) as script:
        assert ["1"] == await read(script, pauses)
    assert [0.25, 0.5, 1.0, 2.0, 4.0] == pauses.taken


async def test_a_refusal_is_told() -> None:
    unknown = problem("404 Not Found", b"run-not-found", b"no events are stored for run 'x'")
    async with serving(unknown) as script:
        with pytest.raises(RequestRefused, match="no events are stored for run 'x'"):
            await read(script, Pauses())


async def test_a_connection_that_says_nothing_is_cut() -> None:
    """The heartbeat says how long silence may last; here a second at most."""
    hello = chunk('event: hello\ndata: {"heartbeat":0.01}\n\n')
    nothing = b"HTTP/1.1 204 No Content\r\n\r\n"

    class Hanging(Server):
        async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self.asked:
                await super().answer(reader, writer)
                return
            self.asked.append(Asked("", None))
            writer.write(OK + hello + sent(1))
            await reader.read()
            writer.close()

    script = Hanging([nothing])
    async with await asyncio.start_server(script.answer, "127.0.0.1", 0) as server:
        script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        links: list[bool] = []
        assert ["1"] == await read(script, Pauses(), links)
    assert [False] == links


async def test_a_gateway_that_never_was_there_is_not_waited_for() -> None:
    async with serving() as script:
        url = script.url
    gone = Server([])
    gone.url = url
    with pytest.raises(GatewayUnreachable, match="connection refused"):
        await read(gone, Pauses())


async def test_requests_wait_for_their_turn() -> None:
    wait = problem("429 Slow", b"rate-limited", b"slow", "Retry-After: 1\r\n")
    ok = b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}'
    async with serving(wait, ok) as script, Client.connect(script.url) as client:
        assert {"a": 1} == await client.get("/v1/runs/r")
    assert 2 == len(script.asked)
