"""Lists of runs on a WebSocket: the same pages as over HTTP, beside runs and logs."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults import until
from tests.gateway.lists import listing, put, runs, summary
from tests.gateway.runs import started
from tests.gateway.serving import Broker, broker
from tests.gateway.test_live_list import as_page, reaches, wide
from tests.gateway.test_websocket import Client, Said, aiohttp_client
from tests.gateway.test_websocket_hostile import Raw, raw
from tests.sse import Wire, merged


class Hearing:
    """The messages of a raw socket."""

    def __init__(self, socket: Raw) -> None:
        self._socket = socket

    async def next(self) -> Said:
        """The next one."""
        _, payload = await self._socket.next()
        said: Said = json.loads(payload)
        return said


class Shown:
    """What a page keeps of one list: a snapshot with patches merged into it."""

    def __init__(self, client: Client | Hearing, list: str, id: Any) -> None:
        self._client = client
        self._about = {"list": list, "id": id}
        self.value: Any = None
        self.snapshots = 0

    async def equals(self, page: Any) -> None:
        """Take messages until what is shown is a page."""
        while as_page(self.value) != page:
            said = await self._client.next()
            assert said is not None
            assert self._about.items() <= said.items()
            if said["type"] == "snapshot":
                self.value, self.snapshots = said["data"], self.snapshots + 1
            elif said["type"] == "patch":
                self.value = merged(self.value, said["data"])


async def told(client: Client) -> Said:
    """The next message."""
    said = await client.next()
    assert said is not None
    return said


async def test_a_list_beside_a_run(tmp_path: Path) -> None:
    """Messages name the list as it was asked for, and the id; they have no cursor."""
    async with broker(tmp_path) as b, aiohttp_client(b.url) as client:
        await b.publish("r1", started())
        await put(b, *(summary(f"a{n}", n) for n in range(3)))
        await client.next()
        await client.say("subscribe", run="r1", id=1)
        await client.until("snapshot", id=1)
        await client.say("subscribe", list="status=running&q=a&limit=2", id=2)
        hello, snapshot = await client.take(2)
        about = {"list": "status=running&q=a&limit=2", "id": 2}
        assert {"type": "hello", **about, "data": {"resumed": False}} == hello
        assert {"type": "snapshot", **about, "data": snapshot["data"]} == snapshot
        assert await listing(b, status="running", q="a", limit=2) == as_page(snapshot["data"])
        await put(b, summary("a7", 7))
        [patch] = await client.until("patch", id=2)
        assert about.items() <= patch.items()
        assert ["a7", "a2"] == patch["data"]["order"]
        assert "cursor" not in patch


async def test_a_window_of_a_list_follows_it(tmp_path: Path) -> None:
    """At an offset: rows move through it as others come."""
    async with broker(tmp_path) as b, aiohttp_client(b.url) as client:
        await put(b, *(summary(f"r{n}", n) for n in range(6)))
        await client.next()
        await client.say("subscribe", list="offset=2&limit=2", id="w")
        window = Shown(client, "offset=2&limit=2", "w")
        for turn in range(3):
            page = await listing(b, offset=2, limit=2)
            await window.equals(page)
            assert [f"r{3 + turn}", f"r{2 + turn}"] == runs(page)
            await put(b, summary(f"r{6 + turn}", 6 + turn))
        assert 1 == window.snapshots


async def test_equal_queries_share_one_list_with_event_streams(tmp_path: Path) -> None:
    async with (
        broker(tmp_path, hub_ttl=0.2) as b,
        aiohttp_client(b.url) as one,
        aiohttp_client(b.url) as two,
        Wire.connect(b.url) as sse,
    ):
        await sse.send("GET", "/v1/runs?q=x&status=failed", {"Accept": "text/event-stream"})
        assert 200 == (await sse.head())[0]
        for client, list in ((one, "status=failed&q=x"), (two, "q=X&status=failed&limit=50")):
            await client.say("subscribe", list=list, id=1)
            await client.until("snapshot")
        await reaches(b, 1, "lists")
        await reaches(b, 3, "list_clients")
        assert 2 == await b.metric("streams_opened_total", transport="ws", view="list")
        await put(b, summary("x", 1, status="failed"))
        for client in (one, two):
            [patch] = await client.until("patch")
            assert ["x"] == patch["data"]["order"]


@pytest.mark.parametrize("how", [{"id": 7}, {"list": "q=x"}, {"list": "q=x", "id": 7}])
async def test_unsubscribe(tmp_path: Path, how: dict[str, Any]) -> None:
    """By what it was subscribed with; nothing of it comes after the pong, and others stay."""
    async with broker(tmp_path) as b, aiohttp_client(b.url) as client:
        await client.next()
        await client.say("subscribe", list="q=x", id=7)
        await client.say("subscribe", list="", id=8)
        await client.until("snapshot", id=8)
        for other in ({"id": 9}, {"list": "q=y"}, {"run": "q=x"}, {"list": "q=x", "id": 8}):
            await client.say("unsubscribe", **other)
        await client.say("unsubscribe", **how)
        await client.say("ping")
        await client.until("pong")
        await reaches(b, 1, "list_clients")
        await put(b, summary("x", 1))
        assert 8 == (await told(client))["id"]
        await client.say("subscribe", list="q=x", id=7)
        found = (await client.until("snapshot", id=7))[-1]
        assert ["x"] == found["data"]["order"]


async def test_without_an_id_the_list_is_it(tmp_path: Path) -> None:
    long = "&".join(f"label=key:{n:060}" for n in range(9))
    async with broker(tmp_path) as b, aiohttp_client(b.url) as client:
        await client.next()
        await client.say("subscribe", list=long)
        hello = await told(client)
        assert (long, long) == (hello["list"], hello["id"])
        await client.say("unsubscribe", list=long)
        await reaches(b, 0, "list_clients")


@pytest.mark.parametrize(
    ("list", "parameter"),
    [
        ("status=done", "status"),
        ("limit=0", "limit"),
        ("offset=x", "offset"),
        ("offset=1&page_token=x", "offset"),
        ("page_token=x", "page_token"),
        ("q=%ff", "q"),
        ("?q=x", "?q"),
        ("q=a+b+c+d+e+f+g+h+i", "q"),
        ("stauts=failed", "stauts"),
        ("since=monday", "since"),
        ("\x00" * 100, "\x00" * 64),
    ],
)
async def test_what_cannot_be_is_refused_by_name(tmp_path: Path, list: str, parameter: str) -> None:
    """As often as it is tried: a person is typing. The socket stays."""
    async with broker(tmp_path) as b, aiohttp_client(b.url) as client:
        await client.next()
        for turn in range(12):
            await client.say("subscribe", list=list, id=turn)
            error = await told(client)
            assert ("error", list, turn) == (error["type"], error["list"], error["id"])
            assert "invalid-request" == error["data"]["name"]
            assert parameter == error["data"]["parameter"][:64]
        await client.say("subscribe", list="", id=1)
        await client.until("snapshot", id=1)


async def test_messages_that_are_wrong(tmp_path: Path) -> None:
    async with broker(tmp_path) as b, aiohttp_client(b.url) as client:
        await client.next()
        for wrong in ({"list": 7}, {"list": "", "run": "r"}, {"list": "", "cursor": "e-1"}, {}):
            await client.text(json.dumps({"op": "subscribe", "id": 3, **wrong}))
            error = await told(client)
            assert ("error", 3, "bad-message") == (
                error["type"],
                error["id"],
                error["data"]["name"],
            )
        await client.say("subscribe", list="", id=1)
        await client.until("snapshot", id=1)
        await client.say("subscribe", list="", id=1)
        assert "subscribed" in (await told(client))["data"]["detail"]


async def test_more_rows_than_may_be_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the limit and says when to come again; there is room when others go."""
    monkeypatch.setattr("broker.gateway.lists.live_lists.ROWS_MAX", 200)
    async with broker(tmp_path) as b, aiohttp_client(b.url) as client:
        await client.next()
        await client.say("subscribe", list="limit=60", id=1)
        await client.until("snapshot", id=1)
        await client.say("subscribe", list="limit=41", id=2)
        [error] = await client.until("error")
        assert ("overloaded", "list_rows", 200) == tuple(
            error["data"][name] for name in ("name", "limit", "value")
        )
        assert 1 <= error["data"]["retry_after"] <= 5
        await client.say("unsubscribe", id=1)
        await client.say("subscribe", list="limit=41", id=2)
        await client.until("snapshot", id=2)


