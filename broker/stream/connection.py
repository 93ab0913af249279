"""A connection to NATS whose messages come as plain calls, and whose errors are ours.

nats-py gives each subscription a queue and a task, and each message an object with parsed
headers. A replay of 100,000 events and a gateway with thousands of runs need neither: a subscriber
here is a function that is called with the bytes. `_Client` is the one place that leans on nats-py's
internals; `tests/stream/test_connection.py` pins what it needs.
"""

import asyncio
import itertools
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self
from urllib.parse import urlsplit

from nats.aio.client import Client
from nats.aio.subscription import Subscription as NatsSubscription
from nats.errors import ConnectionClosedError, Error, NoServersError, OutboundBufferLimitError

from broker.errors import StreamUnavailable

log = logging.getLogger(__name__)

Handler = Callable[[bytes, bytes, bytes, bytes | None], None]
"""Called with subject, reply, payload and raw headers (None without). Must not raise."""

REQUEST_TIMEOUT: Final = 5.0

# Seconds between two tries; annotated as an integer in nats-py, and slept as it is.
_RECONNECT: Final[Any] = 0.25
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class _Client(Client):
    """nats-py's client with a short way for messages of our own subscriptions."""

    def __init__(self) -> None:
        super().__init__()
        self.handlers: dict[int, Handler] = {}

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        handler = self.handlers.get(sid)
        if handler is None:
            await super()._process_msg(sid, subject, reply, data, headers or b"")
        else:
            handler(subject, reply, data, headers)

    async def listen(self, subject: str, handler: Handler) -> int:
        """Subscribe; the subscription survives reconnects like nats-py's own."""
        if self.is_closed:
            raise ConnectionClosedError
        self._sid += 1
        sid: int = self._sid
        subscription = NatsSubscription(self, sid, subject)
        self._subs[sid] = subscription
        self.handlers[sid] = handler
        await self._send_subscribe(subscription)
        return sid

    async def unlisten(self, sid: int) -> None:
        self.handlers.pop(sid, None)
        if self._subs.pop(sid, None) is not None and self.is_connected:
            await self._send_unsubscribe(sid)

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


def _inbox_of(url: str) -> bytes:
    """Where answers come: below the user's own name, so that a server can keep others away."""
    first = urlsplit(url.split(",")[0])
    user = first.username if first.password else None  # alone it is a token, and secret
    return b"_INBOX" if user is None or not _NAME.fullmatch(user) else b"_INBOX." + user.encode()


class Subscription:
    """An open subscription."""

    __slots__ = ("_client", "_sid")

    def __init__(self, client: _Client, sid: int) -> None:
        self._client = client
        self._sid = sid

    async def close(self) -> None:
        """Unsubscribe; harmless when the connection is gone."""
        with suppress(Error, OSError):
            await self._client.unlisten(self._sid)


