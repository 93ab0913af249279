"""One watched run: its folded state, its recent records, and the groups of clients it serves.

But for `beyond`, which only looks, nothing in here awaits: nothing can come in between.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from broker.errors import MalformedEvent
from broker.hub.group import Group
from broker.hub.ports import Timer, Timing
from broker.hub.ring import Ring
from broker.hub.subscriber import Subscriber
from broker.metrics import Metrics
from broker.model.bounds import Bounds
from broker.model.cursor import Cursor
from broker.model.decode import decode
from broker.model.events import End, Event, Unknown
from broker.model.evolve import Fold
from broker.model.patch import Watch
from broker.model.record import Record
from broker.model.state import RunState, initial
from broker.model.steps import Report
from broker.model.subjects import RunKey
from broker.protocol.sse import Framing
from broker.views.message import Change, Moment, Story, View
from broker.views.native import snapshot_json

LARGE: Final = 64 * 1024
"""Bytes from which on a snapshot is not copied for a client: all who join together hold it."""


class HubLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds, sizes in bytes."""

    tick: float = 0.035
    pace: float = 15e-6
    """Pause between flushes per client: about three times what writing to one costs."""
    ring_records: int = 1024
    ring_bytes: int = 1024 * 1024
    bounds: Bounds = Bounds()