async def test_a_client_opens_lists_as_it_opens_streams(tmp_path: Path) -> None:
    """Not faster; its runs are not counted, and it is told when to come again."""
    async with broker(tmp_path, open_rate=0.1, open_burst=2) as b, aiohttp_client(b.url) as client:
        await client.next()
        await client.say("subscribe", list="", id=1)
        await client.until("snapshot", id=1)
        await client.say("subscribe", list="q=x", id=2)
        [error] = await client.until("error", id=2)
        assert ("rate-limited", "open_rate") == (error["data"]["name"], error["data"]["limit"])
        assert error["data"]["retry_after"] > 5
        await put(b, summary("x", 1))
        await client.until("patch", id=1)


async def test_a_sleeper_gets_one_snapshot_for_all_it_missed(tmp_path: Path) -> None:
    """What the gateway holds for it is bounded meanwhile, and others are not delayed."""
    async with (
        broker(tmp_path, high_water=4096) as b,
        raw(b.url, receive_buffer=4096) as slow,
        aiohttp_client(b.url) as other,
    ):
        await put(b, *wide(0))
        await slow.next()
        await other.next()
        for each in (slow, other):
            await each.say("subscribe", list="limit=99", id=1)
        sleeper, awake = Shown(Hearing(slow), "limit=99", 1), Shown(other, "limit=99", 1)
        await sleeper.equals(await listing(b, limit=99))
        turn = 0

        async def is_held() -> bool:
            nonlocal turn
            turn += 1
            await put(b, *wide(turn))
            await awake.equals(await listing(b, limit=99))
            return await b.metric("list_clients_held") == 1

        await until(is_held, 40)
        before = sleeper.snapshots
        await put(b, summary("last", 1_000_000))
        await awake.equals(await listing(b, limit=99))
        await sleeper.equals(await listing(b, limit=99))
        assert (before + 1, 1) == (sleeper.snapshots, awake.snapshots)


