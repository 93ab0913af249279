"""Opening the hubs of runs: once however many ask, and not again soon where nothing is stored."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import suppress

from broker.errors import NotFound, Overloaded, StreamUnavailable
from broker.hub.limits import RegistryLimits
from broker.hub.ports import Feed, Source, Timing
from broker.hub.run_hub import RunHub
from broker.metrics import Metrics
from broker.model.state import RunState
from broker.model.subjects import RunKey


class Openings:
    """The runs that are being opened, and those that were not there a moment ago.

    `make` gives a hub that goes on from a state, in an epoch of the stream; `keep` is called when
    it is open. `spawn` runs a task of a name, and tells whether it does.
    """

    def __init__(
        self,
        source: Source,
        make: Callable[[RunKey, str, RunState | None], RunHub],
        keep: Callable[[RunHub, Feed], None],
        spawn: Callable[[Coroutine[None, None, None], str], bool],
        *,
        limits: RegistryLimits,
        timing: Timing,
        metrics: Metrics,
    ) -> None:
        self._source = source
        self._make = make
        self._keep = keep
        self._spawn = spawn
        self._limits = limits
        self._timing = timing
        self._metrics = metrics
        self._opening: dict[RunKey, asyncio.Future[RunHub]] = {}
        self._unknown: OrderedDict[RunKey, float] = OrderedDict()
        self._begun: set[RunKey] = set()
        """Of the runs that are being opened those of which something was stored meanwhile."""
        self._cold_opens = asyncio.Semaphore(limits.cold_opens)

    def __len__(self) -> int:
        return len(self._opening)

    def wanted(self, key: RunKey, make_room: Callable[[], None]) -> "asyncio.Future[RunHub]":
        """What will be the hub of a run, which all who want it wait for.

        `make_room` is called where it is to be opened. Raises NotFound for a run without events,
        StreamUnavailable, and Overloaded where as many are being opened as may be.
        """
        opening = self._opening.get(key)
        if opening is None:
            self._refuse_unknown(key)
            self._refuse_while_away()
            if len(self._opening) >= self._limits.cold_waiting:
                self._metrics.limited.labels("cold_waiting").inc()
                raise Overloaded("cold_waiting", self._limits.cold_waiting)
            make_room()
            opening = self._begin(key)
        return opening

    def stored(self, key: RunKey) -> None:
        """Something was stored for the run just now."""
        self._unknown.pop(key, None)
        if key in self._opening:
            self._begun.add(key)

    def sweep(self, now: float) -> None:
        """Let nobody wait for what will not come soon, and forget who was not there."""
        if self._source.away > self._limits.away_most:
            for opening in self._opening.values():
                if not opening.done():
                    opening.set_exception(self._gone())
        for key, until in list(self._unknown.items()):
            if now < until:
                break
            del self._unknown[key]

    def _begin(self, key: RunKey) -> "asyncio.Future[RunHub]":
        opened: asyncio.Future[RunHub] = asyncio.get_running_loop().create_future()
        # Everyone who waited may have gone away: then nobody is left to hear of an error.
        opened.add_done_callback(lambda done: done.cancelled() or done.exception())
        if not self._spawn(self._open(key, opened), f"open {key.run}"):
            raise StreamUnavailable("open a run", "the gateway is stopping")
        self._opening[key] = opened
        return opened

    async def _open(self, key: RunKey, opened: "asyncio.Future[RunHub]") -> None:
        """Open a hub; whatever comes of it goes to those who wait for it."""
        began = self._timing.now()
        try:
            async with self._cold_opens:
                hub = await self._found(key)
        except Exception as error:
            known = isinstance(error, NotFound | StreamUnavailable)
            self._metrics.hub_opens.labels(type(error).__name__ if known else "error").inc()
            if not opened.done():
                opened.set_exception(error)
        else:
            self._metrics.hub_opens.labels("opened").inc()
            self._metrics.hub_open_seconds.observe(self._timing.now() - began)
            if not opened.done():
                opened.set_result(hub)
        finally:
            del self._opening[key]
            self._begun.discard(key)
            opened.cancel()

    async def _found(self, key: RunKey) -> RunHub:
        """The hub of a run, unless nothing is stored of it, and nothing was meanwhile either."""
        while True:
            self._begun.discard(key)
            try:
                return await self._opened(key)
            except NotFound:
                if key not in self._begun:
                    self._remember_unknown(key)
                    raise

    async def _opened(self, key: RunKey) -> RunHub:
        """A hub from the run's checkpoint and what came after it."""
        source = self._source
        epoch = source.epoch
        checkpoint = await source.checkpoint(key)
        if checkpoint is None and not self._limits.empty:
            with suppress(StreamUnavailable):  # who has a copy may have it all the same
                if await source.unknown(key):
                    raise NotFound(key.run)
        hub = self._make(key, epoch, checkpoint)
        feed = await source.follow(key, hub.deliver, hub.seq)
        if epoch != source.epoch:
            await feed.close()
            raise StreamUnavailable("open a run", "the stream was made anew meanwhile")
        if not hub.seq and not self._limits.empty:
            await feed.close()
            raise NotFound(key.run)
        self._keep(hub, feed)
        return hub

    def _refuse_unknown(self, key: RunKey) -> None:
        """Spare the stream a question it answered a moment ago."""
        until = self._unknown.get(key)
        if until is not None and self._timing.now() < until:
            raise NotFound(key.run)

    def _remember_unknown(self, key: RunKey) -> None:
        self._unknown[key] = self._timing.now() + self._limits.unknown_ttl
        self._unknown.move_to_end(key)
        while len(self._unknown) > self._limits.unknown_max:
            self._unknown.popitem(last=False)

    def _refuse_while_away(self) -> None:
        """Spare whoever wants a run a wait that others have waited in vain."""
        if self._source.away > self._limits.away_most:
            raise self._gone()

    def _gone(self) -> StreamUnavailable:
        return StreamUnavailable("open a run", f"NATS has been away for {self._source.away:.0f} s")
