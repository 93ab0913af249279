"""A world for the registry in which nothing happens by itself: time, the stream, and sockets."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from copy import deepcopy
from datetime import timedelta
from itertools import islice
from typing import Any, TypeVar

from broker.errors import StreamUnavailable
from broker.hub.limits import RegistryLimits
from broker.hub.ports import Timing
from broker.hub.registry import Registry
from broker.hub.subscriber import Subscriber
from broker.metrics import Metrics
from broker.model.evolve import fold
from broker.model.record import Record
from broker.model.state import RunState, initial
from broker.model.subjects import RunKey
from tests.strategies import BEGINNING

T = TypeVar("T")

EPOCH = "e1"
KEY = RunKey("default", "r1")
PASSES = 40
"""Turns of the loop after which everything that waits for nothing is done."""


class Stream:
    """The stored records of one run. Reads give a page when they are let."""

    epoch = EPOCH

    def __init__(self, page: int) -> None:
        self.log: list[Record] = []
        self.kept: RunState | None = None
        """The checkpoint that is stored."""
        self.away = 0.0
        """Seconds since it was lost."""
        self.followed = 0
        """How often somebody began to follow the run."""
        self.hesitates = False
        """Whether the word that a run is unknown needs leave."""
        self.flows = True
        """Whether reads need no leave."""
        self.waiting: list[asyncio.Future[None]] = []
        self._page = page
        self._feeds: list[Feed] = []

    def store(self, *payloads: bytes, gap: int = 1) -> None:
        """Append records; who follows the run gets them with `deliver`."""
        for payload in payloads:
            seq = self.log[-1].seq + gap if self.log else gap
            self.log.append(Record(seq, BEGINNING + timedelta(seconds=seq), payload))

    def deliver(self, at_once: int = 1_000) -> None:
        """Let the followers have what they have not, so many records at once."""
        for feed in self._feeds:
            feed.go_on(at_once)

    def let(self, pages: int) -> None:
        """Give the first reads that wait their page."""
        for waiting in self.waiting[:pages]:
            waiting.set_result(None)
        del self.waiting[:pages]

    def fail(self) -> None:
        """Give the reads that wait an error."""
        for waiting in self.waiting:
            waiting.set_exception(StreamUnavailable("read", "NATS is away"))
        self.waiting.clear()

    async def first_seq(self) -> int:
        return 1

    async def unknown(self, key: RunKey) -> bool:
        unknown = not self.log
        if self.hesitates:
            await self._leave()
        return unknown

    async def checkpoint(self, key: RunKey) -> RunState | None:
        return None if self.kept is None else deepcopy(self.kept)

    def keep(self, upto: int) -> None:
        """Store a checkpoint of the run as it was at a sequence."""
        records = [record for record in self.log if record.seq <= upto]
        self.kept = fold(records, initial(*KEY))

    async def follow(
        self, key: RunKey, deliver: Callable[[Sequence[Record]], None], after: int = 0
    ) -> "Feed":
        self.followed += 1
        feed = Feed(self, deliver, after)
        self._feeds.append(feed)
        feed.go_on(1_000)
        return feed

    def forget(self, feed: "Feed") -> None:
        self._feeds.remove(feed)

    async def _leave(self) -> None:
        """Wait for leave to read."""
        leave: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(leave)
        await leave

    async def read(self, key: RunKey, after: int) -> AsyncIterator[Sequence[Record]]:
        while any(record.seq > after for record in self.log):
            if not self.flows:
                await self._leave()
            page = list(islice((r for r in self.log if r.seq > after), self._page))
            yield page
            after = page[-1].seq


class Feed:
    """A run that is followed."""

    def __init__(
        self, stream: Stream, deliver: Callable[[Sequence[Record]], None], last: int
    ) -> None:
        self._stream = stream
        self._deliver = deliver
        self._last = last

    def go_on(self, at_once: int) -> None:
        """Deliver what is new."""
        new = [record for record in self._stream.log if record.seq > self._last]
        for begin in range(0, len(new), at_once):
            part = new[begin : begin + at_once]
            self._last = part[-1].seq
            self._deliver(part)

    async def close(self) -> None:
        self._stream.forget(self)


class Socket:
    """A transport as asyncio and uvloop have it, and the client at its far end."""

    def __init__(self, world: "World", high: int) -> None:
        self.client: Subscriber | None = None
        self.received = b""
        """What the client has read, to be taken by the test."""
        self.unsent = b""
        self.reading = True
        """Whether the client reads at once what comes."""
        self.lost = False
        """Whether the connection is closed."""
        self._world = world
        self._high = high
        self._paused = self._closing = self._spoke_last = False

    def write(self, data: bytes) -> None:
        if self.lost:
            self._world.faults.append("a write to a closed connection")
            raise RuntimeError("the handler is closed")  # as uvloop does
        if self._closing and not self.unsent:
            return
        if self._closing:
            self._world.faults.append(f"a write after the last one: {data!r}")
        if self._spoke_last:
            self._world.faults.append(f"a write to a client that is held: {data!r}")
        self._spoke_last = self.client is not None and self.client.held
        self.unsent += data
        if self.reading:
            self.take(len(self.unsent))
        elif len(self.unsent) > self._high and not self._paused:
            self._paused = True
            if self.client is not None:
                self.client.hold(self._world.loop.time())

    def take(self, size: int) -> None:
        """The client reads so many bytes."""
        self.received += self.unsent[:size]
        self.unsent = self.unsent[size:]
        if self._paused and len(self.unsent) <= self._high // 4:
            self._paused = False
            if self.client is not None:
                self.client.resume()
        if self._closing and not self.unsent:
            self._lose()

    def wake(self) -> None:
        """The client reads everything, from now on at once."""
        self.reading = True
        self.take(len(self.unsent))

    @property
    def spoke_while_held(self) -> bool:
        """Whether a held client was written something that was not its last words."""
        return self._spoke_last and not self._closing

    def pending(self) -> int:
        return len(self.unsent)

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            if not self.unsent:
                self._lose()

    def abort(self) -> None:
        self._closing, self.unsent = True, b""
        self._lose()

    def _lose(self) -> None:
        self._world.loop.call_soon(self._connection_lost)

    def _connection_lost(self) -> None:
        client, self.client = self.client, None
        self.lost = True
        if client is not None:
            client.gone()


class OwnTime(asyncio.SelectorEventLoop):
    """A loop on which time passes when it is told to."""

    moment = 1000.0

    def time(self) -> float:
        return self.moment


class World:
    """A running registry and what it stands on. To be closed."""

    def __init__(self, limits: RegistryLimits, *, page: int = 2, high: int = 400) -> None:
        self.loop = OwnTime()
        self.loop.set_exception_handler(self._note)
        self.stream = Stream(page)
        self.metrics = Metrics()
        self.faults: list[str] = []
        """What should never have happened."""
        self._high = high
        self._left = asyncio.Event()
        entered: asyncio.Future[Registry] = self.loop.create_future()
        self._life = self.loop.create_task(self._live(limits, entered))
        self.registry = self.do(entered)

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.faults.append(f"{context['message']}: {context.get('exception')!r}")

    async def _live(self, limits: RegistryLimits, entered: "asyncio.Future[Registry]") -> None:
        timing = Timing(self.loop.time, self.loop.call_at, random.Random(0).random)
        try:
            async with Registry.running(
                self.stream, limits=limits, timing=timing, metrics=self.metrics
            ) as registry:
                entered.set_result(registry)
                await self._left.wait()
        except BaseException as error:
            self.faults.append(f"the registry failed: {error!r}")
            raise

    def do(self, work: "Coroutine[Any, Any, T] | asyncio.Future[T]") -> T:
        """Run what waits for no time to pass."""
        return self.loop.run_until_complete(work)

    def settle(self) -> None:
        """Let everything happen that can happen now."""
        self.do(_turns(PASSES))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.loop.moment += seconds
        self.settle()

    def connect(self, *, expires_in: float = 1e6) -> Subscriber:
        """A new client and its socket."""
        socket, now = Socket(self, self._high), self.loop.time()
        socket.client = Subscriber(socket, now=now, expires_at=now + expires_in)
        return socket.client

    def value(self, metric: str) -> float | None:
        """The value of a metric."""
        return self.metrics.registry.get_sample_value(f"progress_broker_{metric}")

    def close(self) -> None:
        """Stop the registry; whoever still does something is at fault."""
        self._left.set()
        self.settle()
        left = [task for task in asyncio.all_tasks(self.loop) if task is not self._life]
        if left or not self._life.done():
            self.faults.append(f"still running: {left or self._life}")
            for task in (*left, self._life):
                task.cancel()
            self.settle()
        if not self._life.cancelled():
            self._life.exception()
        self.loop.close()


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