async def test_silence_ends_no_list_of_a_socket(tmp_path: Path) -> None:
    """The socket has its own pings; an event stream of the same list ends."""
    async with (
        broker(tmp_path, idle_timeout=0.3, heartbeat=0.1) as b,
        aiohttp_client(b.url) as client,
    ):
        await client.say("subscribe", list="", id=1)
        await client.until("snapshot")
        await reaches_once(b)
        await put(b, summary("x", 1))
        [patch] = await client.until("patch")
        assert ["x"] == patch["data"]["order"]


async def reaches_once(b: Broker) -> None:
    """Wait until an event stream of the list has ended for silence."""
    async with Wire.connect(b.url) as wire:
        await wire.send("GET", "/v1/runs", {"Accept": "text/event-stream"})
        _, headers = await wire.head()
        async with asyncio.timeout(10):
            async for _ in wire.pieces(headers):
                pass


async def test_while_the_index_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and when to come again."""
    monkeypatch.setattr("broker.runs.index.Index.built", False, raising=False)
    monkeypatch.setattr(
        "broker.runs.index.Index.__setattr__",
        lambda self, name, value: (
            None if name == "built" else object.__setattr__(self, name, value)
        ),
    )
    async with broker(tmp_path) as b, aiohttp_client(b.url) as client:
        await client.next()
        await client.say("subscribe", list="", id=1)
        [error] = await client.until("error", id=1)
        assert "index-not-built" == error["data"]["name"]
        assert error["data"]["retry_after"] >= 1