class RunHub:
    """Folds the records of one run and fans out what changes.

    It goes on from the state `onto`, whose records it does not remember; it owns that state.
    `behind` is called with a client of a contiguous view that must be served from the stream.
    """

    def __init__(
        self,
        key: RunKey,
        epoch: str,
        *,
        limits: HubLimits,
        timing: Timing,
        metrics: Metrics,
        behind: Callable[["RunHub", Subscriber], None],
        onto: RunState | None = None,
    ) -> None:
        self.key = key
        self.epoch = epoch
        self.records: Ring[Record] = Ring(limits.ring_records, limits.ring_bytes)
        self.used_at = timing.now()
        self.changed_at = self.used_at
        self._fold = Fold(onto or initial(key.tenant, key.run), limits.bounds)
        self._watch: Watch | None = None
        self._groups: dict[tuple[str, str], Group] = {}
        self._remembered = self._fold.seq
        self.records.clear(self._remembered)
        self.waiting = 0
        """How many requests wait for the next record."""
        self._gone_on: asyncio.Future[None] | None = None
        """Shared by all of these; done with the next record."""
        self._pending: list[Report] = []
        self._flushed_at = -limits.tick
        self._joined = False
        """Whether the last flush joined several events."""
        self._timer: Timer | None = None
        self._snapshot: tuple[int, bytes] | None = None
        self._limits = limits
        self._timing = timing
        self._metrics = metrics
        self._behind = behind

    def __repr__(self) -> str:
        return f"<RunHub {self.key.run} seq={self.seq} clients={self.clients} {self.state.status}>"

    @property
    def seq(self) -> int:
        """The run's last sequence."""
        return self._fold.seq

    @property
    def state(self) -> RunState:
        """The state after the last record; read only."""
        return self._fold.state

    @property
    def cursor(self) -> Cursor:
        """The run's head."""
        return Cursor(self.epoch, self._fold.seq)

    @property
    def clients(self) -> int:
        """How many clients watch."""
        return sum(len(group) for group in self._groups.values())

    @property
    def groups(self) -> list[Group]:
        """The groups that have clients."""
        return list(self._groups.values())

    def over_at(self, seq: int, view: View | Story) -> bool:
        """Whether the run has ended, and nothing came after `seq` that the view could show.

        A story shows nothing that comes after the end. Who comes from another gateway may have seen
        more than has arrived here: then nobody can say.
        """
        if not self.state.ended or seq >= self.seq:
            return self.state.ended and seq == self.seq
        records = self.records.since(seq)
        if records is None:
            return False
        reports = _reports(records)
        if isinstance(view, Story):
            return not any(isinstance(event, End) for event, _ in reports)
        return not reports

    def snapshot(self) -> bytes:
        """The state as JSON, encoded once per version."""
        if self._snapshot is None or self._snapshot[0] != self.seq:
            self._snapshot = (self.seq, snapshot_json(self.state, self.epoch))
        return self._snapshot[1]

    def deliver(self, records: Sequence[Record]) -> None:
        """Take the next records of the run, in order."""
        self._remember(records)
        if self._gone_on is not None:
            self._gone_on.set_result(None)
            self._gone_on = None
        if not self._groups:
            self._fold.extend(records)
            return
        now = self._timing.now()
        stories = [group for group in self._groups.values() if isinstance(group.view, Story)]
        for record in records:
            event = self._told(record, stories) if stories else self._fold.add_record(record)
            if event is not None and not isinstance(event, MalformedEvent):
                self._pending.append((event, record))
        if self._pending:
            self.changed_at = now
            self._schedule(now)

    def _told(
        self, record: Record, stories: Sequence[Group]
    ) -> Event | Unknown | MalformedEvent | None:
        """Fold one record, and have the stories tell it."""
        if record.seq <= self._fold.seq:
            return None
        try:
            event = decode(record.payload)
        except MalformedEvent:
            return self._fold.add_record(record)
        moment = Moment.before(self._fold.state, event, record)
        self._fold.add(event, record.seq, record.stored_at)
        for group in stories:
            group.tell(moment, self.state, self.epoch)
        return event

    async def beyond(self, seq: int, patience: float) -> bool:
        """Wait until the run has a record after `seq`; False if it has none in so many seconds."""
        self.waiting += 1
        try:
            async with asyncio.timeout(patience):
                while self.seq <= seq:
                    if self._gone_on is None:
                        self._gone_on = asyncio.get_running_loop().create_future()
                    await asyncio.shield(self._gone_on)
        except TimeoutError:
            return False
        finally:
            self.waiting -= 1
            self.used_at = self._timing.now()
        return True

    def _remember(self, records: Sequence[Record]) -> None:
        skipped = len(records) - self._limits.ring_records
        if skipped > 0:
            self._remembered = records[skipped - 1].seq
            self.records.clear(self._remembered)
            records = records[skipped:]
        for record in records:
            self.records.append(self._remembered, record.seq, len(record.payload), record)
            self._remembered = record.seq

    def recall(self, after: int, records: Sequence[Record]) -> None:
        """Remember what was read from the stream, from `after` up to where memory begins."""
        floor = self.records.floor
        earlier = [(r.seq, len(r.payload), r) for r in records if r.seq <= floor]
        if after < floor:
            self.records.extend_back(after, earlier)

    def _schedule(self, now: float) -> None:
        """Write at once, or under load in a moment, with what else comes until then.

        The pause grows with what a flush costs, so that writing takes a bounded share of the time.
        It is three times as long where the last flush joined events, since there it saves writes,
        and one tick at most.
        """
        if self._timer is not None:
            return
        pause = self._limits.pace * self.clients * (3 if self._joined else 1)
        due = self._flushed_at + min(self._limits.tick, pause)
        if now >= due:
            self.flush()
        else:
            self._timer = self._timing.call_at(due, self.flush)

    def flush(self) -> None:
        """Write what is pending to the clients that keep up."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._pending:
            return
        state = self.state
        patch = self._watch.patch() if self._watch is not None else {}
        change = Change(self.epoch, self._pending, state, patch)
        self._joined = len(self._pending) > 1
        self._pending = []
        now = self._flushed_at = self._timing.now()
        stored = change.reports[0][1].stored_at.timestamp()
        for group in self.groups:
            group.advance(change, now, stored)
        if state.ended:
            for group in self.groups:
                for client in group.members:
                    if group.keeps_up(client):
                        self._finish(group, client)

    def join(
        self,
        client: Subscriber,
        view: View | Story,
        framing: Framing,
        cursor: int | None,
        hello: Callable[[bool], bytes],
    ) -> None:
        """Serve a client from `cursor` on (None: it has nothing that leads on from here).

        `hello` frames the first message, told whether what follows continues from the cursor.
        """
        self.flush()
        group = self._group(view, framing)
        client.hub = self
        self.used_at = self._timing.now()
        missed = None if cursor is None else self._missed(group, cursor)
        if missed is not None:
            group.put(client, keeps_up=True)
            self._send(client, hello(True) + missed)
            self._if_ended(group, client)
        elif cursor is not None and view.contiguous:
            client.cursor = cursor
            group.put(client, keeps_up=False)
            self._send(client, hello(True))
            self._fell_behind(client)
        else:
            group.put(client, keeps_up=True)
            snapshot = group.snapshot(self.state, self.epoch)
            if len(snapshot) < LARGE:
                self._send(client, hello(False) + snapshot)
            else:
                self._send(client, hello(False))
                self._send(client, snapshot)
            self._if_ended(group, client)

    def catch_up(self, client: Subscriber) -> bool:
        """Bring a client up to the group from memory; False where memory begins too late."""
        self.flush()
        group = client.group
        if group is None or client.closing_at is not None:
            return True
        missed = self._missed(group, client.cursor)
        if missed is None:
            if group.view.contiguous:
                return False
            missed = group.snapshot(self.state, self.epoch)
            self._metrics.conflations.inc()
        group.put(client, keeps_up=True)
        if missed:
            self._send(client, missed)
        self._if_ended(group, client)
        return True

    def send(self, client: Subscriber, records: Sequence[Record]) -> None:
        """Write a client stored records as its view shows them."""
        group = client.group
        if group is not None:
            missed = group.again(Change(self.epoch, _reports(records), self.state, {}))
            self._send(client, missed, len(records))

    def _send(self, client: Subscriber, data: bytes, events: int = 0) -> None:
        """Write to one client what others do not get."""
        self._metrics.deliveries.sent(len(data), events)
        client.write(data)

    def hold(self, client: Subscriber) -> None:
        """A client has stopped reading: note how far it has come, and write it nothing more."""
        group = client.group
        if group is not None and group.keeps_up(client):
            client.cursor = group.seq
            group.put(client, keeps_up=False)

    def resume(self, client: Subscriber) -> None:
        """A client reads again: give it what stands for what it missed."""
        if client.closing_at is None and not self.catch_up(client):
            self._fell_behind(client)

    def _fell_behind(self, client: Subscriber) -> None:
        client.catching_up = True
        self._behind(self, client)

    def leave(self, client: Subscriber) -> None:
        """A client is gone."""
        self.used_at = self._timing.now()
        group = client.group
        if group is not None:
            group.remove(client)
            if not len(group):
                del self._groups[group.view.name, group.framing.name]
        if self._watch is not None and not any(g.view.patched for g in self._groups.values()):
            self._watch.stop()
            self._watch = None

    def _group(self, view: View | Story, framing: Framing) -> Group:
        name = (view.name, framing.name)
        group = self._groups.get(name)
        if group is None:
            if view.patched and self._watch is None:
                self._watch = Watch(self._fold)
            memory: Ring[bytes] = Ring(self._limits.ring_records, self._limits.ring_bytes)
            group = self._groups[name] = Group(
                view,
                framing,
                seq=self.seq,
                now=self._timing.now(),
                patches=memory,
                deliveries=self._metrics.deliveries,
            )
        return group

    def _missed(self, group: Group, cursor: int) -> bytes | None:
        """What leads from the cursor to the head, from memory; None where it cannot."""
        if cursor == self.seq:
            return b""
        if not group.view.contiguous:
            patches = group.patches.onward(cursor)
            return None if patches is None else b"".join(patches)
        records = self.records.since(cursor)
        if records is None:
            return None
        return group.again(Change(self.epoch, _reports(records), self.state, {}))

    def _if_ended(self, group: Group, client: Subscriber) -> None:
        if self.state.ended and group.keeps_up(client):
            self._finish(group, client)

    def _finish(self, group: Group, client: Subscriber) -> None:
        end = group.frame(group.view.end(self.state)) + group.framing.close()
        self.dismiss(client, end, why="end")

    def dismiss(self, client: Subscriber, last_words: bytes, *, why: str) -> None:
        """Write a client's last bytes, and close once they are sent; it stays known until then."""
        client.ended_by = why
        group = client.group
        if group is not None:
            group.put(client, keeps_up=False)
        client.write(last_words)
        client.closing_at = client.moved_at = self._timing.now()
        client.sink.close()


def _reports(records: Sequence[Record]) -> list[Report]:
    reports: list[Report] = []
    for record in records:
        try:
            reports.append((decode(record.payload), record))
        except MalformedEvent:
            continue
    return reports
