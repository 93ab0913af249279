"""`GET /v1/runs/{run}/events?view=state` as NDJSON: the state after each event of the run."""

from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

from aiohttp import web

from broker.errors import InvalidParameter, StoryNotKept
from broker.gateway.endpoints.history import NDJSON
from broker.gateway.endpoints.parts import answer_in_parts
from broker.gateway.keys import ATTEMPTS, LIMITS, OPTIONS, REGISTRY, RUNS, TIMING
from broker.gateway.process.rounds import Rounds
from broker.gateway.runs.attempts import require_whole
from broker.model.bounds import Bounds
from broker.model.record import Record
from broker.model.subjects import RunKey
from broker.views.states import States

PAGE: Final = 512
"""Records read at a time."""
AT_ONCE: Final = 0.005
"""Seconds for which events are folded before others have their turn. Nearly all take some 30 µs; to
begin an attempt of 10,000 steps takes 30 ms."""


async def states(request: web.Request, key: RunKey) -> web.StreamResponse:
    """One line for each event that is stored by now, from the first on.

    Raises InvalidParameter, NotFound, StoryNotKept. What is stored and is no event can hide that
    the beginning is not kept; that shows at the end, and the answer is cut there.
    """
    if "after" in request.query:
        raise InvalidParameter("after", "a story of states is told from its beginning: leave it")
    app = request.app
    limits = app[LIMITS]
    limits.polls.spend((limits.client(request), key))
    hub = await app[REGISTRY].hub(key)
    runs = app[RUNS]
    head, events = hub.seq, hub.state.events
    await require_whole(runs, key, events)
    story = States(key, runs.epoch, Bounds(steps=app[OPTIONS].max_steps))
    pages, turns, now = runs.read(key, 0, PAGE), app[ATTEMPTS].turns, app[TIMING].now

    async def whole() -> AsyncIterator[bytes]:
        async for page in pages:
            end = bisect_right(page, head, key=lambda record: record.seq)
            async for part in _parts(story, page[:end], turns, now):
                yield part
            if end < len(page):
                _require_told(story, key, events)
            async for part in _parts(story, page[end:], turns, now):
                yield part
        _require_told(story, key, events)

    headers = {"Content-Type": NDJSON, "Cache-Control": "no-store"}
    return await answer_in_parts(request, headers, whole())


async def _parts(
    story: States, page: list[Record], turns: Rounds, now: Callable[[], float]
) -> AsyncIterator[bytes]:
    records = deque(page)
    while records:
        await turns.turn()
        yield b"".join(_told(story, records, now))


def _require_told(story: States, key: RunKey, events: int) -> None:
    """Raises StoryNotKept where it has told of fewer events than the run had up to its head."""
    if story.events < events:
        raise StoryNotKept(key.run)


def _told(story: States, records: deque[Record], now: Callable[[], float]) -> Iterator[bytes]:
    """The lines of some of the records, which are taken away."""
    until = now() + AT_ONCE
    while records:
        yield story.line(records.popleft())
        if now() >= until:
            return
