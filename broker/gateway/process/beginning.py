"""How a gateway begins: again and again, until NATS lets it."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Final

from broker.errors import NatsRefused, StreamUnavailable, reason_of

FIRST_PAUSE: Final = 0.25
"""Seconds from the first try that fails to the next; each time twice as long, ..."""
LONGEST_PAUSE: Final = 5.0
"""... up to this many, and a random part of them less."""

Begin = Callable[[], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def kept_up(
    begin: Begin, waits: Callable[[StreamUnavailable], None], settled: asyncio.Event
) -> AsyncIterator[None]:
    """Begin, again and again while NATS does not answer, and go on as long as the block.

    The block is entered when `settled` is set: here when it has begun, or by others when it has to
    wait. `waits` is told of each try in vain. Raises what ends the wait: NATS refuses the user, or
    is there and not as it must be.
    """
    stop = asyncio.Event()
    begun = False

    async def keep() -> None:
        nonlocal begun
        pause = FIRST_PAUSE
        while True:
            try:
                async with begin():
                    begun = True
                    settled.set()
                    await stop.wait()
                return
            except (StreamUnavailable, BaseExceptionGroup) as error:
                reason = reason_of(error)
                if begun or isinstance(reason, NatsRefused):
                    raise
                if not isinstance(reason, StreamUnavailable):
                    raise
                waits(reason)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(LONGEST_PAUSE, 2 * pause)

    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(keep(), name="gateway")
        await settled.wait()
        try:
            yield
        finally:
            stop.set()
            if not begun:
                keeping.cancel()


@contextmanager
def plainly() -> Iterator[None]:
    """Raise the broker's own error as it is, without the groups of tasks that ended with it."""
    try:
        yield
    except BaseExceptionGroup as errors:
        reason = reason_of(errors)
        if reason is None:
            raise
        raise reason from None
