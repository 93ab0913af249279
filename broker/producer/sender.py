"""The task that publishes: in order, many in flight, until each event is acknowledged.

After any fault everything that is not acknowledged is sent again, in order and with the same ids,
first one alone, then more at once. The server forgets an id after two minutes. So when the oldest
of these events was sent longer ago, what is stored is read, and not sent again.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from broker.errors import MalformedEvent, StreamUnavailable, TooLarge
from broker.model.decode import decode
from broker.producer.alarm import Alarm
from broker.producer.flight import Acknowledged, Flight
from broker.producer.outbox import Entry, Lane
from broker.producer.spool import Spool
from broker.stream.addresses import masked
from broker.stream.connection import Connection
from broker.stream.publish import Message, submit
from broker.stream.replay import read

REMEMBERED: Final = 90.0
"""Seconds for which the server surely knows a message id; its window is two minutes."""

HEADERS: Final = 1024
"""Bytes set aside for the headers of a message."""

PAUSES: Final = (0.25, 0.5, 1.0)


class Sender:
    """Publishes what waits in a spool."""

    def __init__(
        self,
        spool: Spool,
        url: str,
        *,
        name: str,
        options: Mapping[str, Any],
        share: Callable[[Connection], None],
    ) -> None:
        self.where = masked(url)
        self._spool = spool
        self._url = url
        self._name = name
        self._options = options
        self._share = share  # told of each connection, for others to use
        self._settled = asyncio.Event()
        self._up = False
        self._losses = 0
        self._failures = 0
        self._alarm = Alarm(self.where)

    async def run(self) -> None:
        """Publish until cancelled."""
        self._alarm.trouble("it does not answer")
        try:
            while True:
                try:
                    async with Connection.connect(
                        self._url,
                        name=self._name,
                        on_change=self._changed,
                        forever=True,
                        **self._options,
                    ) as connection:
                        self._share(connection)
                        await self._serve(connection)
                except StreamUnavailable as error:
                    self._alarm.trouble(str(error))
                except Exception as error:  # a fault here must not end the pipeline
                    self._spool.warn(
                        ("fault", type(error)), "publishing failed and is tried again", cause=error
                    )
                await self._pause()
        finally:
            self._alarm.hush()

    async def caught_up(self) -> None:
        """Wait until everything that was put into the spool so far is stored."""
        outbox = self._spool.outbox
        newest = outbox.newest
        while outbox.oldest <= newest:
            self._settled.clear()
            await self._settled.wait()

    async def _serve(self, connection: Connection) -> None:
        while True:
            while not self._up:
                if connection.closed:
                    raise StreamUnavailable("publish", "the server has closed the connection")
                await self._spool.bell()
            try:
                await self._forget_stored(connection)
                await self._send(connection)
            except StreamUnavailable as error:
                self._alarm.trouble(str(error))
            if self._up:
                await self._pause()

    async def _send(self, connection: Connection) -> None:
        """Send what waits, for ever. Raises StreamUnavailable at the first fault."""
        losses = self._losses
        flight = Flight(asyncio.get_running_loop().time, self._spool.ring)
        send = partial(self._submit, connection)
        try:
            while True:
                if self._losses != losses:
                    raise StreamUnavailable("publish", "the connection was lost")
                for entry, acknowledged in flight.landed():
                    self._take(entry, acknowledged)
                while connection.connected and flight.open:
                    following = self._next()
                    if following is None:
                        break
                    try:
                        flight.add(following, await send(following))
                    except TooLarge as error:
                        self._give_up(following, error)
                try:
                    async with asyncio.timeout_at(flight.due):
                        await self._spool.bell()
                except TimeoutError:
                    if self._age(flight.flying[0][0]) >= REMEMBERED:  # this machine has slept
                        raise StreamUnavailable("publish", "it was sent too long ago") from None
                    await flight.repeat(send)
        finally:
            self._land(flight.flying)

    def _next(self) -> Entry | None:
        spool = self._spool
        with spool.lock:
            entry = spool.outbox.take()
        if entry is not None and entry.sent_at is None:
            entry.sent_at = (spool.monotonic(), spool.now().timestamp())
        return entry

    async def _submit(self, connection: Connection, entry: Entry) -> Acknowledged:
        if len(entry.payload) + HEADERS > connection.largest:
            raise TooLarge("an event", connection.largest - HEADERS)
        message = Message(entry.lane.subject, entry.payload, entry.id)
        return await submit(connection, message)

    def _take(self, entry: Entry, acknowledged: Acknowledged) -> None:
        """Settle an entry by its acknowledgement. Raises StreamUnavailable where it was refused."""
        try:
            stored = acknowledged.result()
        except TooLarge as error:
            self._give_up(entry, error)
        else:
            entry.lane.seq = max(entry.lane.seq, stored.seq)
            self._settle(entry)
        self._failures = 0
        self._alarm.well()

    def _give_up(self, entry: Entry, error: TooLarge) -> None:
        with self._spool.lock:
            self._spool.outbox.dropped[entry.kind] += 1
        self._spool.warn("too large", "an event of %s is dropped: %s", entry.lane.subject, error)
        self._settle(entry)

    def _settle(self, entry: Entry) -> None:
        with self._spool.lock:
            self._spool.outbox.settle(entry)
        self._settled.set()

    def _land(self, flying: Iterable[tuple[Entry, Acknowledged]]) -> None:
        """Let everything wait again that is not acknowledged."""
        for entry, acknowledged in flying:
            if not acknowledged.done():
                acknowledged.cancel()
            elif not acknowledged.cancelled() and acknowledged.exception() is None:
                # The lane's sequence stays: of an earlier entry nobody knows whether it is stored.
                self._settle(entry)
        with self._spool.lock:
            self._spool.outbox.rewind()

    async def _forget_stored(self, connection: Connection) -> None:
        """Settle what is stored of the events whose ids the server may have forgotten."""
        spool = self._spool
        with spool.lock:
            unsure = list(spool.outbox.sent_before())
        if not unsure or self._age(unsure[0]) < REMEMBERED:
            return
        lanes: dict[Lane, list[Entry]] = {}
        for entry in unsure:
            lanes.setdefault(entry.lane, []).append(entry)
        for lane, entries in lanes.items():
            stored: set[str | None] = set()
            async for page in read(connection, lane.subject, lane.seq, stream=lane.stream):
                stored.update(_id_of(record.payload) for record in page)
            for entry in entries:
                if entry.id in stored:
                    self._settle(entry)
        for entry in unsure:  # those that are left will be sent as for the first time
            entry.sent_at = None

    def _age(self, entry: Entry) -> float:
        """Seconds since it was first sent; the monotonic clock may sleep, the other be set."""
        assert entry.sent_at is not None
        monotonic, wall = entry.sent_at
        return max(self._spool.monotonic() - monotonic, self._spool.now().timestamp() - wall)

    def _changed(self, up: bool) -> None:
        self._up = up
        if up:
            self._alarm.hush()
        else:
            self._losses += 1
            self._alarm.trouble("the connection was lost")
        self._spool.ring()

    async def _pause(self) -> None:
        self._failures += 1
        await asyncio.sleep(PAUSES[min(self._failures, len(PAUSES)) - 1])


def _id_of(payload: bytes) -> str | None:
    try:
        return decode(payload).id
    except MalformedEvent:
        return None
