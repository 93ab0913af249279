"""The hubs by run: opened once however many ask, kept while watched and a while longer."""

import asyncio
import math
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Final, Self

from broker.errors import Overloaded, StreamUnavailable
from broker.hub.catch_up import CatchUps
from broker.hub.group import Group
from broker.hub.limits import RegistryLimits
from broker.hub.openings import Openings
from broker.hub.ports import Feed, Source, Timing
from broker.hub.run_hub import RunHub
from broker.hub.subscriber import Subscriber
from broker.metrics import Metrics
from broker.model.state import RunState
from broker.model.subjects import RunKey

SWEEP: Final = 0.5
"""Seconds between two looks at all clients."""


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
        self._openings = Openings(
            source,
            self._make,
            self._keep,
            self._spawn,
            limits=limits,
            timing=timing,
            metrics=metrics,
        )
        self._catch_ups = CatchUps(source, limits)
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

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> bool:
        """Run a task of our own; False when the gateway stops: nobody is left to run it for."""
        if self._group is None:
            work.close()
            return False
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def hub(self, key: RunKey) -> RunHub:
        """The hub of a run, opened if need be.

        Raises NotFound for a run without events, StreamUnavailable, and Overloaded when as many
        hubs are open as may be and every one is watched.
        """
        known = self._hubs.get(key)
        if known is not None:
            known[0].used_at = self._timing.now()
            return known[0]
        return await asyncio.shield(self._openings.wanted(key, self._make_room))

    def opened(self, key: RunKey) -> RunHub | None:
        """The hub of a run if it is open; that it is asked for keeps it no longer."""
        known = self._hubs.get(key)
        return None if known is None else known[0]

    def holds(self, hub: RunHub) -> bool:
        """Whether the hub is still the run's."""
        return hub.key in self._hubs and self._hubs[hub.key][0] is hub

    def known(self, key: RunKey) -> None:
        """Something was stored for the run just now."""
        self._openings.stored(key)

    def _make(self, key: RunKey, epoch: str, onto: RunState | None) -> RunHub:
        return RunHub(
            key,
            epoch,
            onto=onto,
            limits=self._limits.hub,
            timing=self._timing,
            metrics=self._metrics,
            behind=self._serve_from_stream,
        )

    def _keep(self, hub: RunHub, feed: Feed) -> None:
        self._hubs[hub.key] = (hub, feed)
        self._metrics.hubs.set(len(self._hubs))

    def _make_room(self) -> None:
        if len(self._hubs) + len(self._openings) < self._limits.hubs_max:
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
        try:
            await self._catch_ups.bring(hub, client)
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
        self._openings.sweep(now)
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
