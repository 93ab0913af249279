"""Messages of a dialect, reported from code that is not asynchronous, or not ours to change.

`emit` leaves a message and returns. A thread with an event loop and a connection of its own, begun
with the first message, reads the messages as events and sends these. It remembers how each run
stands, since what a message means may depend on that.
"""

import asyncio
import logging
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from broker.dialects.said import Dialect
from broker.errors import MalformedEvent
from broker.model.events import Event, LogAppended, RunProgress
from broker.model.evolve import Fold
from broker.model.state import initial
from broker.model.subjects import DEFAULT_TENANT
from broker.producer.adapters.endings import at_exit, calling
from broker.producer.adapters.payloads import encode
from broker.producer.client import Producer, Relay

log = logging.getLogger("broker.producer")

RUNS_MAX: Final = 1_000
"""Runs whose state is remembered; the one that was silent for longest is forgotten first."""
INBOX_MIN: Final = 10_000
"""Messages that may wait to be read, if not twice `most`: many can be emitted at once."""
INBOX_BYTES: Final = 64 * 1024 * 1024
_SLICE: Final = 256
"""Messages read before what was read is sent: who emits all the time would keep it back."""
_WARNINGS_MAX: Final = 100


class _Told(NamedTuple):
    """What was told of a run so far, and the way for more."""

    fold: Fold
    relay: Relay


class Emitter:
    """Reports what code of an existing system says; `emit` never raises, and never waits.

    While NATS is away, `most` events wait; of more, those of steps and progress are dropped, the
    oldest first, then log lines, and at twice as many nothing more is taken. What waits when the
    process ends has `close_timeout` seconds to be stored.
    """

    def __init__(
        self,
        dialect: Dialect,
        url: str | None = None,
        *,
        tenant: str = DEFAULT_TENANT,
        name: str = "emitter",
        most: int = 50_000,
        close_timeout: float = 5.0,
        nats_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._dialect = dialect
        self._url = url
        self._tenant = tenant
        self._name = name
        self._most = most
        self._close_timeout = close_timeout
        self._options = nats_options
        self._runs: OrderedDict[str, _Told] = OrderedDict()
        self._warned: set[object] = set()
        self.dropped = 0
        """Messages that were not taken because too many wait."""
        self._begin()
        os.register_at_fork(after_in_child=calling(self, Emitter._begin))

    def _begin(self) -> None:
        """Begin without a thread; in a forked process it is not there, and a lock may be held."""
        self._lock = threading.RLock()
        self._inbox: deque[bytes] = deque()
        self._inbox_bytes = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._producer: Producer | None = None
        self._ready = threading.Event()
        self._rung = asyncio.Event()
        self._ringing = False
        self._closed = False

    def emit(self, make: Callable[[], Mapping[str, Any]]) -> None:
        """Leave the message that is made to be reported; from any thread."""
        try:
            self._put(encode(make()))
        except Exception as error:  # reporting must not break what is reported
            self._warn(
                type(error), "a message is not reported: %s: %.200s", type(error).__name__, error
            )

    def flush(self, timeout: float) -> bool:
        """Wait until everything emitted so far is stored; False if it is not in so many seconds."""
        if self._thread is None:
            return True
        self._ready.wait(timeout)
        with self._lock:
            if self._loop is None:
                return False
            flushed = asyncio.run_coroutine_threadsafe(self._flushed(), self._loop)
        try:
            flushed.result(timeout)
        except (TimeoutError, CancelledError):  # cancelled: closed meanwhile
            flushed.cancel()
            return False
        return True

    def close(self) -> None:
        """Take nothing more, and give what waits some time to be stored."""
        with self._lock:
            self._closed = True
            thread = self._thread
            self._ring()
        if thread is not None and thread is not threading.current_thread():
            thread.join(self._close_timeout + 1)

    # On the caller's thread.

    def _put(self, payload: bytes) -> None:
        with self._lock:
            room = max(INBOX_MIN, 2 * self._most)
            if self._closed or len(self._inbox) >= room or self._inbox_bytes >= INBOX_BYTES:
                self._drop()
                return
            self._inbox.append(payload)
            self._inbox_bytes += len(payload)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
                at_exit(calling(self, Emitter.close))
            self._ring()

    def _ring(self) -> None:
        if self._loop is not None and not self._ringing:
            self._ringing = True
            self._loop.call_soon_threadsafe(self._rung.set)

    def _drop(self) -> None:
        self.dropped += 1
        self._warn("full", "messages are dropped: too many wait for NATS, or the emitter is closed")

    def _warn(self, key: object, text: str, *values: object) -> None:
        """Log a warning, the first time for its key."""
        if key not in self._warned and len(self._warned) < _WARNINGS_MAX:
            self._warned.add(key)
            log.warning(text, *values)

    # On the thread of its own.

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # there is nobody to hear of it
            self._closed = True
            log.warning("nothing is reported any more", exc_info=error)

    async def _serve(self) -> None:
        async with Producer.connect(
            self._url,
            tenant=self._tenant,
            name=self._name,
            max_entries=self._most,
            close_timeout=self._close_timeout,
            nats_options=self._options,
        ) as producer:
            with self._lock:
                self._loop, self._producer = asyncio.get_running_loop(), producer
            self._ready.set()
            while True:
                await self._read_all()
                if self._closed and not self._inbox:
                    break
                await self._rung.wait()
                with self._lock:
                    self._ringing = False
                    self._rung.clear()
        with self._lock:
            self._loop = None

    async def _flushed(self) -> None:
        await self._read_all()
        if self._producer is not None:
            await self._producer.flush()

    async def _read_all(self) -> None:
        while self._inbox:
            for _ in range(min(len(self._inbox), _SLICE)):
                self._read_one()
            await asyncio.sleep(0)

    def _read_one(self) -> None:
        with self._lock:
            payload = self._inbox.popleft()
            self._inbox_bytes -= len(payload)
        try:
            self._read(payload)
        except MalformedEvent as error:
            self._warn(str(error), "a message is not reported: %s: %.200r", error, payload)
        except Exception as error:  # one bad message must not end the others
            log.warning("a message is not reported: %.200r", payload, exc_info=error)

    def _read(self, payload: bytes) -> None:
        """Report the events of a message. Raises MalformedEvent."""
        assert self._producer is not None
        if self._producer.pending >= 2 * self._most:
            self._drop()
            return
        said = self._dialect(payload)
        if said.run is None:
            return
        told = self._told(self._producer, said.run)
        fold = told.fold
        events = said.events
        if said.judged is not None:
            events = said.judged(fold.state if fold.seq else None)
        for event in events:
            if isinstance(event, LogAppended):
                attempt = event.attempt or fold.state.attempt
                told.relay(msgspec.structs.replace(event, attempt=attempt), "log")
                continue
            fold.add(event, fold.seq + 1, datetime.now(UTC))
            told.relay(event, "lifecycle" if _must_stay(event) else "progress")

    def _told(self, producer: Producer, run: str) -> _Told:
        told = self._runs.pop(run, None)
        if told is None:
            told = _Told(Fold(initial(self._tenant, run)), producer.relay(run))
        self._runs[run] = told
        if len(self._runs) > RUNS_MAX:
            self._runs.popitem(last=False)
        return told


def _must_stay(event: Event) -> bool:
    """Whether the run would be shown wrongly for ever without it."""
    return not (hasattr(event, "step") or isinstance(event, RunProgress))
