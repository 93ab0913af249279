"""Taking a socket over from aiohttp, so that a waiting client costs a socket and nothing more.

Once the headers are sent, aiohttp's parser, request, response and tasks have nothing left to do for
a stream. `hand_over` gives the transport to a protocol of ours and tells aiohttp that its
connection is gone. This leans on `RequestHandler.transport` and `connection_lost`, and on nothing
else; `tests/gateway/test_sinks.py` pins it.
"""

import asyncio
from collections.abc import Callable

from aiohttp import web

from broker.hub.subscriber import Subscriber


class StreamSink(asyncio.Protocol):
    """The protocol of a handed-over socket: it only writes, and tells the client's state."""

    __slots__ = ("_now", "_transport", "client", "on_close", "write")

    def __init__(self, transport: asyncio.Transport, now: Callable[[], float]) -> None:
        self._transport = transport
        self._now = now
        self.write = transport.write
        self.client: Subscriber | None = None
        self.on_close: Callable[[str], None] | None = None
        """Called with why the stream ended."""

    def pending(self) -> int:
        """Bytes that the socket has not taken."""
        return self._transport.get_write_buffer_size()

    def close(self) -> None:
        """Close once everything written is sent."""
        self._transport.close()

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()

    def pause_writing(self) -> None:
        if self.client is not None:
            self.client.hold(self._now())

    def resume_writing(self) -> None:
        if self.client is not None:
            self.client.resume()

    def data_received(self, data: bytes) -> None:
        """What a client sends into a running stream is of no interest."""

    def connection_lost(self, exc: Exception | None) -> None:
        client, self.client = self.client, None
        if client is not None:
            client.gone()
        if self.on_close is not None:
            self.on_close("client" if client is None else client.ended_by)


def hand_over(request: web.Request, *, high_water: int, now: Callable[[], float]) -> StreamSink:
    """Take over the socket of a request whose response headers are sent.

    Raises ConnectionResetError where the client has gone meanwhile.
    """
    transport = transport_of(request)
    sink = StreamSink(transport, now)
    release(request, transport, sink, high_water=high_water)
    return sink


def transport_of(request: web.Request) -> asyncio.Transport:
    """The connection of a request. Raises ConnectionResetError where the client has gone."""
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client has gone")
    return transport


def release(
    request: web.Request,
    transport: asyncio.Transport,
    protocol: asyncio.Protocol,
    *,
    high_water: int,
) -> None:
    """Give the connection to a protocol of ours; to aiohttp it is gone."""
    transport.set_write_buffer_limits(high=high_water, low=high_water // 4)
    transport.set_protocol(protocol)
    handler = request.protocol
    handler.transport = None
    handler.connection_lost(None)
