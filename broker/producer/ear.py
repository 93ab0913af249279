"""Listening to one run: what comes live, what is read because it was missed, and their order."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from broker.producer.commands import Commands
from broker.producer.past import Past
from broker.stream.connection import Connection, Subscription
from broker.stream.headers import LAST_SEQUENCE, SEQUENCE, moment, number
from broker.stream.replay import read

BACK_OFF: Final = (0.02, 0.1, 0.5, 1.0)
"""Seconds before stored events are read again."""

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class Ear:
    """Listens to one run."""

    def __init__(
        self,
        read_stored: Callable[[Ear], None],
        subject: str,
        commands: Commands,
        run: object,
        attempt: int | None,
    ) -> None:
        self.subject = subject
        self.last = 0
        """The sequence up to which the run's events are known."""
        self.behind = False
        """Whether stored events are to be read; until then live ones tell only how far."""
        self.subscription: Subscription | None = None
        self.closing = False
        """Whether it was over at the last sweep."""
        self.closed = False
        self._read_stored = read_stored  # has `catch_up` called
        self._commands = commands
        self._run = weakref.ref(run)
        self._attempt = attempt
        self._own = b'"attempt":%d,' % attempt if attempt else b"{"
        self._past = Past()
        self._target = 0
        self._last_at = _NEVER
        self._renewed = False

    @property
    def over(self) -> bool:
        """Whether the run has ended, or the pipeline has forgotten it."""
        return self._commands.ended or self._run() is None

    def take(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        """One live message."""
        seq = number(headers, SEQUENCE) if headers else None
        if headers is None or seq is None or self.closed:
            return
        at = moment(headers)
        if seq <= self.last:
            self._renew_for(seq, at)
        elif self.behind or (number(headers, LAST_SEQUENCE) or 0) != self.last:
            self._target = max(self._target, seq)
            self._read_stored(self)
        else:
            self.last, self._last_at = seq, at
            if b'"command.' in data or (b'"attempt"' in data and self._own not in data):
                self._past.add(data, seq)
                self._deliver()

    def found(self, last: int, at: datetime) -> None:
        """The run's last stored event is `last`, of this time."""
        if last > self.last:
            self._read_stored(self)
        else:
            self._renew_for(last, at)

    async def catch_up(self, connection: Connection) -> None:
        """Read what is stored, up to the live messages. Raises StreamUnavailable."""
        for pause in BACK_OFF:
            if self._renewed:
                self._renewed, self.last, self._last_at = False, 0, _NEVER
            known = self.last  # read once more: another event there is of another stream
            async for page in read(connection, self.subject, max(known - 1, 0)):
                if known and (page[0].seq, page[0].stored_at) != (known, self._last_at):
                    self._renewed = True
                    break
                for record in page:
                    if record.seq > known:
                        self._past.add(record.payload, record.seq)
                known, self.last, self._last_at = 0, page[-1].seq, page[-1].stored_at
            if self.last >= self._target and not self._renewed:
                break
            await asyncio.sleep(pause)  # the server that answered is behind the one that sent
        self._target = self.last  # if that server is still behind, the next comparison shows it
        self.behind = False
        self._heed_the_end()
        self._deliver()

    def overtaken(self, attempt: int | None) -> None:
        """The run has come to this attempt."""
        if attempt is None or self._attempt is None or self.closed:
            return
        if attempt > self._attempt:
            self._commands.overtaken()

    def _renew_for(self, seq: int, at: datetime) -> None:
        """Read all again if this event shows that the stream was made anew.

        Sequences begin again then, and may have come just as far: an event that was stored later,
        but not behind the last known one, is of another stream. So is one in the place of the last
        known one, at another time: who leads the new stream may have a clock that is behind.
        """
        if at > self._last_at or (seq == self.last and at != self._last_at):
            self._renewed = True
            self._target = seq
            self._read_stored(self)

    def _heed_the_end(self) -> None:
        """Stop an attempt that the broker has cancelled itself, when nobody had begun it yet."""
        if self._attempt in self._past.ended and not (self._commands.ended or self.closed):
            command = self._past.cancels.get(self._past.attempt)
            if command is not None and self._attempt == self._past.attempt:
                self._commands.cancel(command)

    def _deliver(self) -> None:
        self.overtaken(self._past.attempt)
        for command in self._past.take(self._attempt):
            if not self.closed:
                self._commands.hear(command)
