"""Clients that follow the rules: keep the cursor, and come back to the other gateway."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.sse import Frame, merged, stream

PATIENCE = 120.0
"""Seconds of silence after which a client would give up; a heartbeat comes every 15."""


@dataclass
class Watched:
    """What a client saw of one run, over all its connections."""

    run: str
    view: str
    seqs: list[int] = field(default_factory=list)
    """Of events, in the order in which they came."""
    state: Any = None
    samples: list[tuple[int, Any]] = field(default_factory=list)
    """States as they were on the way."""
    cursor: str | None = None
    ended: bool = False
    faults: list[str] = field(default_factory=list)

    def take(self, frame: Frame, chance: random.Random) -> None:
        """Keep what a frame says, and note what must not be."""
        seq = seq_of(frame.id)
        before = seq_of(self.cursor)
        if frame.event == "hello":
            if self.cursor is not None and self.view == "events" and not frame.data["resumed"]:
                self.faults.append(f"events of {self.run} are not resumed from {self.cursor}")
        elif frame.event == "end":
            self.ended = True
        elif self.view == "events":
            if frame.event == "snapshot":
                self.faults.append(f"a snapshot among the events of {self.run} after {before}")
            else:
                self.seqs.append(seq)
        else:
            state = frame.data if frame.event == "snapshot" else merged(self.state, frame.data)
            if seq < before or (seq == before and frame.event == "patch"):
                self.faults.append(f"{self.run} went from {before} to {seq}")
            self.state = state
            if chance.random() < 0.02:
                self.samples.append((seq, state))
        if frame.id is not None:
            self.cursor = frame.id


class World(Protocol):
    """What clients need of the program."""

    urls: list[str]

    def choose(self, chance: random.Random) -> str | None:
        """A run to watch; None where nothing new begins."""

    def news(self, number: int, seq: int) -> None:
        """A client has got a frame."""

    def lost(self, number: int) -> None:
        """A client has lost its connection."""

    def resumed(self, number: int) -> None:
        """A client is connected again."""


class Client:
    """One client, by its number: half of them use WebSockets, half the events view."""

    def __init__(self, number: int, world: World, chance: random.Random) -> None:
        self.number = number
        self.socket = number % 2 == 1
        self.view = ("state", "events")[number // 2 % 2]
        self.seen: list[Watched] = []
        self.connections = 0
        self._at = number // 4 % 2
        self._world = world
        self._chance = chance
        self._retry = 0.0
        self._connected = False
        self._why = ""
        self.endings: Counter[str] = Counter()
        """How connections ended before their run did."""

    async def run(self) -> None:
        """Watch one run after another, each to its end."""
        while (run := self._world.choose(self._chance)) is not None:
            watched = Watched(run, self.view)
            self.seen.append(watched)
            while not watched.ended:
                self.connections += 1
                if not await self._watch(watched):
                    self._at += 1  # the other gateway
                if not watched.ended:
                    if self._connected:
                        self._world.lost(self.number)
                    await asyncio.sleep(self._retry or self._chance.uniform(0.1, 1.0))
                    self._retry = 0.0

    async def _watch(self, watched: Watched) -> bool:
        """Watch over one connection; False if it could not be had, or broke."""
        url = self._world.urls[self._at % len(self._world.urls)]
        way = self._frames_of_a_socket if self.socket else self._frames_of_a_stream
        self._connected, self._why = False, "ended in good order"
        try:
            async with way(url, watched) as frames:
                async for frame in frames:
                    if frame.event == "hello":
                        self._connected = True
                        self._world.resumed(self.number)
                    watched.take(frame, self._chance)
                    if frame.id is not None:
                        self._world.news(self.number, seq_of(frame.id))
                    if watched.ended:
                        return True
        except (OSError, EOFError, TimeoutError, AssertionError, WebSocketException) as error:
            self._why = type(error).__name__
        self.endings[f"{'socket' if self.socket else 'stream'}: {self._why}"] += 1
        return False

    @asynccontextmanager
    async def _frames_of_a_stream(
        self, url: str, watched: Watched
    ) -> AsyncIterator[AsyncIterator[Frame]]:
        async with stream(
            url, watched.run, self.view, last_id=watched.cursor, patience=PATIENCE
        ) as opened:

            async def frames() -> AsyncIterator[Frame]:
                if opened.status == 204:
                    watched.ended = True
                while opened.status == 200 and (frame := await opened.next()) is not None:
                    yield frame
                self._retry = (opened.retry or 0) / 1000
                if opened.status != 200:
                    self._why = f"answered {opened.status}"

            yield frames()

    @asynccontextmanager
    async def _frames_of_a_socket(
        self, url: str, watched: Watched
    ) -> AsyncIterator[AsyncIterator[Frame]]:
        where = urlsplit(url)
        async with connect(f"ws://{where.netloc}/v1/ws", compression=None) as socket:
            asked = {"op": "subscribe", "run": watched.run, "view": self.view}
            if watched.cursor is not None:
                asked["cursor"] = watched.cursor
            await socket.send(json.dumps(asked))

            async def frames() -> AsyncIterator[Frame]:
                async for text in socket:
                    said = json.loads(text)
                    if "run" not in said:
                        continue  # the socket's own hello
                    if said["type"] == "error":
                        self._retry = said["data"].get("retry_after", 0)
                        self._why = f"error {said['data']['name']}"
                        return
                    yield Frame(said["type"], said["data"], said.get("cursor"))

            yield frames()


def seq_of(cursor: str | None) -> int:
    """The sequence of a cursor; 0 without one."""
    return int(cursor.split("-")[1]) if cursor is not None else 0
