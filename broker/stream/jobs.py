"""Start requests on JOBS: taken by workers, kept while they are worked on, and settled.

Each pipeline has one durable consumer that all its workers share. A request is asked for only when
somebody is free for it, and the answer comes at once, so that none waits at a busy worker while
another is idle. That there may be one is heard on the request's own subject.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from broker.errors import InvalidName, StreamUnavailable
from broker.model.subjects import encode_token, job_subject
from broker.stream.connection import REQUEST_TIMEOUT, Connection, Subscription
from broker.stream.headers import status
from broker.stream.places import place_of
from broker.stream.topology import JOBS, api

MOST_TAKEN: Final = 10_000
"""Requests of one pipeline that all workers together may have taken."""

_LONGEST_NAME: Final = 255
_NO_MORE: Final = (404, 408)


class Taken(NamedTuple):
    """A taken request, and where to say what becomes of it."""

    subject: str
    payload: bytes
    reply: bytes

    @property
    def deliveries(self) -> int:
        """How often it was given to a worker, this time included."""
        return place_of(self.reply).deliveries


class Jobs:
    """The requests for the pipelines of one tenant. `rung` is called when one may have come."""

    def __init__(
        self,
        connection: Connection,
        tenant: str,
        *,
        ack_wait: float,
        rung: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._tenant = tenant
        self._ack_wait = ack_wait
        self._rung = rung
        self._opened: set[str] = set()
        self._inbox = connection.new_inbox()
        self._subscriptions: dict[str, Subscription] = {}
        self._found: dict[str, deque[Taken]] = {}
        self._asking: asyncio.Future[None] | None = None
        self._wanted = 0

    async def take(self, pipeline: str, most: int) -> list[Taken]:
        """The requests that wait for a pipeline, `most` at most; none where none does.

        The pipeline's consumer is made where there is none. Raises StreamUnavailable.
        """
        subject = job_subject(self._tenant, pipeline)
        found = self._found.setdefault(subject, deque())
        if not found:
            if pipeline not in self._opened:
                await self._open(pipeline, subject)
            try:
                await self._ask(consumer_of(self._tenant, pipeline), most)
            except StreamUnavailable:
                self._opened.discard(pipeline)  # perhaps somebody removed its consumer
                raise
        return [found.popleft() for _ in range(min(most, len(found)))]

    async def keep(self, jobs: Iterable[Taken]) -> None:
        """Say that these are still worked on. Raises StreamUnavailable."""
        lines = [b"PUB %b 4\r\n+WPI\r\n" % job.reply for job in jobs]
        if lines:
            await self._connection.send(b"".join(lines))

    async def done(self, job: Taken) -> None:
        """Remove a request: it needs no more work. Raises StreamUnavailable."""
        await self._connection.request(job.reply.decode(), b"+ACK")

    async def refuse(self, job: Taken) -> None:
        """Remove a request that nobody can do. Raises StreamUnavailable."""
        await self._connection.request(job.reply.decode(), b"+TERM")

    async def give_back(self, job: Taken) -> None:
        """Let another worker take a request, now. Raises StreamUnavailable."""
        await self._connection.request(job.reply.decode(), b"-NAK")
        await self._connection.publish(f"live.{job.subject}", b"")

    async def close(self) -> None:
        """Give back what was taken and not handed out, and hear no more."""
        for found in self._found.values():
            while found:
                with suppress(StreamUnavailable):
                    await self.give_back(found.popleft())
        for subscription in self._subscriptions.values():
            await subscription.close()

    async def _open(self, pipeline: str, subject: str) -> None:
        await self._subscribe(self._inbox, self._take)
        for heard in (subject, f"live.{subject}"):  # a new request; one that was given back
            await self._subscribe(heard, lambda *message: self._rung())
        name = consumer_of(self._tenant, pipeline)
        config: dict[str, Any] = {
            "durable_name": name,
            "filter_subject": subject,
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": int(self._ack_wait * 1e9),
            "max_ack_pending": MOST_TAKEN,
        }
        await api(
            self._connection,
            f"CONSUMER.CREATE.{JOBS}.{name}.{subject}",
            {"stream_name": JOBS, "config": config},
        )
        self._opened.add(pipeline)

    async def _subscribe(self, subject: str, handler: Callable[..., None]) -> None:
        if subject not in self._subscriptions:
            self._subscriptions[subject] = await self._connection.subscribe(subject, handler)

    async def _ask(self, consumer: str, most: int) -> None:
        self._asking = asyncio.get_running_loop().create_future()
        self._wanted = most
        try:
            await self._connection.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{JOBS}.{consumer}",
                b'{"batch":%d,"no_wait":true}' % most,
                reply=self._inbox,
            )
            async with asyncio.timeout(REQUEST_TIMEOUT):
                await self._asking
        except TimeoutError:
            text = f"no answer in {REQUEST_TIMEOUT:g} s"
            raise StreamUnavailable("take start requests", text) from None
        finally:
            self._asking = None

    def _take(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        """A request, which has a reply subject and its own; or the word that there are no more."""
        asking = self._asking
        if reply:
            job = Taken(subject.decode(), data, reply)
            self._found.setdefault(job.subject, deque()).append(job)
            self._wanted -= 1
            if asking is None:  # it came too late for whoever asked
                self._rung()
        if asking is None or asking.done():
            return
        code = status(headers) if headers is not None and not reply else 0
        if code in _NO_MORE or self._wanted <= 0:
            asking.set_result(None)
        elif code:
            asking.set_exception(StreamUnavailable("take start requests", f"NATS says {code}"))


def consumer_of(tenant: str, pipeline: str) -> str:
    """The name of the consumer that the workers of a pipeline share. Raises InvalidName."""
    # No encoded id holds two `=` in a row, so that no two pairs have the same name.
    name = f"{encode_token(tenant, 'tenant')}=={encode_token(pipeline, 'pipeline')}"
    if len(name) > _LONGEST_NAME:
        raise InvalidName("pipeline", f"is too long for a consumer's name: {len(name)} bytes")
    return name
