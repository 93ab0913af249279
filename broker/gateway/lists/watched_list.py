"""One list that clients watch: what they were shown, and what is to be told of it next.

What is shown is an object `{"rows": {run: row}, "order": [run, …], "counts": {…}, "next"?}`; a
merge patch of it names the rows that changed, came and left. Nothing in here awaits; where many ids
make many framings, a patch is told to some of them at a time.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from broker.hub.fan import Fan
from broker.hub.ports import Timing
from broker.hub.subscriber import Subscriber
from broker.metrics import Metrics
from broker.model.patch import diff
from broker.protocol.sse import Framing
from broker.runs.index import Index, Row
from broker.runs.query import Query

FRAMINGS: Final = 8
"""Framings whose snapshot is kept for who joins next: each id on a WebSocket is one, and a snapshot
may have hundreds of kilobytes."""
AT_ONCE: Final = 0.005
"""Seconds for which a patch is framed and written before others have their turn."""

_encode: Final = msgspec.json.Encoder().encode


class WatchedList:
    """The page of one query, live. Clients of the same transport share every byte."""

    def __init__(
        self,
        query: Query,
        index: Index,
        show: Callable[[Row], dict[str, Any]],
        *,
        timing: Timing,
        metrics: Metrics,
    ) -> None:
        self.query = query
        self.used_at = self.looked_at = self.changed_at = timing.now()
        self._index = index
        self._show = show
        self._timing = timing
        self._conflations, self._deliveries = metrics.conflations, metrics.deliveries
        self._fans: dict[str, Fan] = {}
        self._fan_of: dict[Subscriber, Fan] = {}
        self._asked = -1
        """The version of the index that was asked last."""
        self._changes = 0
        """How often what is shown has changed; a client's cursor is such a number."""
        self._versions: dict[str, int] = {}
        self._shown: dict[str, Any] = {}
        self._snapshots: dict[str, bytes] = {}
        """The snapshot by framing, for a few of these, until the next change."""
        self._encoded: bytes | None = None
        """What they frame."""
        self._untold: dict[Fan, None] = {}
        """Who is to be told the last change still, in that order."""
        self._patch = b""
        """That change."""
        self.told_later = 0.0
        """Seconds that telling took in later rounds; set to 0 by who counts them."""

    @property
    def clients(self) -> list[Subscriber]:
        """Every client."""
        return list(self._fan_of)

    @property
    def telling(self) -> bool:
        """Whether the last change is being told still: until then the index is not asked again."""
        return bool(self._untold)

    def refresh(self) -> None:
        """Ask the index again if it has changed, and tell the clients what is different."""
        if self._untold or self._asked == self._index.version:
            self.looked_at = self._timing.now()
            return
        now = self.looked_at = self._timing.now()
        page = self._index.page(self.query)
        self._asked = self._index.version
        before = self._shown.get("rows", {})
        rows = {
            found.summary.run: before[found.summary.run]
            if self._versions.get(found.summary.run) == found.version
            else self._show(found)
            for found in page.rows
        }
        self._versions = {found.summary.run: found.version for found in page.rows}
        shown: dict[str, Any] = {"rows": rows, "order": list(rows), "counts": page.counts}
        if page.next is not None:
            shown["next"] = page.next
        patch = diff(self._shown, shown)
        if not patch:
            return
        self._shown = shown
        self._changes += 1
        self._snapshots.clear()
        self._encoded = None
        self.changed_at = now
        if self._fans:
            self._patch = _encode(patch)
            self._untold = dict.fromkeys(self._fans.values())
            self._tell_some()

    def _tell_some(self) -> None:
        """Tell the last change for a while, and then in a later round of the loop."""
        until = self._timing.now() + AT_ONCE
        while self._untold:
            now = self._timing.now()
            if now >= until:
                self._timing.call_at(now, self._tell_more)
                return
            self._tell(next(iter(self._untold)), now)
        self._patch = b""

    def _tell_more(self) -> None:
        began = self._timing.now()
        self._tell_some()
        self.told_later += self._timing.now() - began

    def _tell(self, fan: Fan, now: float) -> None:
        """Tell those of a framing the last change, if they were not yet."""
        if fan not in self._untold:
            return
        del self._untold[fan]
        if not fan.idle:
            framed = fan.framing.message("patch", self._patch)
            self._deliveries.shared("list_patch", len(framed), fan.write(framed, now))

    def join(self, client: Subscriber, framing: Framing, hello: bytes) -> None:
        """Serve a client from the whole list on."""
        fan = self._fans.get(framing.name)
        if fan is None:
            fan = self._fans[framing.name] = Fan(framing, now=self._timing.now())
        self._tell(fan, self._timing.now())  # others of it have not what its snapshot tells
        client.hub = self
        self._fan_of[client] = fan
        fan.put(client, keeps_up=True)
        first = hello + self._snapshot(framing)
        self._deliveries.sent(len(first))
        client.write(first)

    def _snapshot(self, framing: Framing) -> bytes:
        framed = self._snapshots.get(framing.name)
        if framed is None:
            if self._encoded is None:
                self._encoded = _encode(self._shown)
            framed = framing.message("snapshot", self._encoded)
            self._deliveries.encoded("list_snapshot", len(framed))
            if len(self._snapshots) >= FRAMINGS:
                del self._snapshots[next(iter(self._snapshots))]
            self._snapshots[framing.name] = framed
        return framed

    def hold(self, client: Subscriber) -> None:
        """A client has stopped reading: note what it has, and write it nothing more."""
        fan = self._fan_of[client]
        if fan.keeps_up(client):
            client.cursor = self._changes - (fan in self._untold)
            fan.put(client, keeps_up=False)

    def resume(self, client: Subscriber) -> None:
        """A client reads again: one snapshot stands for all it missed."""
        fan = self._fan_of[client]
        if client.closing_at is not None:
            return
        self._tell(fan, self._timing.now())
        fan.put(client, keeps_up=True)
        if client.cursor != self._changes:
            self._conflations.inc()
            snapshot = self._snapshot(fan.framing)
            self._deliveries.sent(len(snapshot))
            client.write(snapshot)

    def leave(self, client: Subscriber) -> None:
        """A client is gone."""
        self.used_at = self._timing.now()
        fan = self._fan_of.pop(client)
        fan.remove(client)
        if not len(fan):
            del self._fans[fan.framing.name]
            self._untold.pop(fan, None)

    def beat(self, now: float, pause: float) -> None:
        """Let clients that were told nothing for a while know that the stream is alive."""
        for fan in self._fans.values():
            if fan.framing.heartbeat and now - fan.wrote_at >= pause:
                fan.write(fan.framing.heartbeat, now)

    def dismiss(self, client: Subscriber, retry: int, *, why: str) -> None:
        """End a stream cleanly; the client comes back after so many milliseconds."""
        fan = self._fan_of[client]
        if client.closing_at is not None:
            return
        client.ended_by = why
        fan.put(client, keeps_up=False)
        client.write(fan.framing.retry(retry) + fan.framing.close())
        client.closing_at = client.moved_at = self._timing.now()
        client.sink.close()
