"""NATS that is not there, yet or any more: why, and what the log says of it.

Those are a few lines, however long it takes.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from broker.logs import about

log = logging.getLogger(__name__)

MOST_REASONS: Final = 5
"""Reasons of one outage that are told."""
_MOST_HEARD: Final = 20


class Outage:
    """One after another. The first lasts from the start; `now` is monotonic, in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.why = "the gateway is starting"
        """Why NATS is not there, while it is not."""
        self.noticed = asyncio.Event()
        """Set when the first try has failed, or the gateway has begun."""
        self._now = now
        self._began: float | None = now()
        self._heard: set[str] = set()
        self._told: set[str] = set()
        self._watched = False
        self._spoke = False
        """Whether the log says that NATS is not there."""

    @contextmanager
    def watched(self) -> Iterator[None]:
        """The connection is there, and not to be lost within the block."""
        self._watched = True
        try:
            yield
        finally:
            self._watched = False

    def changed(self, connected: bool) -> None:
        """The connection was lost, or is there."""
        if not connected and self._began is None and self._watched:
            self._began = self._now()
            self._told.clear()
            self._heard.clear()
            self.why = "the connection was lost"
            log.warning(
                "NATS is away: streams stay open, and what is in memory is shown",
                extra=about("nats_lost"),
            )
            self._spoke = True
        elif connected and self._began is not None:
            if self._spoke:
                seconds = round(self._now() - self._began, 1)
                more = about("nats_connected", seconds=seconds)
                log.warning("NATS is there, after %.1f s", seconds, extra=more)
            self._began = None
            self._spoke = False

    def failed(self, why: str) -> None:
        """What was tried with NATS, and how that ended; told when it comes the second time."""
        self.why = why
        self.noticed.set()
        if why not in self._heard:
            if len(self._heard) < _MOST_HEARD:
                self._heard.add(why)
        elif why not in self._told and len(self._told) < MOST_REASONS:
            self._told.add(why)
            self._spoke = True
            log.warning("waiting for NATS: %s", why, extra=about("nats_awaited"))
