"""`GET /v1/runs/{run}/events?view=state` as NDJSON: the state after each event of the run."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

from aiohttp import web

from broker.errors import InvalidParameter, StoryNotKept
from broker.gateway.endpoints.history import NDJSON
from broker.gateway.endpoints.parts import write_parts
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
    events = hub.state.events
    await require_whole(runs, key, events)
    story = States(key, runs.epoch, Bounds(steps=app[OPTIONS].max_steps))
    pages, turns, now = runs.read(key, 0, PAGE), app[ATTEMPTS].turns, app[TIMING].now
    response = web.StreamResponse(headers={"Content-Type": NDJSON, "Cache-Control": "no-store"})
    await response.prepare(request)

    async def whole() -> AsyncIterator[bytes]:
        async for part in _parts(story, pages, turns, now):
            yield part
        if story.events < events:
            raise StoryNotKept(key.run)

    await write_parts(request, response, whole())
    await response.write_eof()
    return response


async def _parts(
    story: States, pages: AsyncIterator[list[Record]], turns: Rounds, now: Callable[[], float]
) -> AsyncIterator[bytes]:
    async for page in pages:
        records = deque(page)
        while records:
            await turns.turn()
            yield b"".join(_told(story, records, now))


def _told(story: States, records: deque[Record], now: Callable[[], float]) -> Iterator[bytes]:
    """The lines of some of the records, which are taken away."""
    until = now() + AT_ONCE
    while records:
        yield story.line(records.popleft())
        if now() >= until:
            return
