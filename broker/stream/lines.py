"""Log lines as a source of records for hubs: followed like events, read in smaller pieces."""

from collections.abc import AsyncIterator
from typing import Final

from broker.model.loglines import only_lines
from broker.model.record import Record
from broker.model.state import RunState, initial
from broker.model.subjects import RunKey
from broker.stream.connection import Connection
from broker.stream.follower import Deliver, Follower
from broker.stream.live import LiveRuns
from broker.stream.replay import page_of
from broker.stream.tail import batches, last_batch
from broker.stream.topology import LOGS


class LiveLines:
    """The LOGS stream as hubs need it; whatever is stored there, they get batches of lines."""

    def __init__(self, runs: LiveRuns) -> None:
        self._runs: Final = runs

    @property
    def epoch(self) -> str:
        """The token of the creation of LOGS."""
        return self._runs.epoch

    @property
    def reads(self) -> Connection:
        """What stored lines are read over."""
        return self._runs.reads

    @property
    def away(self) -> float:
        """Seconds since NATS was lost; 0 while it is there."""
        return self._runs.away

    async def unknown(self, key: RunKey) -> bool:
        """Whether a run has logged nothing. Raises StreamUnavailable."""
        return await self._runs.unknown(key)

    async def first_seq(self) -> int:
        """The oldest sequence that LOGS still holds."""
        return await self._runs.first_seq()

    async def last(self, key: RunKey) -> int:
        """The sequence of a run's newest batch; 0 without any. Raises StreamUnavailable."""
        return await last_batch(self.reads, key.log_subject)

    async def batch(self, key: RunKey, seq: int) -> Record | None:
        """One batch of a run; None where it is not there. Raises StreamUnavailable."""
        found = await page_of(self.reads, key.log_subject, seq, 1, stream=LOGS)
        return only_lines(found[0]) if found and found[0].seq == seq else None

    async def checkpoint(self, key: RunKey) -> RunState:
        """A hub goes on from the run's newest batch, since lines fold to nothing.

        What came before is read from the stream. Raises StreamUnavailable.
        """
        state = initial(key.tenant, key.run)
        state.seq = await self.last(key)
        return state

    async def follow(self, key: RunKey, deliver: Deliver, after: int = 0) -> Follower:
        """Deliver every batch of a run after a sequence. Raises StreamUnavailable."""
        return await self._runs.follow(
            key, lambda records: deliver([only_lines(record) for record in records]), after
        )

    async def read(self, key: RunKey, after: int) -> AsyncIterator[list[Record]]:
        """The stored batches of a run after a sequence, in pages."""
        async for page in batches(self.reads, key.log_subject, after):
            yield [only_lines(record) for record in page]
