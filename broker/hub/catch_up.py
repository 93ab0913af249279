"""Serving a client from the stream what the hub's memory no longer holds, until it can join."""

import asyncio
from typing import Final

from broker.hub.limits import RegistryLimits
from broker.hub.ports import Source
from broker.hub.ring import keep_newest
from broker.hub.run_hub import RunHub
from broker.hub.subscriber import Subscriber
from broker.model.record import Record

_AGAIN: Final = (0.05, 0.25, 1.0)
"""Seconds before records are asked for again that a server of a cluster may not have yet."""


class CatchUps:
    """As many clients at a time as the limits allow."""

    def __init__(self, source: Source, limits: RegistryLimits) -> None:
        self._source = source
        self._memory = limits.hub
        self._places = asyncio.Semaphore(limits.catch_ups)

    async def bring(self, hub: RunHub, client: Subscriber) -> None:
        """Write a client what it missed, page by page, as fast as it reads; then let it join.

        The hub remembers it, so that whoever comes next with such a cursor need not read it too.
        Raises StreamUnavailable.
        """
        after, found = client.cursor, list[Record]()
        tries = 0
        async with self._places:
            if not await client.drained():
                return
            while not hub.catch_up(client):
                begin, floor = client.cursor, hub.records.floor
                async for page in self._source.read(hub.key, begin):
                    if client.closing_at is not None:
                        return
                    ahead = page[-1].seq > hub.seq
                    if ahead:  # the rest comes by the hub, or is read again
                        page = [record for record in page if record.seq <= hub.seq]
                        if not page:  # and so nothing up to where memory began either
                            client.cursor = max(client.cursor, floor)
                            break
                    hub.send(client, page)
                    client.cursor = page[-1].seq
                    found += page
                    after = keep_newest(
                        found,
                        after,
                        max_entries=self._memory.ring_records,
                        max_bytes=self._memory.ring_bytes,
                    )
                    if not await client.drained():
                        return
                    if ahead:
                        break
                if client.cursor > begin:
                    continue
                if tries == len(_AGAIN):  # they have expired; the hub began after them
                    client.cursor = floor
                    continue
                await asyncio.sleep(_AGAIN[tries])
                tries += 1
            if client.cursor >= hub.records.floor:
                hub.recall(after, found)
