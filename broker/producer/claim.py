"""Beginning an attempt: of all workers that were given its request, one does.

Its `run.started` is stored on condition that the run has got no event since it was read, so that
whatever came meanwhile is seen first: another worker's beginning, an end, a command to cancel.
"""

import asyncio
from typing import Final

from broker.errors import StreamUnavailable, Superseded
from broker.model.subjects import RunKey
from broker.producer.outbox import Entry
from broker.producer.past import Past
from broker.producer.run import Run
from broker.producer.sender import HEADERS
from broker.producer.spool import log
from broker.stream.connection import Connection
from broker.stream.publish import Message, publish
from broker.stream.replay import read

_AGAIN: Final = 0.5
"""Seconds until NATS is asked again that did not answer."""
_LAG: Final = 0.05
"""Seconds until what was stored meanwhile is read: a server that answers may be behind."""


async def past_of(connection: Connection, key: RunKey) -> Past:
    """What is stored of a run, however long NATS is away."""
    while True:
        past = Past()
        try:
            async for page in read(connection, key.subject, 0):
                for record in page:
                    past.add(record.payload, record.seq)
        except StreamUnavailable as error:
            log.info("reading run %s again: %s", key.run, error)
            await asyncio.sleep(_AGAIN)
        else:
            return past


async def begun(connection: Connection, run: Run, event: Entry | None, past: Past) -> bool:
    """Begin an attempt by its announcement, however long NATS is away.

    False where something was stored behind the `past`: then that is to be judged first.
    """
    if event is None or len(event.payload) + HEADERS > connection.largest:
        run.start()  # what cannot be stored is no reason not to work, and is said by that
        return True
    message = Message(event.lane.subject, event.payload, event.id)
    while event.id not in past.begun.values():
        try:
            stored = await publish(connection, message, expected_last=past.last)
            if not stored.duplicate:
                break
            await asyncio.sleep(_LAG)  # stored before, on a condition that may no longer hold
            return False
        except Superseded:
            await asyncio.sleep(_LAG)
            return False
        except StreamUnavailable as error:
            log.info("run %s waits to begin: %s", run.id, error)
            await asyncio.sleep(_AGAIN)
    run.begin()
    return True
