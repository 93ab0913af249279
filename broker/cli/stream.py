"""An event stream of the gateway that is opened again, where it stopped, whenever it is cut."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final

import aiohttp
import msgspec

from broker.cli.client import EVENT_STREAM, Client, Params, reason_of, refused
from broker.errors import GatewayUnreachable, RequestRefused
from broker.protocol.sse_reader import EventReader, SentEvent

_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 10.0
_SILENCES: Final = 2.5
"""A connection that says nothing for so many heartbeats is cut, though nobody said so."""

_HEARTBEAT: Final = 15.0


class Stream:
    """One event stream, without the `hello` of each connection.

    It ends with the event named `end`, which it gives, or when the gateway says that no more
    comes. A gateway that was never reached raises GatewayUnreachable, a refusal RequestRefused;
    one that was reached and is gone is asked again for as long as it takes. `on_link` is called
    when the connection is lost, and when there is one again.
    """

    def __init__(
        self,
        client: Client,
        path: str,
        params: Params | None = None,
        *,
        on_link: Callable[[], None] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._path = path
        self._params = params
        self._on_link = on_link or _nobody
        self._sleep = sleep
        self._monotonic = monotonic
        self._jitter = jitter
        self._cut_at: float | None = None
        self._reached = False
        self.last_id = ""
        """Where the stream stands."""
        self._heartbeat = _HEARTBEAT
        self._retry = 0.0
        self.reason = ""
        """Why the connection was lost."""

    @property
    def lost_for(self) -> float | None:
        """Seconds since the connection was lost; None while there is one."""
        return None if self._cut_at is None else self._monotonic() - self._cut_at

    async def events(self) -> AsyncGenerator[SentEvent, None]:
        pause = _FIRST_PAUSE
        while True:
            try:
                async with aclosing(self._connection()) as events:
                    async for event in events:
                        if event is None:
                            return
                        pause = _FIRST_PAUSE
                        yield event
                        if event.name == "end":
                            return
                wait = self._retry
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                wait = self._lost(reason_of(error), error)
            except RequestRefused as error:
                if error.status not in (429, 502, 503, 504):
                    raise
                wait = self._lost(error.detail, error, error.wait or 0.0)
            await self._sleep(max(wait, pause * (0.5 + self._jitter())))
            pause = min(_LONGEST_PAUSE, 2 * pause)

    async def _connection(self) -> AsyncGenerator[SentEvent | None, None]:
        """The events of one connection; None where the gateway says that no more will come."""
        headers = {"Accept": EVENT_STREAM, "Cache-Control": "no-store"}
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        endless = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with self._client.session.get(
            self._client.target(self._path, self._params), headers=headers, timeout=endless
        ) as response:
            self._client.hear(response)
            if response.status == 204:
                yield None
                return
            if response.status != 200 or response.content_type != EVENT_STREAM:
                raise await refused(response)
            self._reached, was_cut = True, self._cut_at is not None
            self._cut_at, self.reason = None, ""
            if was_cut:
                self._on_link()
            reader = EventReader(self.last_id)
            while True:
                async with asyncio.timeout(_SILENCES * self._heartbeat):
                    piece = await response.content.readany()
                if not piece:
                    self._retry = (reader.retry or 0) / 1000
                    return
                for event in reader.feed(piece):
                    self.last_id = event.id
                    if event.name == "hello":
                        self._greeted(event)
                    else:
                        yield event

    def _greeted(self, hello: SentEvent) -> None:
        told = decoded(hello).get("heartbeat")
        if isinstance(told, int | float) and told > 0:
            self._heartbeat = max(1.0, float(told))

    def _lost(self, reason: str, error: Exception, wait: float = 0.0) -> float:
        """Note that there is no connection; gives how long to wait before the next."""
        if not self._reached and not isinstance(error, RequestRefused):
            raise GatewayUnreachable(self._client.url, reason) from error
        self.reason = reason
        if self._cut_at is None:
            self._cut_at = self._monotonic()
            self._on_link()
        return wait


def _nobody() -> None:
    """Where nobody wants to know."""


def decoded(event: SentEvent) -> dict[str, Any]:
    """The data of an event, which is a JSON object; an empty one where it is not."""
    try:
        return msgspec.json.decode(event.data, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
