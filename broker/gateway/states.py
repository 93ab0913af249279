"""`GET /v1/runs/{run}/events?view=state` as NDJSON: the state after each event of the run."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from broker.errors import InvalidParameter
from broker.gateway.attempts import require_whole
from broker.gateway.history import NDJSON
from broker.gateway.keys import LIMITS, OPTIONS, REGISTRY, RUNS
from broker.gateway.parts import write_parts
from broker.model.bounds import Bounds
from broker.model.record import Record
from broker.model.subjects import RunKey
from broker.views.states import States

PAGE: Final = 512
"""Records read at a time."""
AT_ONCE: Final = 128
"""Events folded before others have their turn: these take some milliseconds."""


async def states(request: web.Request, key: RunKey) -> web.StreamResponse:
    """One line for each event that is stored by now, from the first on.

    Raises InvalidParameter, NotFound, StoryNotKept.
    """
    if "after" in request.query:
        raise InvalidParameter("after", "a story of states is told from its beginning: leave it")
    app = request.app
    limits = app[LIMITS]
    limits.polls.spend((limits.client(request), key))
    hub = await app[REGISTRY].hub(key)
    runs = app[RUNS]
    await require_whole(runs, key, hub.state.events)
    story = States(key, runs.epoch, Bounds(steps=app[OPTIONS].max_steps))
    response = web.StreamResponse(headers={"Content-Type": NDJSON, "Cache-Control": "no-store"})
    await response.prepare(request)
    await write_parts(request, response, _parts(story, runs.read(key, 0, PAGE)))
    await response.write_eof()
    return response


async def _parts(story: States, pages: AsyncIterator[list[Record]]) -> AsyncIterator[bytes]:
    async for page in pages:
        for begin in range(0, len(page), AT_ONCE):
            yield b"".join(map(story.line, page[begin : begin + AT_ONCE]))
            await asyncio.sleep(0)