class Connection:
    """One connection to NATS. Made by `connect`."""

    def __init__(self, client: _Client) -> None:
        self._client = client
        self._inbox: str = client.new_inbox()
        self._tokens = itertools.count(1)
        self._waiting: dict[bytes, Handler] = {}
        self._reconnected: list[Callable[[], None]] = []
        self._prefix_length = len(self._inbox) + 1

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        url: str,
        *,
        name: str,
        on_change: Callable[[bool], None] | None = None,
        forever: bool = False,
        **options: Any,
    ) -> AsyncIterator[Self]:
        """Connect, and reconnect for ever. `on_change` hears of each loss and return.

        Raises StreamUnavailable where no server answers at first, unless `forever` waits for one.
        """
        client = _Client()
        changed = on_change or (lambda connected: None)

        async def lost() -> None:
            client.forget_unsent()
            changed(False)

        async def returned() -> None:
            changed(True)
            for call in connection._reconnected:
                call()

        heard: list[Exception] = []

        async def failed(error: Exception) -> None:
            heard[:] = [error]
            log.debug("nats: %r", error)

        connecting = client.connect(
            servers=url.split(","),
            name=name,
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=_RECONNECT,
            ping_interval=20,
            max_outstanding_pings=2,
            disconnected_cb=lost,
            reconnected_cb=returned,
            error_cb=failed,
            inbox_prefix=_inbox_of(url),
            **options,
        )
        try:
            await (connecting if forever else asyncio.wait_for(connecting, REQUEST_TIMEOUT))
        except (Error, OSError, TimeoutError) as error:
            with suppress(Exception):
                await client.close()
            # Where it was tried until there was no time left, the last refusal tells more.
            why = heard[-1] if isinstance(error, TimeoutError) and heard else error
            raise StreamUnavailable(f"connect to NATS at {masked(url)}", _text(why)) from error
        connection = cls(client)
        await client.listen(f"{connection._inbox}.*", connection._answered)
        changed(True)
        try:
            yield connection
        finally:
            with suppress(Error, OSError, TimeoutError):
                await client.close()

    @property
    def connected(self) -> bool:
        """Whether the connection is up now."""
        return bool(self._client.is_connected)

    @property
    def closed(self) -> bool:
        """Whether it is over for good, for instance because the server refused the user."""
        return bool(self._client.is_closed)

    @property
    def largest(self) -> int:
        """The bytes that the server takes as one message, headers included."""
        return int(self._client.max_payload)

    def on_reconnect(self, call: Callable[[], None]) -> None:
        """Have `call` called after each return of the connection."""
        self._reconnected.append(call)

    async def subscribe(self, subject: str, handler: Handler) -> Subscription:
        """Have `handler` called with every message of a subject."""
        with translated("subscribe"):
            return Subscription(self._client, await self._client.listen(subject, handler))

    async def publish(
        self,
        subject: str,
        payload: bytes,
        *,
        reply: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        """Send one message; nothing tells whether anyone got it."""
        with translated("publish"):
            await self._client.publish(subject, payload, reply=reply, headers=headers)

    async def send(self, commands: bytes) -> None:
        """Send ready protocol lines."""
        with translated("publish"):
            await self._client.send(commands)

    async def flush(self) -> None:
        """Wait until the server has seen what was sent."""
        task = asyncio.current_task()
        before = 0 if task is None else task.cancelling()
        with translated("flush"):
            await self._client.flush(timeout=int(REQUEST_TIMEOUT))
        if task is not None and task.cancelling() > before:
            # Before Python 3.12 `wait_for`, which nats-py uses, loses a cancellation that comes
            # with the answer.
            raise asyncio.CancelledError

    def new_inbox(self) -> str:
        """A subject of this connection's own, to subscribe to."""
        return str(self._client.new_inbox())

    def expect(self, handler: Handler) -> tuple[str, Callable[[], None]]:
        """A reply subject whose answers go to `handler`, and how to stop listening to it."""
        token = str(next(self._tokens))
        key = token.encode()
        self._waiting[key] = handler
        return f"{self._inbox}.{token}", lambda: self._waiting.pop(key, None) and None

    async def request(
        self, subject: str, payload: bytes, *, patience: float = REQUEST_TIMEOUT
    ) -> bytes:
        """Send a request and wait for its one answer. Raises StreamUnavailable."""
        return (await self.ask(subject, payload, patience=patience))[1]

    async def ask(
        self, subject: str, payload: bytes, *, patience: float = REQUEST_TIMEOUT
    ) -> tuple[bytes, bytes]:
        """As `request`, with the headers of the answer as they came, before its payload."""
        answer: asyncio.Future[tuple[bytes, bytes]] = asyncio.get_running_loop().create_future()

        def take(subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
            if answer.done():
                return
            if headers is not None and headers.startswith(b"NATS/1.0 503"):
                answer.set_exception(StreamUnavailable("request", "nobody answers there"))
            else:
                answer.set_result((headers or b"", data))

        reply, forget = self.expect(take)
        try:
            await self.publish(subject, payload, reply=reply)
            async with asyncio.timeout(patience):
                return await answer
        except TimeoutError:
            raise StreamUnavailable(f"request {subject}", f"no answer in {patience:g} s") from None
        finally:
            forget()

    def _answered(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        handler = self._waiting.get(subject[self._prefix_length :])
        if handler is not None:
            handler(subject, reply, data, headers)


class translated:  # noqa: N801 - reads as a word of the `with` statement
    """Turn errors of nats-py into StreamUnavailable."""

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(
            error,
            Error | ConnectionClosedError | NoServersError | OutboundBufferLimitError | OSError,
        ):
            raise StreamUnavailable(self._doing, _text(error)) from error


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__


def masked(url: str) -> str:
    """The URL without user and password."""
    return ",".join(
        part.split("@")[-1] if "@" not in part else "nats://***@" + part.rsplit("@", 1)[1]
        for part in url.split(",")
    )
