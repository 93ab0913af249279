"""Whatever a client does on its WebSocket: a clean close, and nobody else notices."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from broker.protocol.close import CLOSES, Close
from tests.gateway.runs import completed, started, step_progress
from tests.gateway.serving import Broker, broker, gateway
from tests.gateway.test_websocket import Client, viewer_of, websockets_client
from tests.sse import PATIENCE, Wire, ask
from tests.stream.serving import nats
from tests.unit.protocol.test_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PINGED,
    PONGED,
    TEXT,
    frame,
)

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Raw:
    """A socket after the handshake, on which any bytes go out. Made by `raw`."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.wire.writer.write(data)
        await self.wire.writer.drain()

    async def say(self, op: str, **more: Any) -> None:
        """Send a message in one frame."""
        await self.send(frame(TEXT, json.dumps({"op": op, **more}).encode()))

    async def next(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame."""
        async with asyncio.timeout(PATIENCE):
            first, size = await self.wire.reader.readexactly(2)
            if size > 125:
                size = int.from_bytes(await self.wire.reader.readexactly(2 if size == 126 else 8))
            assert first & 0xF0 == 0x80
            return first & 0x0F, await self.wire.reader.readexactly(size)

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """The messages up to the first of a kind."""
        found: list[dict[str, Any]] = []
        while not found or found[-1]["type"] != kind:
            opcode, payload = await self.next()
            if opcode == TEXT:
                found.append(json.loads(payload))
        return found

    async def close_code(self) -> int:
        """The code that the server closes with, after which it ends the connection."""
        while True:
            opcode, payload = await self.next()
            if opcode == CLOSE:
                break
        async with asyncio.timeout(PATIENCE):
            while rest := await self.wire.reader.read(65536):
                raise AssertionError(f"after the close: {rest[:99]!r}")
        return int.from_bytes(payload[:2])


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what no signal tells."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - there is none
            await asyncio.sleep(0.02)


@asynccontextmanager
async def raw(url: str, *, behind: bytes = b"", **how: Any) -> AsyncIterator[Raw]:
    """Open a socket; `behind` goes out in one piece with the request."""
    async with Wire.connect(url, **how) as wire:
        await wire.send("GET", "/v1/ws", UPGRADE)
        if behind:
            wire.writer.write(behind)
        status, headers = await wire.head()
        assert (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == (status, headers["sec-websocket-accept"])
        yield Raw(wire)


@asynccontextmanager
async def watched(b: Broker, run: str = "calm") -> AsyncIterator[Client]:
    """Another client, who must not notice: what is published meanwhile reaches it."""
    async with websockets_client(b.url) as client:
        await b.publish(run, started())
        await client.say("subscribe", run=run, view="events")
        await client.until("event")
        yield client
        await b.publish(run, step_progress("fetch", 1), completed())
        seen = await client.until("end")
        assert ["event", "event", "end"] == [said["type"] for said in seen]


ILLEGAL = [
    (frame(TEXT, b"{}", mask=None), 1002),
    (frame(TEXT, b"{}", rsv=4), 1002),
    *[(frame(opcode, b"x"), 1002) for opcode in (3, 7, 11, 15)],
    (frame(CONTINUATION, b"x"), 1002),
    (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), 1002),
    (frame(PINGED, b"x", fin=False), 1002),
    (frame(PINGED, b"x" * 126), 1002),
    (frame(CLOSE, b"x"), 1002),
    (frame(CLOSE, b"\x03\xed"), 1002),
    (frame(TEXT, b"{}", form=64), 1002),
    (frame(BINARY, b"{}"), 1003),
    (frame(TEXT, b"\xff"), 1007),
    (frame(TEXT, b"\xc3", fin=False) + frame(CONTINUATION, b"("), 1007),
    (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    (frame(TEXT, b" " * (16 * 1024 + 1)), 1009),
    (frame(TEXT, b" " * 16_000, fin=False) + frame(CONTINUATION, b" " * 400), 1009),
    (b"\x81\xff\x00\x00\x00\xff\xff\xff\xff\xff", 1009),
    (b"GET / HTTP/1.1\r\n\r\n", 1002),
]


async def test_every_illegal_frame_closes_with_its_code(tmp_path: Path) -> None:
    """Alone, right behind the request, byte by byte, and in the middle of a stream."""
    async with broker(tmp_path) as b, watched(b):
        for data, code in ILLEGAL:
            for pieces in ([data], [bytes([byte]) for byte in data] if len(data) < 99 else []):
                if not pieces:
                    continue
                async with raw(b.url) as socket:
                    await socket.say("subscribe", run="calm")
                    for piece in pieces:
                        await socket.send(piece)
                    assert code == await socket.close_code(), data
            async with raw(b.url, behind=data) as socket:
                assert code == await socket.close_code(), data


async def test_a_close_is_given_back(tmp_path: Path) -> None:
    """With its code, and without one where there was none."""
    async with broker(tmp_path) as b:
        for payload in (b"\x03\xe8", b"\x0f\xa0bye", b""):
            async with raw(b.url) as socket:
                await socket.send(frame(CLOSE, payload))
                assert [TEXT] == [(await socket.next())[0]]
                assert (CLOSE, payload[:2]) == await socket.next()
                assert b"" == await socket.wire.reader.read()


async def test_what_comes_right_behind_the_request_is_heard(tmp_path: Path) -> None:
    """aiohttp has read it already, a part of a frame too."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        asked = frame(TEXT, b'{"op":"subscribe","run":"r1"}') + frame(PINGED, b"17")
        for cut in (len(asked), 3, 1):
            async with raw(b.url, behind=asked[:cut]) as socket:
                await socket.send(asked[cut:])
                await socket.until("snapshot")
        async with raw(b.url, behind=frame(PINGED, b"x" * 100) * 2000) as socket:
            await socket.next()
            assert [(PONGED, b"x" * 100)] * 2000 == [await socket.next() for _ in range(2000)]


async def test_a_fragmented_message(tmp_path: Path) -> None:
    """With pings in between, which are answered at once; and one of just the size limit."""
    async with broker(tmp_path) as b, raw(b.url) as socket:
        await socket.next()
        text = b'{"op":"ping","id":"\xc3\xbc"}'
        await socket.send(frame(TEXT, text[:20], fin=False) + frame(PINGED, b"1"))
        assert (PONGED, b"1") == await socket.next()
        await socket.send(frame(CONTINUATION, fin=False) + frame(CONTINUATION, text[20:]))
        assert [{"type": "pong", "id": "ü"}] == await socket.until("pong")
        await socket.send(frame(TEXT, text + b" " * (16 * 1024 - len(text))))
        await socket.until("pong")


async def test_bad_messages_are_answered_and_the_tenth_closes(tmp_path: Path) -> None:
    """Each with a reason; the good ones in between are heard as before."""
    bad = ['"', "[]", "{}", '{"op":"command"}', '{"op":"subscribe"}', '{"op":"unsubscribe"}']
    bad += ['{"op":"subscribe","run":"r1","view":"x"}', '{"op":"subscribe","run":""}']
    bad += ['{"op":"subscribe","run":"r1","id":7}', "7"]
    async with broker(tmp_path) as b, watched(b), websockets_client(b.url) as here:
        await b.publish("r1", started())
        await here.say("subscribe", run="r1", id=7)
        await here.until("snapshot")
        for text in bad:
            await here.text(text)
            said = await here.next()
            assert said is not None
            assert ("error", "bad-message") == (said["type"], said["data"]["name"])
            if text is not bad[-1]:
                await here.say("ping")
                assert {"type": "pong"} == await here.next()
        assert here.closed_with == 0
        assert await here.next() is None
        assert 4400 == here.closed_with


async def test_a_thousand_subscriptions(tmp_path: Path) -> None:
    """One more is refused by the name of the limit; ending one makes room; insisting closes."""
    async with broker(tmp_path) as b, watched(b), websockets_client(b.url) as here:
        await b.publish("r1", started())
        await here.next()
        for n in range(1000):
            await here.say("subscribe", run="r1", id=n)
        seen = [await here.until("snapshot") for _ in range(1000)]
        assert set(range(1000)) == {said["id"] for some in seen for said in some}
        await here.say("subscribe", run="r1", id=1000)
        [refused] = await here.until("error")
        assert ("subscriptions_per_socket", 1000) == (
            refused["data"]["limit"],
            refused["data"]["value"],
        )
        await here.say("unsubscribe", id=17)
        await here.say("subscribe", run="r1", id=1000)
        await here.until("snapshot", id=1000)
        await b.publish("r1", step_progress("fetch", 1))
        assert 1000 == len({(await here.until("patch"))[-1]["id"] for _ in range(1000)})
        for n in range(9):
            await here.say("subscribe", run="r1", id=f"more {n}")
            await here.until("error", id=f"more {n}")
        assert await here.next() is None
        assert 4429 == here.closed_with


async def test_many_runs_at_once_and_a_client_that_leaves(tmp_path: Path) -> None:
    """Runs that nobody waits for any more are opened for nobody, and nothing is left."""
    async with broker(tmp_path) as b, watched(b):
        for n in range(200):
            await b.publish(f"r{n}", started())
        before = len(asyncio.all_tasks())
        for _ in range(5):
            async with raw(b.url) as socket:
                for n in range(400):
                    await socket.say("subscribe", run=f"r{n}")
        async with websockets_client(b.url) as here:
            await here.next()
            for n in range(400):
                await here.say("subscribe", run=f"r{n}")
            found = [said for said in await here.take(600) if said["type"] != "hello"]
            assert 200 == sum(said["type"] == "snapshot" for said in found)
            assert 200 == sum(said["type"] == "error" for said in found)
        await until(lambda: _at_most(b, 1))
        await until(lambda: _tasks_at_most(before + 2))


@pytest.mark.parametrize("view", ["state", "events"])
async def test_a_slow_socket_gets_the_true_state_when_it_wakes(tmp_path: Path, view: str) -> None:
    """It stops reading, costs nothing meanwhile, and loses nothing."""
    settings: dict[str, Any] = {"high_water": 1024, "tick": 0}
    async with broker(tmp_path, **settings) as b, watched(b):
        for run in ("r1", "r2"):
            await b.publish(run, started())
        async with raw(b.url, receive_buffer=4096) as socket:
            seen = []
            for run in ("r1", "r2"):
                await socket.say("subscribe", run=run, view=view)
                seen += await socket.until("snapshot" if view == "state" else "event")
            async with asyncio.timeout(30):
                while not await b.metric("clients_held"):
                    for run in ("r1", "r2"):
                        told = (f"{n}" * 2000 for n in range(50))
                        await b.publish(run, *[step_progress("fetch", 1, message=t) for t in told])
            for run in ("r1", "r2"):
                await b.publish(run, step_progress("fetch", 9), completed())
            for _ in range(2):
                seen += await socket.until("end")
        for run in ("r1", "r2"):
            viewer = viewer_of(seen, run=run)
            if view == "state":
                assert await b.snapshot(run) == viewer.state
                assert 1 <= viewer.snapshots
            else:
                stored = [record.seq for record in await b.nats.records(run)]
                assert stored == [int(cursor.split("-")[1]) for cursor in viewer.cursors]


async def test_a_socket_that_takes_nothing_is_closed(tmp_path: Path) -> None:
    """After `stall_timeout`; what it sends meanwhile, even pings without end, is not read."""
    async with broker(tmp_path, high_water=1024, stall_timeout=1, tick=0) as b, watched(b):
        await b.publish("r1", started(), *[step_progress("fetch", 1, message="x" * 900)] * 5000)
        async with raw(b.url, receive_buffer=4096) as socket:
            await socket.say("subscribe", run="r1", view="events")
            for _ in range(1000):
                socket.wire.writer.write(frame(PINGED, b"x" * 125))
            await until(lambda: _counted(b, "streams_closed_total", reason="slow"))
            await until(lambda: _at_most(b, 1))


async def test_silence_is_broken_by_pings(tmp_path: Path) -> None:
    """Who answers stays; who does not is closed after two intervals."""
    async with broker(tmp_path, heartbeat=0.6) as b, raw(b.url) as socket, raw(b.url) as dead:
        await socket.next()
        closing = asyncio.ensure_future(dead.close_code())
        while not closing.done():
            assert (PINGED, b"") == await socket.next()
            await socket.send(frame(PONGED))
        assert 4408 == await closing
        assert (PINGED, b"") == await socket.next()


async def test_age(tmp_path: Path) -> None:
    """An old socket is let go, to come back with its cursors."""
    async with broker(tmp_path, max_age=0.5) as b, websockets_client(b.url) as here:
        await here.next()
        assert await here.next() is None
        assert 1001 == here.closed_with


async def test_a_subscription_lives_as_long_as_its_socket(tmp_path: Path) -> None:
    """A run that is quiet for `idle_timeout` is no reason to end it."""
    async with broker(tmp_path, idle_timeout=0.1) as b, websockets_client(b.url) as here:
        await b.publish("r1", started())
        await here.say("subscribe", run="r1")
        await here.until("snapshot")
        await until(lambda: _counted(b, "clients"))  # by the sweep
        await asyncio.sleep(1.2)  # two more sweeps: nothing tells that nothing happens
        await b.publish("r1", completed())
        assert ["patch", "end"] == [said["type"] for said in await here.until("end")]


async def test_draining_and_stopping(tmp_path: Path) -> None:
    """Those that are open are let go in turn, new ones are refused; a sudden stop says so."""
    async with nats(tmp_path) as server, gateway(server.url) as b:
        async with websockets_client(b.url) as here, websockets_client(b.url) as there:
            await b.drain.run(0.3)
            for client in (here, there):
                await client.next()
                assert await client.next() is None
                assert 1001 == client.closed_with
        assert 503 == (await ask(b.url, "/v1/ws", headers=UPGRADE)).status
    async with aiohttp.ClientSession() as session:
        async with broker(tmp_path / "2") as b:
            ws = await session.ws_connect(b.url + "/v1/ws")
            await ws.receive()
        last = await ws.receive()
        assert (aiohttp.WSMsgType.CLOSE, 1012) == (last.type, last.data)


@pytest.mark.parametrize(
    ("origin", "allowed", "status"),
    [
        (None, "", 101),
        ("http://localhost", "", 101),
        ("https://LOCALHOST", "", 101),
        ("http://evil.test", "", 403),
        ("http://localhost.evil.test", "", 403),
        ("http://localhost:81", "", 403),
        ("null", "", 403),
        ("http://app.test", "http://app.test", 101),
        ("http://app.test:81", "http://app.test", 403),
        ("http://evil.test", "*", 101),
    ],
)
async def test_origins(tmp_path: Path, origin: str | None, allowed: str, status: int) -> None:
    """A browser lets any page try: the gateway decides, before it upgrades."""
    async with broker(tmp_path, allowed_origins=allowed) as b, Wire.connect(b.url) as wire:
        await wire.send("GET", "/v1/ws", UPGRADE | ({"Origin": origin} if origin else {}))
        found, headers = await wire.head()
        assert status == found
        assert (status == 403) == (headers.get("content-type") == "application/problem+json")


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Upgrade": "h2c"}, 426),
        ({"Connection": "close"}, 426),
        ({"Sec-WebSocket-Version": "12"}, 426),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Content-Length": "3"}, 400),
    ],
)
async def test_what_is_no_handshake(
    tmp_path: Path, changed: Mapping[str, str], status: int
) -> None:
    """The answer is a problem that says what to do."""
    async with broker(tmp_path) as b:
        body = b"abc" if "Content-Length" in changed else b""
        headers = {k: v for k, v in (UPGRADE | dict(changed)).items() if k != "Content-Length"}
        async with Wire.connect(b.url) as wire:
            await wire.send("GET", "/v1/ws", headers, body)
            answer = await wire.answer()
        assert (status, status) == (answer.status, answer.json()["status"])
        if status == 426:
            assert ("websocket", "13") == (
                answer.headers["upgrade"],
                answer.headers["sec-websocket-version"],
            )


