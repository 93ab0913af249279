"""How late the event loop comes around: what every client and every timer waits at least."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

PAUSE: Final = 0.25
"""Seconds between two samples."""


@asynccontextmanager
async def sampled(
    observe: Callable[[float], None], now: Callable[[], float] = time.perf_counter
) -> AsyncIterator[None]:
    """Tell how late the loop was, in seconds, again and again as long as the block.

    A loop's own time stands still while it works, on uvloop: `now` must not.
    """
    async with asyncio.TaskGroup() as tasks:
        sampling = tasks.create_task(_sample_forever(observe, now), name="event loop lag")
        try:
            yield
        finally:
            sampling.cancel()


async def _sample_forever(observe: Callable[[float], None], now: Callable[[], float]) -> None:
    while True:
        due = now() + PAUSE
        await asyncio.sleep(PAUSE)
        observe(max(0.0, now() - due))
