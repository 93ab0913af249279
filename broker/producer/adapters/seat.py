"""Where events wait for whoever watches them in the producer's own process, or does not."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from broker.errors import FellBehind

E = TypeVar("E")


class Seat(Generic[E]):
    """A bounded number of events for one who watches a run; who leaves too many gets no more."""

    def __init__(self, run: str, most: int) -> None:
        self._run = run
        self._most = most
        self._events: deque[E] = deque()
        self._rung = asyncio.Event()
        self._over = False
        self._error: Exception | None = None
        self._empty = False
        """Whether nobody sits there any more."""

    def offer(self, event: E) -> None:
        """Leave an event; who has left too many gets no more."""
        if self._empty:
            return
        if len(self._events) >= self._most:
            self._leave()
            self._error = FellBehind(self._run, self._most)
        else:
            self._events.append(event)
        self._rung.set()

    def end(self, error: Exception | None = None) -> None:
        """There are no more."""
        self._over = True
        self._error = self._error or error
        self._rung.set()

    async def events(self) -> AsyncIterator[E]:
        """The events as they come. Raises FellBehind, and what the generator raised."""
        try:
            while True:
                while self._events:
                    yield self._events.popleft()
                if self._error is not None:
                    raise self._error
                if self._over:
                    return
                self._rung.clear()
                await self._rung.wait()
        finally:
            self._leave()

    def _leave(self) -> None:
        self._empty = True
        self._events.clear()
