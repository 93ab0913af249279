"""The end of a log: a run that has ended, and has been quiet for a while, logs no more."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Self

from broker.hub.registry import Registry
from broker.hub.run_hub import RunHub
from broker.model.state import TERMINAL, RunStatus, initial
from broker.model.subjects import RunKey

QUIET: Final = 2.0
"""Seconds that a last line may come after the end of its run: they are two streams."""
LOOK: Final = 0.5
"""Seconds between two looks at the logs that are due."""
RARELY: Final = 10.0
"""Seconds between two looks at one that has been quiet for long."""

StatusOf = Callable[[RunKey], RunStatus | None]


class Endings:
    """Tells the viewers of a log that it is over. Made by `running`.

    `status_of` gives a run's status as far as it is known; where it is not, viewers stay.
    """

    def __init__(self, hubs: Registry, status_of: StatusOf, now: Callable[[], float]) -> None:
        self._hubs = hubs
        self._status_of = status_of
        self._now = now
        self._due: dict[RunHub, float] = {}

    @classmethod
    @asynccontextmanager
    async def running(
        cls, hubs: Registry, status_of: StatusOf, now: Callable[[], float]
    ) -> AsyncIterator[Self]:
        """Look at the logs that are watched as long as the block."""
        endings = cls(hubs, status_of, now)
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(endings._look_forever(), name="ends of logs")
            try:
                yield endings
            finally:
                looking.cancel()

    def watch(self, hub: RunHub) -> None:
        """The hub has one viewer more."""
        self._due[hub] = self._now()

    def over(self, hub: RunHub) -> RunStatus | None:
        """How the run ended, if it has and is quiet; None while it may log."""
        if self._now() - hub.changed_at < QUIET:
            return None
        status = self._status_of(hub.key)
        return status if status in TERMINAL else None

    async def _look_forever(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            now = self._now()
            for hub in [hub for hub, due in self._due.items() if due <= now]:
                if not self._hubs.holds(hub) or not hub.clients:
                    del self._due[hub]
                    continue
                if (status := self.over(hub)) is not None:
                    _end(hub, status)
                self._due[hub] = now + min(RARELY, (now - hub.changed_at) / 4)


def _end(hub: RunHub, status: RunStatus) -> None:
    """Let go who has all lines.

    The last frame carries the head, which a browser then comes back with, to be told to stop.
    """
    state = initial(hub.key.tenant, hub.key.run)
    state.status = status
    for group in hub.groups:
        end = [message._replace(cursor=hub.cursor) for message in group.view.end(state)]
        last_words = group.frame(end) + group.framing.close()
        for client in group.members:
            if group.keeps_up(client):
                hub.dismiss(client, last_words, why="end")
