"""Direct gets: reads that any server of a cluster answers, without its leader.

Whoever has a copy may answer, also one that is behind, or would if it were not frozen.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

import msgspec

from broker.errors import StreamUnavailable
from broker.stream.connection import REQUEST_TIMEOUT, Connection
from broker.stream.headers import status

PATIENCE: Final = (1.0, 1.0, 3.0)
"""Seconds that each request of a read has for the beginning of its answer."""

_DONE: Final = (204, 404)


async def direct_get(
    connection: Connection, stream: str, request: dict[str, Any]
) -> list[tuple[bytes, bytes]]:
    """Headers and payload of what answers a direct get, up to the server's word that this is all.

    Asked again where nothing comes: in a cluster the one that was asked may be frozen, and another
    one answers the next time. Raises StreamUnavailable.
    """
    begun = asyncio.Event()
    readings: list[_Reading] = []
    subject, payload = f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode(request)
    try:
        for patience in PATIENCE:
            readings.append(_Reading(connection, stream, begun))
            await connection.publish(subject, payload, reply=readings[-1].reply)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await begun.wait()
                break
        else:
            raise StreamUnavailable(f"read {stream}", f"no answer in {sum(PATIENCE):g} s")
        return await next(reading for reading in readings if reading.begun).rest()
    finally:
        for reading in readings:
            reading.forget()


class _Reading:
    """One request of a direct get, and what has come of it."""

    def __init__(self, connection: Connection, stream: str, begun: asyncio.Event) -> None:
        self.begun = False
        self._stream = stream
        self._any = begun
        self._found: list[tuple[bytes, bytes]] = []
        self._finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reply, self.forget = connection.expect(self._take)

    def _take(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        self.begun = True
        self._any.set()
        headers = headers or b"NATS/1.0\r\n\r\n"
        code = 0 if data else status(headers)
        if not code:
            self._found.append((headers, data))
        elif not self._finished.done():
            if code not in _DONE:
                text = headers[9 : headers.index(b"\r\n")].decode(errors="replace")
                self._finished.set_exception(StreamUnavailable(f"read {self._stream}", text))
                # Another reading may be the one that counts, and then nobody hears of this.
                self._finished.exception()
            else:
                self._finished.set_result(None)

    async def rest(self) -> list[tuple[bytes, bytes]]:
        """All of it, as long as it goes on."""
        progress = -1
        while not self._finished.done():
            if len(self._found) == progress:
                silence = f"no answer in {REQUEST_TIMEOUT:g} s"
                raise StreamUnavailable(f"read {self._stream}", silence)
            progress = len(self._found)
            await asyncio.wait([self._finished], timeout=REQUEST_TIMEOUT)
        self._finished.result()
        return self._found
