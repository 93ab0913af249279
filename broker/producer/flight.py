"""What is sent and not yet acknowledged, and what its silence means.

In a cluster the leader of a stream changes: what it had got may be gone without a word, and the
next leader stores what comes later. So while nothing is acknowledged nothing more is sent, and the
oldest event is sent again, under its id, until somebody answers: then the order holds.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, TypeAlias

from broker.errors import StreamUnavailable
from broker.producer.outbox import Entry
from broker.stream.connection import REQUEST_TIMEOUT
from broker.stream.publish import Stored

IN_FLIGHT: Final = 256
BYTES_IN_FLIGHT: Final = 1024 * 1024
"""What is sent and not yet acknowledged. nats-py blocks publishers at 2 MiB not yet written."""

HOLD: Final = 0.1
"""Seconds without an acknowledgement after which nothing more is sent, and the oldest again; ..."""
HOLD_MOST: Final = 0.5
"""... each time after twice as long, so many at most."""

Acknowledged: TypeAlias = "asyncio.Future[Stored]"


class Flight:
    """Events in the order in which they were sent: first one alone, then more at once."""

    def __init__(self, now: Callable[[], float], ring: Callable[[], None]) -> None:
        self.flying: deque[tuple[Entry, Acknowledged]] = deque()
        self._now = now
        self._ring = ring
        """Wakes whoever waits for acknowledgements."""
        self._window = 1
        self._size = 0
        self._landed = 0
        """Acknowledgements that have come and were not taken yet."""
        self._lost = False
        """Whether an event arrived only the second time: then those sent after it are lost too."""
        self._moved = now()
        """When the last one was taken, or the first event sent."""
        self._repeat_in = HOLD
        self._repeat_at = 0.0

    @property
    def due(self) -> float | None:
        """When the silence has lasted too long; None where nobody is to answer."""
        return min(self._repeat_at, self._moved + REQUEST_TIMEOUT) if self.flying else None

    @property
    def open(self) -> bool:
        """Whether one more may be sent."""
        return len(self.flying) < self._window and self._size < BYTES_IN_FLIGHT and not self._held

    @property
    def _held(self) -> bool:
        return bool(self.flying) and self._now() - self._moved > HOLD

    def add(self, entry: Entry, acknowledged: Acknowledged) -> None:
        """It is sent."""
        if not self.flying:
            self._move()
        self.flying.append((entry, acknowledged))
        self._size += entry.size
        acknowledged.add_done_callback(self._note)

    def landed(self) -> Iterator[tuple[Entry, Acknowledged]]:
        """Those that are answered, while none before them is not.

        Raises StreamUnavailable where events are lost, or refused: they are to be sent again.
        """
        while self.flying and self.flying[0][1].done():
            yield self.flying[0]
            entry, _ = self.flying.popleft()
            self._size -= entry.size
            self._landed -= 1
            self._window = min(2 * self._window, IN_FLIGHT)
            self._move()
        if self._lost and self.flying:
            raise StreamUnavailable("store an event", "it was lost on its way")
        self._lost = False
        if self._landed:
            self._refuse_gaps()

    async def repeat(self, submit: Callable[[Entry], Awaitable[Acknowledged]]) -> None:
        """Send the oldest again; whichever is answered first counts.

        Raises StreamUnavailable where it has waited for too long.
        """
        if self._now() >= self._moved + REQUEST_TIMEOUT:
            silence = f"not acknowledged in {REQUEST_TIMEOUT:g} s"
            raise StreamUnavailable("store an event", silence)
        entry, first = self.flying[0]
        self._repeat_in = min(2 * self._repeat_in, HOLD_MOST)
        self._repeat_at = self._now() + self._repeat_in
        again = await submit(entry)

        def settle(again: Acknowledged) -> None:
            # A refusal says nothing of the first: no leader yet, or it is just being stored.
            if not (first.done() or again.cancelled() or again.exception()):
                self._lost = True
                first.set_result(again.result())

        again.add_done_callback(settle)
        first.add_done_callback(lambda first: again.cancel())

    def _move(self) -> None:
        self._moved = self._now()
        self._repeat_in = HOLD
        self._repeat_at = self._moved + HOLD

    def _note(self, acknowledged: Acknowledged) -> None:
        self._landed += not acknowledged.cancelled()
        self._ring()

    def _refuse_gaps(self) -> None:
        """Raise StreamUnavailable where an event was refused, or lost before one that was stored.

        A stream acknowledges in its order, but for what it has already.
        """
        unanswered: set[str] = set()
        for entry, acknowledged in self.flying:
            stream = entry.lane.stream
            if not acknowledged.done():
                unanswered.add(stream)
                continue
            error = acknowledged.exception()
            if isinstance(error, StreamUnavailable):
                raise error
            if error is None and stream in unanswered and not acknowledged.result().duplicate:
                raise StreamUnavailable("store an event", "an earlier one was not acknowledged")
