"""What a list holds for those who watch it, and how it tells them of changes."""

import asyncio
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

from broker.gateway.lists.live_lists import ListLimits, LiveLists
from broker.gateway.lists.watched_list import AT_ONCE, WatchedList
from broker.hub.ports import Timing
from broker.hub.subscriber import Subscriber
from broker.metrics import Metrics
from broker.model.patch import merge
from broker.protocol.conversation import ListMessages
from broker.runs.index import Index
from broker.runs.query import Query
from tests.unit.index.rows import an_index, apply, summary
from tests.unit.protocol.test_websocket import theirs

LIMITS = ListLimits(ttl=30, heartbeat=15, idle_timeout=300, stall_timeout=30)


class Reader:
    """A client that has read everything at once."""

    def write(self, data: bytes) -> None:
        pass

    def pending(self) -> int:
        return 0

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


def test_what_is_kept_does_not_grow_with_the_ids_that_clients_choose() -> None:
    """Each has a snapshot of 60 KB framed for it alone."""
    index = an_index()
    apply(index, *(summary(f"r{n}", n, message="x" * 100) for n in range(200)))
    for _ in index.finish():
        pass
    timing = Timing(lambda: 0.0, lambda at, call: asyncio.TimerHandle, float)  # type: ignore[arg-type,return-value]
    lists = LiveLists(index, limits=LIMITS, timing=timing, metrics=Metrics())
    watched = lists.watched(Query(limit=200))

    def come(id: Any) -> None:
        client = Subscriber(Reader(), now=0.0, expires_at=0.0)
        watched.join(client, ListMessages("", id), b"")

    come("first")
    tracemalloc.start()
    try:
        for id in range(200):
            come(id)
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()


class Rounds:
    """A clock that each look at it moves by a millisecond, and what is to be called later."""

    def __init__(self) -> None:
        self.at = 0.0
        self.later: list[Callable[[], None]] = []
        self.timing = Timing(self._now, self._call_at, float)

    def _now(self) -> float:
        self.at += 0.001
        return self.at

    def _call_at(self, at: float, call: Callable[[], None]) -> Any:
        self.later.append(call)

    def round(self) -> None:
        """What a round of the loop calls."""
        calls, self.later = self.later, []
        for call in calls:
            call()


class Socket:
    """A connection with subscriptions; while it is `full` at a write, all of them are held."""

    def __init__(self) -> None:
        self.clients: list[Subscriber] = []
        self.full = False

    def drain(self) -> None:
        """The client has read everything."""
        self.full = False
        for client in self.clients:
            client.resume()


class Viewer(Reader):
    """One id of a list on a socket: folds what it is told."""

    def __init__(self, id: int, watched: WatchedList, socket: Socket | None = None) -> None:
        self.shown: Any = None
        self.told: list[str] = []
        self._socket = socket
        self.client = Subscriber(self, now=0.0, expires_at=0.0)
        if socket is not None:
            socket.clients.append(self.client)
        watched.join(self.client, ListMessages("", id), b"")

    def write(self, data: bytes) -> None:
        said = json.loads(bytes(theirs(data).data))
        self.told.append(said["type"])
        before = None if said["type"] == "snapshot" else self.shown
        self.shown = merge(before, said["data"])
        if self._socket is not None and self._socket.full:
            for client in self._socket.clients:
                client.hold(0.0)


def watched(index: Index, timing: Timing) -> WatchedList:
    """The list of all runs of an index, which has one by now."""
    apply(index, summary("r1", 1))
    for _ in index.finish():
        pass
    lists = LiveLists(index, limits=LIMITS, timing=timing, metrics=Metrics())
    return lists.watched(Query())


def test_many_ids_are_told_some_at_a_time() -> None:
    """Each costs a framing and a write; others have their turn between, and all hear it once."""
    index, rounds = an_index(), Rounds()
    found = watched(index, rounds.timing)
    viewers = [Viewer(id, found) for id in range(100)]
    apply(index, summary("r2", 2))
    found.refresh()
    told = 0
    while found.telling:
        before, told = told, sum("patch" in viewer.told for viewer in viewers)
        assert 0 < told - before <= AT_ONCE * 1000
        rounds.round()
    assert not rounds.later
    for viewer in viewers:
        assert (["snapshot", "patch"], ["r2", "r1"]) == (viewer.told, viewer.shown["order"])


def test_while_some_are_told_the_index_is_not_asked_again() -> None:
    """Patches of one list come in their order."""
    index, rounds = an_index(), Rounds()
    found = watched(index, rounds.timing)
    viewers = [Viewer(id, found) for id in range(20)]
    for run in ("r2", "r3"):
        apply(index, summary(run, int(run[1])))
        found.refresh()
    while found.telling:
        rounds.round()
    assert all(["r2", "r1"] == viewer.shown["order"] for viewer in viewers)
    found.refresh()
    while found.telling:
        rounds.round()
    assert all(["r3", "r2", "r1"] == viewer.shown["order"] for viewer in viewers)


def test_who_comes_or_goes_while_others_are_told() -> None:
    """A newcomer's snapshot has the change already; who shares its framing has it no later."""
    index, rounds = an_index(), Rounds()
    found = watched(index, rounds.timing)
    viewers = [Viewer(id, found) for id in range(20)]
    apply(index, summary("r2", 2))
    found.refresh()
    gone, last = viewers[-2:]
    gone.client.gone()
    newcomer = Viewer(19, found)
    assert (["snapshot", "patch"], ["snapshot"]) == (last.told, newcomer.told)
    while found.telling:
        rounds.round()
    assert (["snapshot"], ["snapshot", "patch"]) == (gone.told, last.told)
    assert last.shown == newcomer.shown == viewers[0].shown


def test_a_socket_that_one_id_fills_misses_nothing_under_the_others() -> None:
    """It is held under all its ids while the change was told to the first alone."""
    index = an_index()
    timing = Timing(lambda: 0.0, lambda at, call: asyncio.TimerHandle, float)  # type: ignore[arg-type,return-value]
    found, socket = watched(index, timing), Socket()
    viewers = [Viewer(id, found, socket) for id in range(3)]
    socket.full = True
    apply(index, summary("r2", 2))
    found.refresh()
    assert [["snapshot", "patch"], ["snapshot"], ["snapshot"]] == [each.told for each in viewers]
    socket.drain()
    assert all(["r2", "r1"] == viewer.shown["order"] for viewer in viewers)


def test_who_is_held_and_reads_on_while_others_are_told() -> None:
    """What it missed stands in one snapshot, behind which no older change comes."""
    index, rounds = an_index(), Rounds()
    found = watched(index, rounds.timing)
    viewers = [Viewer(id, found) for id in range(20)]
    apply(index, summary("r2", 2))
    found.refresh()
    viewers[-1].client.hold(0.0)
    viewers[-1].client.resume()
    while found.telling:
        rounds.round()
    assert ["snapshot", "snapshot"] == viewers[-1].told
    assert all(["r2", "r1"] == viewer.shown["order"] for viewer in viewers)
