"""The hubs by run: opened once however many ask, kept while watched and a while longer."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Final, Self

import msgspec

from broker.errors import NotFound, Overloaded, StreamUnavailable
from broker.hub.group import Group
from broker.hub.ports import Feed, Source, Timing
from broker.hub.ring import keep_newest
from broker.hub.run_hub import HubLimits, RunHub
from broker.hub.subscriber import Subscriber
from broker.metrics import Metrics
from broker.model.record import Record
from broker.model.subjects import RunKey

SWEEP: Final = 0.5
"""Seconds between two looks at all clients."""


_AGAIN: Final = (0.05, 0.25, 1.0)
"""Seconds before records are asked for again that a server of a cluster may not have yet."""


class RegistryLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds."""

    hub_ttl: float = 30.0
    hubs_max: int = 20_000
    unknown_ttl: float = 1.0
    unknown_max: int = 10_000
    away_most: float = 2.0
    """For so long after the stream was lost whoever wants a run waits for it: it may be back soon.
    Then only those runs are there that are open."""
    heartbeat: float = 15.0
    idle_timeout: float = 300.0
    stall_timeout: float = 30.0
    retry_min: float = 1.0
    retry_max: float = 5.0
    catch_ups: int = 64
    cold_opens: int = 64
    """Replays at a time; who joins a run that is open never waits for one."""
    cold_waiting: int = 1_024
    hub: HubLimits = HubLimits()
    empty: bool = False
    """Whether a run of which nothing is stored has a hub all the same: something may come."""


