"""nats-py's client, with a short way for messages and a longer breath.

The one place that leans on nats-py's internals; `tests/stream/test_connection.py` pins what it
needs.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from nats.aio.client import PING_PROTO, Client
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError, Error
from nats.protocol.parser import PERMISSIONS_ERR

from broker.logs import Failures

__all__ = ["PERMISSIONS_ERR", "Handler", "RawClient"]

log = logging.getLogger(__name__)

Handler = Callable[[bytes, bytes, bytes, bytes | None], None]
"""Called with subject, reply, payload and raw headers (None without). What it raises is logged: its
message is as good as lost."""

CLOSING: Final = 1.0
"""Seconds that a server has to take what is still to be written when a connection is closed."""


class RawClient(Client):
    """nats-py's client with a short way for messages of our own subscriptions."""

    def __init__(self) -> None:
        super().__init__()
        self.handlers: dict[int, Handler] = {}
        self._failures = Failures(log)

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        self._pings_outstanding = 0  # a pong waits behind all that the server had to send before
        handler = self.handlers.get(sid)
        if handler is None:
            await super()._process_msg(sid, subject, reply, data, headers or b"")
        else:
            try:
                handler(subject, reply, data, headers)
            except Exception as error:  # anybody may publish; nats-py would read no more after it
                self._failures.tell("taking a message of NATS", error, logging.WARNING)

    async def listen(self, subject: str, handler: Handler) -> int:
        """Subscribe; the subscription survives reconnects like nats-py's own."""
        if self.is_closed:
            raise ConnectionClosedError
        self._sid += 1
        sid: int = self._sid
        subscription = Subscription(self, sid, subject)
        self._subs[sid] = subscription
        self.handlers[sid] = handler
        await self._send_subscribe(subscription)
        return sid

    async def _process_err(self, err_msg: str) -> None:
        """What the server says about one message, or before it ends the connection.

        nats-py would then give the connection up for good. A server that is asked again may take
        it: the user is known once more, or there are fewer connections.
        """
        if PERMISSIONS_ERR in err_msg:
            await super()._process_err(err_msg)
        else:
            error = Error(f"nats: {err_msg}")
            await self._error_cb(error)
            await self._process_op_err(error)

    async def _send_ping(self, future: asyncio.Future[bool] | None = None) -> None:
        """Behind what is still to be sent, as its answer tells that all that has arrived.

        nats-py sends it ahead of that: a subscription that was flushed was not there yet.
        """
        self._pongs.append(future or asyncio.get_running_loop().create_future())
        await self._send_command(PING_PROTO)
        await self._flush_pending()

    async def _process_pong(self) -> None:
        """nats-py reads no more after an answer that nobody waits for, of a flush cancelled."""
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        """nats-py would send the password in the clear where `tls://` is asked for in vain."""
        await super()._process_info(info, initial_connection=initial_connection)
        server = self._current_server
        asked = initial_connection and server is not None and server.uri.scheme == "tls"
        if asked and not info.get("tls_required"):
            self._hang_up()
            raise Error("nats: tls:// is asked for, and the server speaks without TLS")

    async def _process_connect_init(self) -> None:
        await super()._process_connect_init()
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None and writer.get_extra_info("ssl_object") is not None:
            # asyncio is not told that the stream was upgraded, and warns of it at each end.
            writer.transport.get_protocol()._over_ssl = True

    def pause(self, seconds: float) -> None:
        """Wait so long before a server is tried again."""
        self.options["reconnect_time_wait"] = seconds

    async def unlisten(self, sid: int, *, hear_out: bool = False) -> None:
        """Unsubscribe; with `hear_out` the handler gets what is on its way, for a short while."""
        if not hear_out:
            self.handlers.pop(sid, None)
        try:
            if self._subs.pop(sid, None) is not None and self.is_connected:
                await self._send_unsubscribe(sid)
                if hear_out:
                    async with asyncio.timeout(CLOSING):
                        await self.flush()
        finally:
            self.handlers.pop(sid, None)

    async def close(self) -> None:
        """Close; what was not sent while the connection was lost cannot be any more."""
        if not self.is_connected:
            self.forget_unsent()
        try:
            async with asyncio.timeout(CLOSING):
                await super().close()
        except TimeoutError:
            self._hang_up()

    async def _attempt_reconnect(self) -> None:
        """nats-py waits until all is written; who is frozen, or cut off, never reads it."""
        self._hang_up()
        await super()._attempt_reconnect()

    def _hang_up(self) -> None:
        """Drop the connection with what is still to be written."""
        writer = getattr(self._transport, "_io_writer", None)  # a WebSocket has none
        if writer is None:
            return
        transport = writer.transport
        # What asyncio flushed and closed, it would close once more.
        if transport.get_write_buffer_size() or not transport.is_closing():
            transport.abort()

    def forget_unsent(self) -> None:
        """Drop what was not written before the connection was lost.

        nats-py would write it after the reconnect, ahead of the lost messages before it that
        their publisher sends again.
        """
        self._pending = []
        self._pending_data_size = 0

    async def send(self, commands: bytes) -> None:
        """Send protocol lines as they are, in one piece."""
        await self._send_command(commands)
        await self._flush_pending()