async def test_a_socket_counts_as_a_stream(tmp_path: Path) -> None:
    """So the limits on streams hold, and it is counted out when it goes."""
    async with broker(tmp_path, streams_per_client=1) as b:
        async with websockets_client(b.url):
            refused = await b.get("/v1/ws", headers=UPGRADE)
            assert (429, "streams_per_client") == (refused.status, refused.json()["limit"])
        await until(lambda: _at_most(b, 0))
        async with websockets_client(b.url) as here:
            await here.next()


def test_the_table_of_close_codes_is_the_documented_one() -> None:
    """docs/websocket.md repeats it, word by word."""
    page = (Path(__file__).parents[2] / "docs" / "websocket.md").read_text()
    rows = [
        f"| {code.value} | {meaning.text} | {'yes' if meaning.reconnect else 'no'} |"
        for code, meaning in CLOSES.items()
    ]
    assert set(Close) == set(CLOSES)
    assert "\n".join(rows) in page


async def _counted(b: Broker, name: str, **labels: str) -> bool:
    return await b.metric(name, **labels) > 0


async def _at_most(b: Broker, sockets: int) -> bool:
    return await b.metric("websockets") <= sockets


async def _tasks_at_most(count: int) -> bool:
    return len(asyncio.all_tasks()) <= count
