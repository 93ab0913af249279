"""Messages of dialects that were sent by NATS: read, stored as events, and only then settled.

What cannot be read goes to DEADLETTER with the reason. While NATS, or what a judgement needs, is
away, nothing is settled and nothing is lost: it is tried again, with longer and longer pauses.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, NamedTuple

from broker.dialects.said import Dialect
from broker.dialects.table import dialect_of
from broker.errors import BrokerError, StreamUnavailable
from broker.gateway.foreign.heard import Heard, addressed, read
from broker.gateway.foreign.translator import Translator
from broker.logs import Failures, about
from broker.metrics import Metrics
from broker.model import subjects
from broker.model.ids import id_of
from broker.model.subjects import RunKey
from broker.stream.connection import Connection
from broker.stream.deadletter import copy
from broker.stream.foreign import Foreign, ForeignMessages
from broker.stream.publish import publish_all
from broker.stream.topology import DIALECTS

log = logging.getLogger(__name__)

PAUSES: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Seconds after a failure until the next try; the last one again and again."""

_RUNS: Final = 16
"""Runs whose messages are translated at a time."""


class _Read(NamedTuple):
    """A message of a run, as it came and as it was read."""

    foreign: Foreign
    heard: Heard


class ForeignReader:
    """This gateway's reader. Made by `running`."""

    def __init__(
        self,
        messages: ForeignMessages,
        translator: Translator,
        writes: Connection,
        *,
        dialects: Mapping[str, Dialect],
        metrics: Metrics,
        verify_soon: Callable[[], None],
    ) -> None:
        """`verify_soon` has somebody make sure that the streams are there."""
        self._messages = messages
        self._translator = translator
        self._writes = writes
        self._dialects = dialects
        self._metrics = metrics
        self._verify_soon = verify_soon

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read as long as the block; what is not settled then others get."""
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read_forever())
            try:
                yield
            finally:
                reading.cancel()
        await self._messages.close()

    async def _read_forever(self) -> None:
        failures = 0
        told = Failures(log)
        while True:
            try:
                await self._messages.open()
                while True:
                    taken = await self._messages.take()
                    if taken:
                        await self._translate(taken)
                    failures = 0
            except BrokerError as error:
                told.tell("messages of dialects wait", error)
                if isinstance(error, StreamUnavailable):
                    self._verify_soon()
            except Exception:  # a fault of ours: nothing is settled, and it is tried again
                log.exception("messages of dialects wait", extra=about("dialects_failed"))
            await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
            failures += 1

    async def _translate(self, taken: Sequence[Foreign]) -> None:
        """Store what messages stand for, and settle them; raises the first failure."""
        unsettled = {message.cursor.seq: message for message in taken}

        async def settle(messages: Sequence[Foreign]) -> None:
            await self._messages.acknowledge(messages)
            for message in messages:
                del unsettled[message.cursor.seq]

        turns = asyncio.Semaphore(_RUNS)

        async def store(key: RunKey, messages: Sequence[_Read]) -> None:
            async with turns:
                await self._store(key, messages)
                await settle([message.foreign for message in messages])

        runs: defaultdict[RunKey, list[_Read]] = defaultdict(list)
        refused: list[tuple[Foreign, BrokerError]] = []
        for message in taken:
            try:
                key, heard = self._heard(message)
            except BrokerError as error:
                refused.append((message, error))
            else:
                runs[key].append(_Read(message, heard))
        try:
            await self._refuse(refused)
            await settle([message for message, _ in refused])
            done = await asyncio.gather(
                *(store(key, messages) for key, messages in runs.items()), return_exceptions=True
            )
            for outcome in done:
                if outcome is not None:
                    raise outcome
        finally:
            if unsettled:
                with suppress(BrokerError):
                    await self._messages.give_back(unsettled.values())

    def _heard(self, message: Foreign) -> tuple[RunKey, Heard]:
        """Read a message. Raises what is wrong with it."""
        name, key = subjects.dialect_of(message.subject.decode(errors="replace"))
        said = read(dialect_of(name, self._dialects), message.payload)
        addressed(said, key)
        id = id_of("dialect", message.cursor.epoch, str(message.cursor.seq))
        return key, Heard(said, id, message.stored_at if message.again else None)

    async def _store(self, key: RunKey, messages: Sequence[_Read]) -> None:
        plan = await self._translator.plan(key, [message.heard for message in messages])
        translated = await self._translator.store(plan, whole=False)
        refused = translated.refused
        await self._refuse([(messages[at].foreign, error) for at, error in refused.items()])
        for at, message in enumerate(messages):
            if at not in refused:
                self._count(message.foreign, "stored")

    async def _refuse(self, refused: Sequence[tuple[Foreign, BrokerError]]) -> None:
        """Keep what cannot be translated where somebody may find it."""
        await publish_all(
            self._writes,
            [
                copy(m.subject, m.payload, m.cursor, str(error), stream=DIALECTS)
                for m, error in refused
            ],
        )
        for message, error in refused:
            subject = message.subject.decode(errors="replace")
            more = about("dialect_messages", outcome="refused", subject=subject)
            log.info("%s: refused: %s", subject, error, extra=more)
            self._count(message, "refused")

    def _count(self, message: Foreign, outcome: str) -> None:
        """Count by the dialects there are: a subject may name any."""
        name = message.subject.split(b".")[1].decode(errors="replace")
        known = name if name in self._dialects else "unknown"
        self._metrics.dialect_messages.labels(known, outcome).inc()
