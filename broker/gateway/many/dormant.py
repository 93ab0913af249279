"""Runs that streams of many wait for: not there yet, or ended, and then tried again.

Nobody follows them: every few seconds their last sequences are asked for, all at once.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from broker.errors import StreamUnavailable
from broker.logs import Failures
from broker.model.subjects import RunKey
from broker.stream.live import LiveRuns
from broker.stream.replay import MOST_SUBJECTS, last_sequences

if TYPE_CHECKING:
    from broker.gateway.many.part import Part

log = logging.getLogger(__name__)

LOOK: Final = 2.0
"""Seconds between two looks."""
MOST: Final = 16 * MOST_SUBJECTS
"""Runs looked for at a time; of more, others have their turn with the next look."""


class Dormant:
    """The runs that are waited for, each by any number of parts."""

    def __init__(self, runs: LiveRuns, wake: Callable[["Part"], None]) -> None:
        self._runs = runs
        self._wake = wake
        self._waiting: dict[RunKey, dict[Part, int]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, part: "Part", seq: int) -> None:
        """Wake a part once its run has gone on from a sequence; at the next look, if that is -1."""
        self._waiting.setdefault(part.run, {})[part] = seq

    def remove(self, part: "Part") -> None:
        """Wait for nothing."""
        parts = self._waiting.get(part.run)
        if parts is not None:
            parts.pop(part, None)
            if not parts:
                del self._waiting[part.run]

    async def look_forever(self) -> None:
        """Look every few seconds."""
        failures = Failures(log)
        while True:
            await asyncio.sleep(LOOK)
            if self._waiting:
                try:
                    await self.look()
                except StreamUnavailable as error:
                    failures.tell("looking for runs that are waited for", error)

    async def look(self) -> None:
        """Wake the parts of runs that have gone on."""
        keys = list(self._waiting)[:MOST]
        last = await last_sequences(self._runs.reads, [key.subject for key in keys])
        for key in keys:
            parts = self._waiting.pop(key, None)
            if parts is None:
                continue
            seq = last.get(key.subject, 0)
            still = {part: known for part, known in parts.items() if seq <= known}
            if still:
                self._waiting[key] = still  # behind all others: its turn comes after theirs
            for part in parts.keys() - still.keys():
                self._wake(part)
