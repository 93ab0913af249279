"""The records and checkpoints of all runs, over one connection."""

from collections.abc import AsyncIterator, Container

from broker.model.checkpoint import Checkpoint
from broker.model.record import Record
from broker.model.subjects import RunKey
from broker.model.summary import Summary
from broker.stream.checkpoints import load, store
from broker.stream.connection import Connection
from broker.stream.live import LiveRuns
from broker.stream.replay import page_of, read, scan


class Storage:
    """What checkpoints are made from and where they go. Every call may raise StreamUnavailable."""

    def __init__(self, connection: Connection, runs: LiveRuns) -> None:
        self._connection = connection
        self._runs = runs

    @property
    def epoch(self) -> str:
        """The token of the creation of PROGRESS."""
        return self._runs.epoch

    def read(self, key: RunKey, after: int) -> AsyncIterator[list[Record]]:
        """The stored records of a run after a sequence, in pages."""
        return read(self._connection, key.subject, after)

    async def next_after(self, key: RunKey, seq: int) -> int | None:
        """The sequence of the run's first record after one; None without."""
        page = await page_of(self._connection, key.subject, seq + 1, 1)
        return page[0].seq if page else None

    def scan(
        self, after: int, wanted: Container[RunKey]
    ) -> AsyncIterator[tuple[int, list[tuple[RunKey, Record]]]]:
        """All records after a sequence, in pages: how many there were, and those of some runs."""
        return scan(self._connection, after, wanted)

    async def load(self, key: RunKey) -> Checkpoint:
        """The checkpoint of a run, an empty one where there is none."""
        return await load(self._connection, key, self.epoch)

    async def store(self, key: RunKey, summary: Summary, packed: bytes, revision: int) -> int:
        """Store a checkpoint in place of that of `revision`; gives its own revision.

        Raises Superseded.
        """
        return await store(self._connection, key, summary, packed, revision)