class Registry:
    """Finds or opens the hub of a run, and sweeps all of them. Made by `running`."""

    def __init__(
        self, source: Source, *, limits: RegistryLimits, timing: Timing, metrics: Metrics
    ) -> None:
        self.source = source
        self._limits = limits
        self._timing = timing
        self._metrics = metrics
        self._hubs: dict[RunKey, tuple[RunHub, Feed]] = {}
        self._opening: dict[RunKey, asyncio.Future[RunHub]] = {}
        self._unknown: OrderedDict[RunKey, float] = OrderedDict()
        self._begun: set[RunKey] = set()
        """Of the runs that are being opened those of which something was stored meanwhile."""
        self._catch_ups = asyncio.Semaphore(limits.catch_ups)
        self._cold_opens = asyncio.Semaphore(limits.cold_opens)
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False

    @classmethod
    @asynccontextmanager
    async def running(
        cls, source: Source, *, limits: RegistryLimits, timing: Timing, metrics: Metrics
    ) -> AsyncIterator[Self]:
        """A registry whose tasks live as long as the block."""
        registry = cls(source, limits=limits, timing=timing, metrics=metrics)
        async with asyncio.TaskGroup() as group:
            registry._group = group
            registry._spawn(registry._sweep_forever(), "hub sweep")
            try:
                yield registry
            finally:
                registry._group = None
                registry._dismiss_all()
                for task in registry._tasks:
                    task.cancel()
                for _, feed in registry._hubs.values():
                    await feed.close()

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        """Run a task of our own; when the gateway stops there is nobody left to run it for."""
        if self._group is None:
            work.close()
            return
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def hub(self, key: RunKey) -> RunHub:
        """The hub of a run, opened if need be.

        Raises NotFound for a run without events, StreamUnavailable, and Overloaded when as many
        hubs are open as may be and every one is watched.
        """
        known = self._hubs.get(key)
        if known is not None:
            known[0].used_at = self._timing.now()
            return known[0]
        opening = self._opening.get(key)
        if opening is None:
            self._refuse_unknown(key)
            self._refuse_while_away()
            if len(self._opening) >= self._limits.cold_waiting:
                self._metrics.limited.labels("cold_waiting").inc()
                raise Overloaded("cold_waiting", self._limits.cold_waiting)
            self._make_room()
            opening = self._spawn_open(key)
        return await asyncio.shield(opening)

    def opened(self, key: RunKey) -> RunHub | None:
        """The hub of a run if it is open; that it is asked for keeps it no longer."""
        known = self._hubs.get(key)
        return None if known is None else known[0]

    def holds(self, hub: RunHub) -> bool:
        """Whether the hub is still the run's."""
        return hub.key in self._hubs and self._hubs[hub.key][0] is hub

    def _spawn_open(self, key: RunKey) -> "asyncio.Future[RunHub]":
        if self._group is None:
            raise StreamUnavailable("open a run", "the gateway is stopping")
        opened: asyncio.Future[RunHub] = asyncio.get_running_loop().create_future()
        # Everyone who waited may have gone away: then nobody is left to hear of an error.
        opened.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._opening[key] = opened
        self._spawn(self._open(key, opened), f"open {key.run}")
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
        epoch = self.source.epoch
        checkpoint = await self.source.checkpoint(key)
        if checkpoint is None and not self._limits.empty:
            with suppress(StreamUnavailable):  # who has a copy may have it all the same
                if await self.source.unknown(key):
                    raise NotFound(key.run)
        hub = RunHub(
            key,
            epoch,
            onto=checkpoint,
            limits=self._limits.hub,
            timing=self._timing,
            metrics=self._metrics,
            behind=self._serve_from_stream,
        )
        feed = await self.source.follow(key, hub.deliver, hub.seq)
        if epoch != self.source.epoch:
            await feed.close()
            raise StreamUnavailable("open a run", "the stream was made anew meanwhile")
        if not hub.seq and not self._limits.empty:
            await feed.close()
            raise NotFound(key.run)
        self._hubs[key] = (hub, feed)
        self._metrics.hubs.set(len(self._hubs))
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

    def known(self, key: RunKey) -> None:
        """Something was stored for the run just now."""
        self._unknown.pop(key, None)
        if key in self._opening:
            self._begun.add(key)

    def _refuse_while_away(self) -> None:
        """Spare whoever wants a run a wait that others have waited in vain."""
        away = self.source.away
        if away > self._limits.away_most:
            raise StreamUnavailable("open a run", f"NATS has been away for {away:.0f} s")

    def _open_no_more(self) -> None:
        """Let nobody wait longer for a run that is being opened while the stream is away."""
        for opening in self._opening.values():
            if not opening.done():
                away = f"NATS has been away for {self.source.away:.0f} s"
                opening.set_exception(StreamUnavailable("open a run", away))

    def _make_room(self) -> None:
        if len(self._hubs) + len(self._opening) < self._limits.hubs_max:
            return
        idle = [hub for hub, _ in self._hubs.values() if not hub.clients and not hub.waiting]
        if not idle:
            self._metrics.limited.labels("hubs_max").inc()
            raise Overloaded("hubs_max", self._limits.hubs_max)
        self._close(min(idle, key=lambda hub: hub.used_at))

    def _close(self, hub: RunHub) -> None:
        _, feed = self._hubs.pop(hub.key)
        self._metrics.hubs.set(len(self._hubs))
        self._spawn(feed.close(), f"close {hub.key.run}")

    def drain(self, seconds: float) -> None:
        """Let every client go within so many seconds, each at a time of its own."""
        self._draining = True
        now = self._timing.now()
        for hub, _ in self._hubs.values():
            for group in hub.groups:
                for client in group.members:
                    if client.expires_at < math.inf:
                        at = now + seconds * self._timing.random()
                        client.expires_at = min(client.expires_at, at)

    def renew(self) -> None:
        """The stream was made anew: let every client come back, and forget every run."""
        self._dismiss_all()
        for hub, _ in list(self._hubs.values()):
            self._close(hub)

    def _serve_from_stream(self, hub: RunHub, client: Subscriber) -> None:
        self._spawn(self._catch_up(hub, client), f"catch up {hub.key.run}")

    async def _catch_up(self, hub: RunHub, client: Subscriber) -> None:
        """Write a client what it missed, page by page, as fast as it reads; then let it join.

        The hub remembers it, so that whoever comes next with such a cursor need not read it too.
        """
        after, found = client.cursor, list[Record]()
        tries = 0
        try:
            async with self._catch_ups:
                if not await client.drained():
                    return
                while not hub.catch_up(client):
                    begin, floor = client.cursor, hub.records.floor
                    async for page in self.source.read(hub.key, begin):
                        if client.closing_at is not None:
                            return
                        ahead = page[-1].seq > hub.seq
                        if ahead:  # the rest comes by the hub, or is read again
                            page = [record for record in page if record.seq <= hub.seq]
                            if not page:  # and so nothing up to where memory began either
                                client.cursor = max(client.cursor, floor)
                                break
                        hub.send(client, page)
                        client.cursor = page[-1].seq
                        found += page
                        after = keep_newest(
                            found,
                            after,
                            max_entries=self._limits.hub.ring_records,
                            max_bytes=self._limits.hub.ring_bytes,
                        )
                        if not await client.drained():
                            return
                        if ahead:
                            break
                    if client.cursor > begin:
                        continue
                    if tries == len(_AGAIN):  # they have expired; the hub began after them
                        client.cursor = floor
                        continue
                    await asyncio.sleep(_AGAIN[tries])
                    tries += 1
                if client.cursor >= hub.records.floor:
                    hub.recall(after, found)
        except StreamUnavailable:
            self._dismiss(hub, client, "interrupted")
        finally:
            client.catching_up = False

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            self.sweep()

    def sweep(self) -> None:
        """One look at everything: heartbeats, stalled, old and idle clients, unwatched hubs."""
        now = self._timing.now()
        limits = self._limits
        if self.source.away > limits.away_most:
            self._open_no_more()
        held = clients = 0
        for hub, _ in list(self._hubs.values()):
            idle = now - hub.changed_at > limits.idle_timeout
            for group in hub.groups:
                if group.framing.heartbeat and now - group.wrote_at >= limits.heartbeat:
                    group.write(group.framing.heartbeat, now)
                members = group.members
                clients += len(members)
                for client in members:
                    bored = idle and client.comes_back
                    due = bored or now > client.expires_at or client.closing_at is not None
                    if due or client.held:
                        held += client.held
                        self._look_at(hub, client, idle=bored, now=now)
            if not hub.clients and not hub.waiting and now - hub.used_at > limits.hub_ttl:
                self._close(hub)
        self._metrics.clients_held.set(held)
        self._metrics.clients.set(clients)
        for key, until in list(self._unknown.items()):
            if now < until:
                break
            del self._unknown[key]

    def _look_at(self, hub: RunHub, client: Subscriber, *, idle: bool, now: float) -> None:
        if client.expires_at == math.inf:
            return
        if client.stalled_for(now) > self._limits.stall_timeout:
            client.ended_by = "slow"
            client.sink.abort()
        elif client.closing_at is None and (idle or now > client.expires_at):
            aged = "drain" if self._draining else "max_age"
            self._dismiss(hub, client, "idle" if idle else aged)

    def _dismiss(self, hub: RunHub, client: Subscriber, why: str) -> None:
        """End a stream that may be resumed, at a time that differs from client to client."""
        group = next((g for g in hub.groups if client in g), None)
        if group is not None and client.closing_at is None:
            hub.dismiss(client, self._farewell(group), why=why)

    def _farewell(self, group: Group) -> bytes:
        low, high = self._limits.retry_min, self._limits.retry_max
        wait = low + (high - low) * self._timing.random()
        return group.framing.retry(int(wait * 1000)) + group.framing.close()

    def _dismiss_all(self) -> None:
        why = "drain" if self._draining else "interrupted"
        for hub, _ in self._hubs.values():
            for group in hub.groups:
                for client in group.members:
                    self._dismiss(hub, client, why)
