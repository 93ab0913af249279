"""Stopping without a storm: no new streams, and the open ones end one after another."""

import asyncio
from contextlib import suppress
from typing import Final, Protocol

from aiohttp import web

from broker.errors import Draining
from broker.gateway.http.limits import Streams
from broker.gateway.process.listening import last_answer

_LAST: Final = 1.0
"""Seconds more that the last ones have for their last bytes."""


class Drains(Protocol):
    """Something that holds connections open."""

    def drain(self, seconds: float) -> None:
        """Let each go within so many seconds, at a time of its own."""


class Drain:
    """Whether the gateway is stopping, and the orderly way to it."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._holders: tuple[Drains, ...] = ()
        self.began = False

    def holds(self, *holders: Drains) -> None:
        """These hold the streams."""
        self._holders = holders

    def refuse(self) -> None:
        """Raise Draining once the gateway is stopping."""
        if self.began:
            raise Draining

    async def dismiss(self, request: web.Request, response: web.StreamResponse) -> None:
        """End a connection with its answer once the gateway is stopping.

        A proxy that keeps connections would send the next request here again.
        """
        if self.began:
            await last_answer(request, response)

    async def run(self, seconds: float) -> None:
        """Take no new streams from now on, and end the open ones over `seconds`.

        Each ends at a time of its own, with a `retry:` of its own, so that those who come back do
        not come at once. Returns when all have gone, soon after `seconds` at the latest.
        """
        self.began = True
        for holder in self._holders:
            holder.drain(seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds + _LAST):
                await self._streams.all_closed()
