"""What becomes of the others on a WebSocket, and in the gateway, when a list is asked for."""

import asyncio
import json
import math
from itertools import pairwise
from typing import Any

from broker.gateway.lists.live_lists import ListLimits, LiveLists
from broker.gateway.sockets.socket import Socket, Ways
from broker.gateway.sockets.subscribing import Subscribing
from broker.gateway.sockets.subscriptions import hear
from broker.hub.ports import Timing
from broker.metrics import Metrics
from broker.runs.index import Index
from broker.runs.query import Query
from tests.unit.index.rows import an_index, apply, summary

LIMITS = ListLimits(ttl=30, heartbeat=15, idle_timeout=300, stall_timeout=30)


class Connection(asyncio.Transport):
    """A client's connection, which takes so many writes and then no more."""

    def __init__(self) -> None:
        super().__init__()
        self.socket: Socket | None = None
        self.room = 1_000
        self.messages: list[Any] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        text = bytes(data).decode(errors="replace")  # frame headers are no text
        while (begin := text.find("{")) >= 0:
            message, end = json.JSONDecoder().raw_decode(text, begin)
            self.messages.append(message)
            text = text[end:]
        self.room -= 1
        if self.room == 0 and self.socket is not None:
            self.socket.pause_writing()

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass


class Lists:
    """One socket, and the lists of a small index. The clock stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0
        metrics = Metrics()
        timing = Timing(
            lambda: self.now, lambda at, call: asyncio.get_running_loop().call_soon(call), float
        )
        self.index: Index = an_index()
        apply(self.index, summary("r1", 1))
        for _ in self.index.finish():
            pass
        self.lists = LiveLists(self.index, limits=LIMITS, timing=timing, metrics=metrics)
        self.connection = Connection()
        ways = Ways(lambda socket, text: None, lambda socket: None, timing, metrics)
        self.socket = Socket(self.connection, ways, "client", expires_at=math.inf)
        self.connection.socket = self.socket
        nothing: Any = None
        self._subscribing = Subscribing(
            nothing,
            nothing,
            nothing,
            self.lists,
            admit=lambda client: None,
            timing=timing,
            metrics=metrics,
        )

    async def subscribe(self, *lists: str) -> list[int]:
        """Ask for lists at once; gives how many messages there were after each round of the loop
        until all are answered."""
        seen = [len(self.connection.messages)]
        async with asyncio.TaskGroup() as self._subscribing.tasks:
            for id, text in enumerate(lists, len(self.socket.subscriptions)):
                said = {"op": "subscribe", "list": text, "id": id}
                hear(self.socket, json.dumps(said).encode(), self._subscribing.open, _no_command)
            while self.socket.tasks:
                await asyncio.sleep(0)
                seen.append(len(self.connection.messages))
        return seen


def _no_command(socket: Socket, asked: object) -> None:
    raise AssertionError("nobody gives one")


async def test_who_joins_while_the_socket_is_filled_is_held_as_the_others() -> None:
    """To join brings the list up to date, and the patch for those who had it fills the socket."""
    b = Lists()
    await b.subscribe("")
    apply(b.index, summary("r2", 2))
    b.now += 1
    b.connection.room = 1
    await b.subscribe("")
    assert b.socket.held
    apply(b.index, summary("r3", 3))
    b.now += 1
    before = len(b.connection.messages)
    b.lists.watched(Query())
    assert before == len(b.connection.messages)
    b.connection.room = 1_000
    b.socket.resume_writing()
    assert [("snapshot", 0), ("snapshot", 1)] == [
        (said["type"], said["id"]) for said in b.connection.messages[before:]
    ]


async def test_lists_that_are_refused_are_looked_at_one_in_a_round() -> None:
    """What a client writes into them takes milliseconds to read."""
    b = Lists()
    seen = await b.subscribe(*["status=done"] * 20)
    assert 20 == seen[-1]
    assert 1 >= max(after - before for before, after in pairwise(seen))


async def test_a_list_that_is_too_long_is_refused() -> None:
    b = Lists()
    await b.subscribe("&".join(["status=running"] * 400))
    [error] = b.connection.messages
    assert ("error", "invalid-request", "list") == (
        error["type"],
        error["data"]["name"],
        error["data"]["parameter"],
    )
