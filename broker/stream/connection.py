"""A connection to NATS whose messages come as plain calls, and whose errors are ours.

nats-py gives each subscription a queue and a task, and each message an object with parsed
headers. A replay of 100,000 events and a gateway with thousands of runs need neither: a subscriber
here is a function that is called with the bytes. `client.py` is the one place that leans on
nats-py's internals.
"""

import asyncio
import itertools
import logging
import random
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self

from nats.errors import ConnectionClosedError, Error, NoServersError, OutboundBufferLimitError

from broker.errors import NatsRefused, StreamUnavailable
from broker.logs import about
from broker.stream.addresses import inbox_of, masked
from broker.stream.client import PERMISSIONS_ERR, Handler, RawClient
from broker.stream.error_kinds import kind_of

log = logging.getLogger(__name__)

REQUEST_TIMEOUT: Final = 5.0

FIRST_PAUSE: Final = 0.25
"""Seconds after the first try that fails; each time half as long again, ..."""
LONGEST_PAUSE: Final = 2.0
"""... up to this many, and a random part of them less."""

PING: Final = 2.0
"""Seconds between two pings. When the third is due and none was answered, the server is taken for
gone: one that is frozen, or cut off, keeps its connections open."""

_UNKNOWN_USER: Final = re.compile("authorization|authentication (expired|revoked)", re.IGNORECASE)
_MAY_NOT: Final = re.compile(r'permissions violation for publish.* to "(.*)"', re.IGNORECASE)


class Subscription:
    """An open subscription."""

    __slots__ = ("_client", "_sid")

    def __init__(self, client: RawClient, sid: int) -> None:
        self._client = client
        self._sid = sid

    async def close(self, *, hear_out: bool = False) -> None:
        """Unsubscribe; harmless when the connection is gone.

        With `hear_out` the handler gets what the server has sent until then.
        """
        with suppress(Error, OSError):
            await self._client.unlisten(self._sid, hear_out=hear_out)


class Connection:
    """One connection to NATS. Made by `connect`."""

    def __init__(self, client: RawClient) -> None:
        self._client = client
        self._inbox: str = client.new_inbox()
        self._tokens = itertools.count(1)
        self._waiting: dict[bytes, Handler] = {}
        self._asking: dict[str, set[asyncio.Future[tuple[bytes, bytes]]]] = {}
        """The requests under way by subject, in the lower case of nats-py's errors."""
        self._lost_at: float | None = None
        """When the connection was lost, by the loop's clock; None while it is up."""
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
        on_error: Callable[[str], None] | None = None,
        on_failure: Callable[[str], None] | None = None,
        forever: bool = False,
        **options: Any,
    ) -> AsyncIterator[Self]:
        """Connect, and reconnect for ever, with longer and longer pauses.

        `on_change` hears of each loss and return, `on_failure` why a try failed, and
        `on_error` of each error, by its kind as `nats_errors_total` counts it.

        Raises StreamUnavailable where no server answers at first, unless `forever` waits for one,
        and NatsRefused as soon as one does not know the user.
        """
        client = RawClient()
        doing = f"connect to NATS at {masked(url)}"
        changed = on_change or (lambda connected: None)
        connection: Self | None = None
        pause = FIRST_PAUSE

        async def lost() -> None:
            client.forget_unsent()
            if connection is not None:
                connection._lost_at = asyncio.get_running_loop().time()
            changed(False)

        async def returned() -> None:
            nonlocal pause
            pause = FIRST_PAUSE
            client.pause(pause)
            assert connection is not None
            connection._lost_at = None
            changed(True)
            for call in connection._reconnected:
                call()

        heard: list[Exception] = []

        async def failed(error: Exception) -> None:
            nonlocal pause
            log.debug("nats: %r", error, extra=about("nats_errors", kind=kind_of(error)))
            if on_error is not None:
                on_error(kind_of(error))
            if connection is not None and connection._refused(_text(error)):
                return
            heard[:] = [error]
            if client.is_connected:
                return
            client.pause(pause * random.uniform(0.5, 1.0))
            pause = min(LONGEST_PAUSE, 1.5 * pause)
            if connection is None and not forever and _UNKNOWN_USER.search(_text(error)):
                raise NatsRefused(doing, _text(error))
            if on_failure is not None:
                on_failure(f"{doing}: {_text(error)}")

        connecting = client.connect(
            servers=url.split(","),
            name=name,
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=FIRST_PAUSE,  # type: ignore[arg-type]  # it is slept as it is
            ping_interval=PING,  # type: ignore[arg-type]  # it is slept as it is
            max_outstanding_pings=2,
            disconnected_cb=lost,
            reconnected_cb=returned,
            error_cb=failed,
            inbox_prefix=inbox_of(url),
            **options,
        )
        try:
            async with asyncio.timeout(None if forever else REQUEST_TIMEOUT):
                await connecting
        except NatsRefused:
            with suppress(Exception):
                await client.close()
            raise
        except (Error, OSError, TimeoutError) as error:
            with suppress(Exception):
                await client.close()
            # Where it was tried until there was no time left, the last refusal tells more.
            why = heard[-1] if isinstance(error, TimeoutError) and heard else error
            raise StreamUnavailable(doing, _text(why)) from error
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
        """Whether it is over for good."""
        return bool(self._client.is_closed)

    @property
    def away(self) -> float:
        """Seconds since the connection was lost; 0 while it is up."""
        if self._lost_at is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._lost_at

    @property
    def server(self) -> Mapping[str, Any]:
        """What the server said of itself when it was last connected to, such as its version."""
        told: Mapping[str, Any] = self._client._server_info
        return told

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
        asking = self._asking.setdefault(subject.lower(), set())
        asking.add(answer)
        try:
            await self.publish(subject, payload, reply=reply)
            async with asyncio.timeout(patience):
                return await answer
        except TimeoutError:
            raise StreamUnavailable(f"request {subject}", f"no answer in {patience:g} s") from None
        finally:
            forget()
            asking.discard(answer)
            if not asking:
                self._asking.pop(subject.lower(), None)

    def _refused(self, told: str) -> bool:
        """Whether an error is about one message; a request that may not be sent fails with it."""
        found = _MAY_NOT.search(told)
        for answer in self._asking.get(found[1].lower(), ()) if found else ():
            if not answer.done():
                answer.set_exception(NatsRefused("ask NATS", told))
        return PERMISSIONS_ERR in told.lower()

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
