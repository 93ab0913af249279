"""A client of `/v1/stream`, and what a page keeps of it."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from tests.sse import PATIENCE, Answer, Frame, Stream, Wire, ask, merged

EVENTS = {"Accept": "text/event-stream"}


def target(*runs: str, **query: str) -> str:
    """The path of a stream of runs."""
    return "/v1/stream?" + urlencode([*(("run", run) for run in runs), *query.items()])


@asynccontextmanager
async def many(
    url: str,
    *runs: str,
    last_id: str | None = None,
    version: str = "1.1",
    receive_buffer: int | None = None,
    **query: str,
) -> AsyncIterator[Stream]:
    """Open a stream of runs, as `EventSource` does."""
    sent = dict(EVENTS)
    if last_id is not None:
        sent["Last-Event-ID"] = last_id
    async with Wire.connect(url, receive_buffer=receive_buffer) as wire:
        await wire.send("GET", target(*runs, **query), sent, version=version)
        status, found = await wire.head()
        yield Stream(wire, status, found, PATIENCE)


async def refused(url: str, path: str, **headers: str) -> Answer:
    """The answer to a request that gets no stream."""
    return await ask(url, path, headers={**EVENTS, **headers})


class Page:
    """The states that a page folds from one stream, and the cursor to come back with."""

    def __init__(self) -> None:
        self.hello: dict[str, Any] = {}
        self.states: dict[str, Any] = {}
        self.snapshots: Counter[str] = Counter()
        self.ended: dict[str, str] = {}
        self.left: list[str] = []
        self.missing: list[str] = []
        self.last_id: str | None = None
        self.over = False

    def take(self, frame: Frame) -> None:
        """Keep what a frame says; a patch of a run that is not known is a mistake."""
        data = frame.data
        match frame.event:
            case "hello":
                self.hello = data
                self.over = False
                self.missing += data["missing"]
            case "snapshot":
                self.states[data["run"]] = data
                self.snapshots[data["run"]] += 1
            case "patch":
                self.states[data["run"]] = merged(self.states[data["run"]], data)
            case "end" if "run" in data:
                self.ended[data["run"]] = data["status"]
            case "end":
                self.over = True
            case "left":
                self.left.append(data["run"])
                del self.states[data["run"]]
            case "missing":
                self.missing.append(data["run"])
            case "cursor":
                assert data["cursor"] == frame.id
            case other:
                raise AssertionError(f"a frame of no known name: {other}")
        assert (frame.id is not None) == (frame.event == "cursor" or self.over)
        self.last_id = frame.id or self.last_id

    def take_all(self, frames: Iterable[Frame]) -> None:
        """Keep what many say."""
        for frame in frames:
            self.take(frame)

    async def until_known(self, frames: Stream, **states: Any) -> None:
        """Read until the states of runs have these cursors, and the stream's cursor came after."""
        while any(self.states.get(run, {}).get("cursor") != at for run, at in states.items()):
            await self.read(frames)

    async def until_cursor(self, frames: Stream) -> None:
        """Read up to the next cursor."""
        self.take_all(await frames.until("cursor"))

    async def read(self, frames: Stream) -> Frame:
        """Read one frame."""
        frame = await frames.next()
        assert frame is not None
        self.take(frame)
        return frame
