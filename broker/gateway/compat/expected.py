"""Runs that sockets of one run wait for: a page may connect before its producer says anything.

Nobody follows them: every second their last sequences are asked for, all at once.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Self

from broker.errors import NotFound, StreamUnavailable
from broker.gateway.middleware import problem_of
from broker.hub.ports import Timing
from broker.hub.registry import Registry
from broker.logs import Failures
from broker.stream.live import LiveRuns
from broker.stream.replay import last_sequences

if TYPE_CHECKING:
    from broker.gateway.compat.sockets import OneRun
    from broker.gateway.sockets.sockets import Sockets

log = logging.getLogger(__name__)

LOOK: Final = 1.0
"""Seconds between two looks."""
MOST: Final = 10_000
"""Sockets that may wait; more are told at once that their run is unknown."""


class Expected:
    """The sockets that wait. Made by `running`."""

    def __init__(
        self,
        registry: Registry,
        runs: LiveRuns,
        sockets: "Sockets",
        *,
        patience: float,
        timing: Timing,
    ) -> None:
        self._registry = registry
        self._runs = runs
        self._sockets = sockets
        self._patience = patience
        self._timing = timing
        self._waiting: dict[OneRun, str] = {}
        """Each with the subject that it waits for."""

    def __len__(self) -> int:
        return len(self._waiting)

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        registry: Registry,
        runs: LiveRuns,
        sockets: "Sockets",
        *,
        patience: float,
        timing: Timing,
    ) -> AsyncIterator[Self]:
        """Look as long as the block; a socket waits for `patience` seconds at most."""
        expected = cls(registry, runs, sockets, patience=patience, timing=timing)
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(expected._look_forever(), name="runs that are expected")
            try:
                yield expected
            finally:
                looking.cancel()

    def add(self, one: "OneRun") -> bool:
        """Show a run once it is there; False where it was waited for long enough, or too many wait.

        A socket that closes meanwhile is forgotten with the next look.
        """
        now = self._timing.now()
        if one.until is None:
            one.until = now + self._patience
        if now >= one.until or len(self._waiting) >= MOST:
            return False
        self._waiting[one] = one.run.subject
        return True

    async def _look_forever(self) -> None:
        failures = Failures(log)
        while True:
            await asyncio.sleep(LOOK)
            if not self._waiting:
                continue
            try:
                await self.look()
            except StreamUnavailable as error:
                failures.tell("looking for runs that are expected", error)

    async def look(self) -> None:
        """Show the runs that are there, and give up those that were waited for long enough."""
        now = self._timing.now()
        for one in list(self._waiting):
            late = one.until is not None and now >= one.until
            if late or not one.wanted:
                del self._waiting[one]
            if late and one.wanted:
                one.fail(problem_of(NotFound(one.run.run)))
        subjects = list(dict.fromkeys(self._waiting.values()))
        there = await last_sequences(self._runs.reads, subjects)
        for one in [one for one, subject in self._waiting.items() if subject in there]:
            del self._waiting[one]
            if one.wanted:
                self._registry.known(one.run)
                self._sockets.show(one)
