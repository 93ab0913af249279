"""Brings the commands for the runs of a producer, over the connection that it publishes with.

A run is listened to on its republished subject, where its own events come back, too. Each message
tells the sequence of the one before it, so a loss shows with the next; then, and after every
reconnect, the stored events are read. All last sequences are compared every few seconds, for the
loss of a last message shows with nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from broker.errors import StreamUnavailable
from broker.producer.commands import Commands
from broker.producer.ear import BACK_OFF, Ear
from broker.producer.spool import Spool
from broker.stream.connection import Connection, Subscription
from broker.stream.replay import last_stored

SWEEP: Final = 5.0
"""Seconds between two comparisons, and for which a run that has ended is listened to."""


class Listener:
    """Every ear of a producer."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._connection: Connection | None = None
        self._ears: dict[str, Ear] = {}
        self._deaf: dict[Ear, None] = {}
        self._closing: list[Subscription] = []
        self._behind: dict[Ear, None] = {}
        self._woken = asyncio.Event()
        self._to_read = asyncio.Event()
        self._reading: asyncio.Timeout | None = None
        self._tasks: asyncio.TaskGroup | None = None

    def use(self, connection: Connection) -> None:
        """Listen over this connection, when and as often as it is up."""
        self._connection = connection
        connection.on_reconnect(self._read_all)
        for ear in self._ears.values():
            self._deaf[ear] = None
        self._read_all()

    def listen(
        self, run: object, subject: str, commands: Commands, attempt: int | None, *, fresh: bool
    ) -> None:
        """Bring a run its commands; a `fresh` one has none stored. From any thread."""

        def begin() -> None:
            if (before := self._ears.get(subject)) is not None:
                before.overtaken(attempt)
                self._close(before)
            ear = self._ears[subject] = Ear(self.read, subject, commands, run, attempt)
            self._deaf[ear] = None
            if not fresh:
                self.read(ear)
            self._woken.set()

        self._spool.on_loop(begin)

    def close(self) -> None:
        """Bring no command any more: there is nobody to answer it."""
        for ear in list(self._ears.values()):
            self._close(ear)

    def read(self, ear: Ear) -> None:
        """Have what is stored of a run read."""
        ear.behind = True
        self._behind[ear] = None
        self._to_read.set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task that ends with this."""
        if self._tasks is None:
            work.close()
        else:
            self._tasks.create_task(work)

    async def run(self) -> None:
        """Listen until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._read_forever())
            loop = asyncio.get_running_loop()
            sweep_at = loop.time() + SWEEP
            try:
                while True:
                    try:
                        async with asyncio.timeout_at(sweep_at):
                            await self._woken.wait()
                    except TimeoutError:
                        sweep_at = loop.time() + SWEEP
                        self._sweep()
                    self._woken.clear()
                    await self._quietly(self._subscribe())
            finally:
                self._tasks = None

    async def _subscribe(self) -> None:
        connection = self._connection
        if connection is None or not connection.connected:
            return
        while self._deaf:
            ear = next(iter(self._deaf))
            ear.subscription = await connection.subscribe(f"live.{ear.subject}", ear.take)
            del self._deaf[ear]
            if self._ears.get(ear.subject) is not ear:
                self._closing.append(ear.subscription)
        while self._closing:
            await self._closing.pop().close()

    async def _read_forever(self) -> None:
        while True:
            await self._to_read.wait()
            self._to_read.clear()
            failures = 0
            while self._behind and self._connection is not None and self._connection.connected:
                if await self._quietly(self._read_behind(self._connection)):
                    failures = 0
                else:
                    await asyncio.sleep(BACK_OFF[min(failures, len(BACK_OFF) - 1)])
                    failures += 1

    async def _read_behind(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(None) as self._reading:
                while self._behind:
                    ear = next(iter(self._behind))
                    await ear.catch_up(connection)
                    self._behind.pop(ear, None)
        except TimeoutError:
            raise StreamUnavailable("read commands", "the connection was lost") from None
        finally:
            self._reading = None

    def _read_all(self) -> None:
        """Read again, at once: what was asked for on the lost connection will not come."""
        for ear in self._ears.values():
            self.read(ear)
        if self._reading is not None:
            self._reading.reschedule(asyncio.get_running_loop().time())
        self._woken.set()

    def _sweep(self) -> None:
        for ear in list(self._ears.values()):
            if ear.closing:  # it was listened to a while longer, for commands that came too late
                self._close(ear)
            ear.closing = ear.over
        self.spawn(self._compare())

    async def _compare(self) -> None:
        connection = self._connection
        if self._ears and connection is not None and connection.connected:
            await self._quietly(self._compare_over(connection))

    async def _compare_over(self, connection: Connection) -> None:
        for subject, (last, at) in (await last_stored(connection, list(self._ears))).items():
            if (ear := self._ears.get(subject)) is not None:
                ear.found(last, at)

    def _close(self, ear: Ear) -> None:
        ear.closed = True
        del self._ears[ear.subject]
        self._behind.pop(ear, None)
        if ear.subscription is not None:
            self._closing.append(ear.subscription)

    async def _quietly(self, work: Coroutine[Any, Any, None]) -> bool:
        """Whether it went well; a fault here must not end the pipeline."""
        try:
            await work
        except StreamUnavailable:
            return False
        except Exception as error:
            self._spool.warn(("listening", type(error)), "commands are not heard", cause=error)
            return False
        return True
