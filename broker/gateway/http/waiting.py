"""`?wait=`: how long an answer may be held until there is something new, and who is held."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self

from aiohttp import web
from prometheus_client import Gauge

from broker.errors import InvalidRequest
from broker.hub.run_hub import RunHub

LONGEST: Final = 60.0
"""Seconds; below what proxies usually wait for an answer."""
SWEEP: Final = 1.0
"""Seconds between two looks at whether those who wait are still there."""

_DECIMAL: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?")


def wait_of(request: web.Request) -> float:
    """Seconds to hold the answer; 0 without `?wait=`. Raises InvalidRequest."""
    text = request.query.get("wait")
    if text is None:
        return 0.0
    seconds = float(text) if _DECIMAL.fullmatch(text) else -1.0
    if not 0 <= seconds <= LONGEST:
        raise InvalidRequest(f"wait={text[:32]!r} is not a number of seconds from 0 to {LONGEST:g}")
    return seconds


class Waits:
    """The requests whose answer is held. Made by `running`.

    aiohttp tells a handler that its client has gone only by cancelling it, whatever it is doing;
    so one sweep looks at all that wait.
    """

    def __init__(self, count: Gauge) -> None:
        self._count = count
        self._held: dict[asyncio.Timeout, web.Request] = {}
        self._draining = False

    def __len__(self) -> int:
        return len(self._held)

    @classmethod
    @asynccontextmanager
    async def running(cls, count: Gauge) -> AsyncIterator[Self]:
        """Waits that are swept as long as the block; `count` tells how many there are."""
        waits = cls(count)
        async with asyncio.TaskGroup() as tasks:
            sweep = tasks.create_task(waits._sweep_forever(), name="sweep of held answers")
            try:
                yield waits
            finally:
                sweep.cancel()

    async def beyond(self, request: web.Request, hub: RunHub, seq: int, patience: float) -> bool:
        """Hold the answer to a request until the run has a record after `seq`.

        False if it has none in so many seconds, or the client goes, or the gateway drains.
        """
        if self._draining:
            return False
        try:
            async with asyncio.timeout(patience) as over:
                self._held[over] = request
                self._count.inc()
                try:
                    return await hub.beyond(seq, patience)
                finally:
                    self._count.dec()
                    del self._held[over]
        except TimeoutError:
            return False

    def drain(self, seconds: float) -> None:
        """Let every request be answered now, and hold none any more."""
        self._draining = True
        self._release(list(self._held))

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            self._release(
                [over for over, request in self._held.items() if request.transport is None]
            )

    def _release(self, held: list[asyncio.Timeout]) -> None:
        now = asyncio.get_running_loop().time()
        for over in held:
            if not over.expired():
                over.reschedule(now)
