"""Stopping without a storm: no new streams, and the open ones end one after another."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from broker.errors import Draining
from broker.gateway.limits import Streams
from broker.hub.registry import Registry

if TYPE_CHECKING:
    from broker.gateway.sockets import Sockets

_LAST: Final = 1.0
"""Seconds more that the last ones have for their last bytes."""


class Drain:
    """Whether the gateway is stopping, and the orderly way to it."""

    def __init__(self, registry: Registry, sockets: "Sockets", streams: Streams) -> None:
        self._registry = registry
        self._sockets = sockets
        self._streams = streams
        self.began = False

    def refuse(self) -> None:
        """Raise Draining once the gateway is stopping."""
        if self.began:
            raise Draining

    async def run(self, seconds: float) -> None:
        """Take no new streams from now on, and end the open ones over `seconds`.

        Each ends at a time of its own, with a `retry:` of its own, so that those who come back do
        not come at once. Returns when all have gone, soon after `seconds` at the latest.
        """
        self.began = True
        self._registry.drain(seconds)
        self._sockets.drain(seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds + _LAST):
                await self._streams.all_closed()
