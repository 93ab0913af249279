"""What producers sent, and what was acknowledged to them: the oracle is made of that."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple
from unittest.mock import patch

from broker.producer import claim, sender
from broker.stream.connection import Connection
from broker.stream.publish import Message, Stored, publish, submit


class Acknowledged(NamedTuple):
    """An event that its producer need not keep any longer."""

    run: str
    seq: int


@dataclass
class Ledger:
    """Events by their ids. `heard` is called with each acknowledgement."""

    first_sent: dict[str, float] = field(default_factory=dict)
    """When an event was first sent."""
    acknowledged: dict[str, Acknowledged] = field(default_factory=dict)
    runs: dict[str, bool] = field(default_factory=dict)
    """The runs to watch of which something is stored, and whether they have ended."""
    unwatched: str = "job"
    """How the ids of runs begin that nobody watches: they come and go too quickly for that."""
    heard: Callable[[str, float, int], None] = lambda run, sent, seq: None

    def send(self, unique: str) -> None:
        """An event is sent, perhaps not for the first time."""
        self.first_sent.setdefault(unique, asyncio.get_running_loop().time())

    def acknowledge(self, run: str, unique: str, seq: int) -> None:
        """An event is stored."""
        if unique in self.acknowledged:
            return
        self.acknowledged[unique] = Acknowledged(run, seq)
        if not run.startswith(self.unwatched):
            self.runs.setdefault(run, False)
        self.heard(run, self.first_sent[unique], seq)

    def active(self) -> list[str]:
        """The runs that have begun and not ended."""
        return [run for run, ended in self.runs.items() if not ended]

    @contextmanager
    def of_the_sdk(self) -> Iterator[None]:
        """Note what every producer of this process sends, and what it is told."""

        async def noted(
            connection: Connection, message: Message, expected_last: int | None = None
        ) -> "asyncio.Future[Stored]":
            kind, _, run = message.subject.split(".")
            if kind != "progress" or message.message_id is None:
                return await submit(connection, message, expected_last)
            unique = message.message_id
            self.send(unique)
            stored = await submit(connection, message, expected_last)

            def settle(done: "asyncio.Future[Stored]") -> None:
                if not done.cancelled() and done.exception() is None:
                    self.acknowledge(run, unique, done.result().seq)

            stored.add_done_callback(settle)
            return stored

        async def claimed(
            connection: Connection, message: Message, *, expected_last: int
        ) -> Stored:
            run, unique = message.subject.split(".")[2], message.message_id
            assert unique is not None
            self.send(unique)
            stored = await publish(connection, message, expected_last=expected_last)
            self.acknowledge(run, unique, stored.seq)
            return stored

        with patch.object(sender, "submit", noted), patch.object(claim, "publish", claimed):
            yield
