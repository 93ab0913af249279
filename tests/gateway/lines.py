"""Logs to read: batches of lines, stored as producers store them, and what clients see of them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from broker.stream.publish import Message, publish_all
from tests.sse import PATIENCE, Answer, Frame, Stream, Wire, ask, path
from tests.stream.serving import Nats, key_of, payload_of

Line = dict[str, Any]

LEVELS = ("debug", "info", "progress", "success", "warning", "error")
STEPS = ("fetch", "fit")


def batch(*lines: str | Line, **fields: Any) -> dict[str, Any]:
    """A batch of lines; a text is a line that says nothing else."""
    shown = [line if isinstance(line, dict) else {"text": line} for line in lines]
    return {"type": "log.appended", "lines": shown, **fields}


def long_log(batches: int, length: int = 10) -> list[dict[str, Any]]:
    """Lines of every level and step, numbered from 0, in batches of the same length."""
    return [
        batch(
            *[
                {"text": f"line {n}", "level": LEVELS[n % 6], "step": STEPS[n % 2]}
                for n in range(begin, begin + length)
            ]
        )
        for begin in range(0, batches * length, length)
    ]


async def store(nats: Nats, run: str, *batches: dict[str, Any] | bytes) -> list[int]:
    """Store batches of a run; gives their sequences."""
    subject = key_of(run).log_subject
    messages = [Message(subject, payload_of(each)) for each in batches]
    return [stored.seq for stored in await publish_all(nats.connection, messages)]


async def get(url: str, run: str, accept: str = "application/json", **query: Any) -> Answer:
    """Ask for lines."""
    target = path(run, "/logs") + (f"?{urlencode(query)}" if query else "")
    return await ask(url, target, headers={"Accept": accept})


async def page(url: str, run: str, **query: Any) -> dict[str, Any]:
    """A page of lines."""
    answer = await get(url, run, **query)
    assert 200 == answer.status, answer.body
    found: dict[str, Any] = answer.json()
    return found


async def walk(url: str, run: str, token: str, **query: Any) -> list[Line]:
    """Every line, in their order: by `next` from the beginning, or by `previous` from the end."""
    back = token == "previous"
    lines: list[Line] = []
    found = await page(url, run, **query, **({"tail": query["limit"]} if back else {}))
    while True:
        lines = found["items"] + lines if back else lines + found["items"]
        if token not in found:
            return lines
        found = await page(url, run, **query, **{"before" if back else "after": found[token]})


def texts(lines: Sequence[Line]) -> list[str]:
    return [line["text"] for line in lines]


def address(line: Line) -> str:
    """Where a line is, as `after`, `before` and `Last-Event-ID` take it."""
    return f"{line['cursor']}.{line['place']}"


@asynccontextmanager
async def live(
    url: str,
    run: str,
    *,
    last_id: str | None = None,
    receive_buffer: int | None = None,
    version: str = "1.1",
    headers: Mapping[str, str] | None = None,
    **query: Any,
) -> AsyncIterator[Stream]:
    """Follow the lines of a run, as `EventSource` does."""
    sent = {"Accept": "text/event-stream", **(headers or {})}
    if last_id is not None:
        sent["Last-Event-ID"] = last_id
    target = path(run, "/logs") + (f"?{urlencode(query)}" if query else "")
    async with Wire.connect(url, receive_buffer=receive_buffer) as wire:
        await wire.send("GET", target, sent, version=version)
        status, found = await wire.head()
        yield Stream(wire, status, found, PATIENCE)


async def take(frames: Stream, count: int) -> list[Frame]:
    """So many lines, whose ids are their addresses."""
    found: list[Frame] = []
    while len(found) < count:
        frame = await frames.next()
        assert frame is not None, f"the stream ended after {len(found)} lines"
        if frame.event == "log":
            assert address(frame.data) == frame.id
            found.append(frame)
    return found
