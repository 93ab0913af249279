"""The producer: one connection to NATS for all the runs of a process."""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, Protocol, Self

import msgspec

from broker.errors import InvalidName
from broker.model.decode import tag_of
from broker.model.events import Event, LogAppended, Parent, PlanStep
from broker.model.subjects import DEFAULT_TENANT, RunKey
from broker.producer.channel import Channel
from broker.producer.commands import Commands, OnCancel
from broker.producer.listener import Listener
from broker.producer.outbox import Kind, Lane, Outbox
from broker.producer.run import Run
from broker.producer.sender import Sender
from broker.producer.spool import Spool, log
from broker.producer.step import Step
from broker.stream.topology import LOGS, MIB, PROGRESS

DEFAULT_URL: Final = "nats://127.0.0.1:4222"


class Relay(Protocol):
    """Reports an event; its kind says whether it may be dropped where the buffer is full."""

    def __call__(self, event: Event, kind: Kind = "lifecycle") -> None: ...


def _now() -> datetime:
    return datetime.now(UTC)


class Producer:
    """Reports runs to the broker. Made by `connect`; its calls neither block nor raise."""

    def __init__(self, spool: Spool, sender: Sender, listener: Listener, tenant: str) -> None:
        self._spool = spool
        self._sender = sender
        self._listener = listener
        self._tenant = tenant
        self._channels: weakref.WeakSet[Channel] = weakref.WeakSet()

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        url: str | None = None,
        *,
        tenant: str = DEFAULT_TENANT,
        name: str = "producer",
        max_bytes: int = 64 * MIB,
        max_entries: int = 100_000,
        close_timeout: float = 10.0,
        nats_options: Mapping[str, Any] | None = None,
        now: Callable[[], datetime] = _now,
        monotonic: Callable[[], float] = time.monotonic,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> AsyncIterator[Self]:
        """A producer that connects in the background: the block is entered at once.

        Without `url`, $BROKER_NATS_URL counts, else a server on this machine. While NATS is away
        events wait in memory, `max_bytes` and `max_entries` at most; at the end of the block they
        have `close_timeout` seconds to be stored. `nats_options` go to nats-py's `connect`, for
        instance `{"user_credentials": path}`. Enter and leave the block in the same task.
        """
        url = url_of(url)
        outbox = Outbox(max_bytes=max_bytes, max_entries=max_entries)
        spool = Spool(outbox, now=now, monotonic=monotonic, random_bytes=random_bytes)
        listener = Listener(spool)
        sender = Sender(spool, url, name=name, options=nats_options or {}, share=listener.use)
        producer = cls(spool, sender, listener, tenant)
        failed: BaseException | None = None
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(sender.run(), name="producer")
            listening = tasks.create_task(listener.run(), name="producer, listening")
            try:
                yield producer
            except BaseException as error:  # the group would wrap what the pipeline raised
                failed = error
            try:
                listener.close()
                await producer._close(close_timeout)
            finally:
                listening.cancel()
                sending.cancel()
        if failed is not None:
            try:
                raise failed
            finally:
                del failed  # its traceback holds this frame

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many events were dropped, by kind: `progress` and `log` where the buffer was full."""
        with self._spool.lock:
            return {str(kind): n for kind, n in self._spool.outbox.dropped.items()}

    @property
    def pending(self) -> int:
        """How many events are not known to be stored yet."""
        with self._spool.lock:
            return len(self._spool.outbox)

    def run(
        self,
        pipeline: str,
        run_id: str | None = None,
        name: str | None = None,
        plan: Sequence[str | PlanStep] | None = None,
        labels: Mapping[str, str | int | float | bool | None] | None = None,
        metadata: Mapping[str, Any] | None = None,
        parent: Run | Step | Parent | str | None = None,
        total_steps: int | None = None,
        heartbeat_interval: float | None = None,
        cancellable: bool | None = None,
        attempt: int | None = None,
        retry_of: str | None = None,
        worker: str | None = None,
        commands: bool = True,
        on_cancel: OnCancel = "raise",
    ) -> Run:
        """A run of a pipeline, not yet started: `async with` it, or call its `start`.

        Without `run_id` it gets one that sorts by time. With `heartbeat_interval` heartbeats are
        reported by themselves until the run has ended. When a person cancels the run, the task
        that is in its block is cancelled, unless `on_cancel` is "ignore": then `run.cancelled`
        and `run.checkpoint` tell. With `commands=False` it does not listen to persons at all.
        """
        fresh = run_id is None
        run_id = self._spool.new_id() if run_id is None else str(run_id)
        lanes = self._lanes(run_id)
        channel = Channel(self._spool, run_id, lanes, attempt)
        with self._spool.lock:
            self._channels.add(channel)
        desk = Commands(
            channel, self._listener.spawn, cancellable=cancellable is not False, on_cancel=on_cancel
        )

        def listen(run: Run) -> None:
            if commands and lanes is not None:
                known = attempt if type(attempt) is int else None
                self._listener.listen(run, lanes[0].subject, desk, known, fresh=fresh)

        if not commands and cancellable is None:
            cancellable = False
        return Run(
            channel,
            desk,
            listen,
            {
                "pipeline": pipeline,
                "name": name,
                "parent": _parent(parent),
                "total_steps": total_steps,
                "heartbeat_interval": heartbeat_interval,
                "cancellable": cancellable,
                "retry_of": retry_of,
                "worker": worker,
                "labels": labels,
                "plan": _plan(plan),
                "metadata": metadata,
            },
        )

    def relay(self, run_id: str) -> Relay:
        """A way for events of a run that are made elsewhere: each is reported as it is."""
        lanes = self._lanes(run_id)

        def report(event: Event, kind: Kind = "lifecycle") -> None:
            given = msgspec.structs.asdict(event)
            fields = {name: value for name, value in given.items() if value is not None}
            lane = lanes and lanes[isinstance(event, LogAppended)]
            self._spool.put(lane, kind, {"type": tag_of(event), **fields})

        return report

    async def flush(self) -> None:
        """Wait until everything reported so far is stored; asyncio.timeout bounds the wait."""
        self._report_held()
        await self._sender.caught_up()

    async def _close(self, seconds: float) -> None:
        """Send what is left, in the time that is given, and say how much was not."""
        try:
            self._report_held()
            self._spool.close()
            async with asyncio.timeout(seconds):
                await self._sender.caught_up()
        except TimeoutError:
            pass
        finally:
            left, dropped = self.pending, sum(self.dropped.values())
            if left:
                log.warning(
                    "%d events could not be delivered to NATS at %s before the producer closed",
                    left,
                    self._sender.where,
                )
            if dropped:
                log.warning("%d events were dropped: %s", dropped, self.dropped)

    def _report_held(self) -> None:
        with self._spool.lock:
            for channel in list(self._channels):
                channel.flush()

    def _lanes(self, run_id: str) -> tuple[Lane, Lane] | None:
        try:
            key = RunKey(self._tenant, run_id)
            return Lane(PROGRESS, key.subject), Lane(LOGS, key.log_subject)
        except (InvalidName, AttributeError, TypeError) as error:
            self._spool.warn(
                ("run", str(error)),
                "run %.64r of tenant %.64r is not reported, because %s: give another id",
                run_id,
                self._tenant,
                error,
            )
            return None


def url_of(url: str | None) -> str:
    """The address of NATS: what is given, else $BROKER_NATS_URL, else this machine."""
    return url or os.environ.get("BROKER_NATS_URL") or DEFAULT_URL


def _plan(plan: object) -> object:
    """The plan with an entry for each mere name; what is wrong with it, `compose` will say."""
    if isinstance(plan, list | tuple):
        return [{"step": entry} if isinstance(entry, str) else entry for entry in plan]
    return plan


def _parent(parent: object) -> object:
    if isinstance(parent, Step):
        return {"run": parent.run_id, "step": parent.id}
    if isinstance(parent, Run):
        return {"run": parent.id}
    return {"run": parent} if isinstance(parent, str) else parent
