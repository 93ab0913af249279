"""The order is kept, lifecycle events are never dropped, the bounds hold: whatever happens."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from broker.producer.outbox import OVERHEAD, Entry, Kind, Lane, Outbox

LANE = Lane("PROGRESS", "progress.default.r1")
LARGE = 10**9


def entry(name: str, kind: Kind = "lifecycle", size: int = 1) -> Entry:
    return Entry(name, LANE, kind, b"x" * size)


def outbox(*entries: Entry, max_bytes: int = LARGE, max_entries: int = LARGE) -> Outbox:
    box = Outbox(max_bytes=max_bytes, max_entries=max_entries)
    for each in entries:
        box.add(each)
    return box


def taken(box: Outbox) -> list[str]:
    """The names of all that wait, taken one by one."""
    names = []
    while (each := box.take()) is not None:
        names.append(each.id)
    return names


def test_entries_come_out_in_their_order() -> None:
    assert ["a", "b", "c"] == taken(outbox(entry("a"), entry("b", "log"), entry("c", "progress")))


def test_what_was_not_settled_comes_again_in_its_place() -> None:
    a, b, c, d = entry("a"), entry("b", "progress"), entry("c", "log"), entry("d")
    box = outbox(a, b, c, d)
    for _ in range(3):
        box.take()
    box.settle(b)
    box.rewind()
    assert ["a", "c", "d"] == taken(box)


def test_the_oldest_progress_goes_first_then_the_oldest_log() -> None:
    box = outbox(max_entries=3)
    box.add(entry("l1", "log"))
    box.add(entry("p1", "progress"))
    for name in ("e1", "e2", "e3"):
        box.add(entry(name))
    assert ["e1", "e2", "e3"] == taken(box)
    assert {"progress": 1, "log": 1} == box.dropped


def test_lifecycle_events_exceed_the_bound_rather_than_be_lost() -> None:
    box = outbox(*[entry(str(n)) for n in range(5)], max_entries=2)
    assert 1 == box.add(entry("p", "progress"))
    assert list("01234") == taken(box)


def test_bytes_are_bounded_too() -> None:
    box = outbox(max_bytes=3 * (OVERHEAD + 100))
    for n in range(5):
        box.add(entry(str(n), "log", 100))
    assert ["2", "3", "4"] == taken(box)


def test_what_is_on_its_way_is_not_dropped() -> None:
    box = outbox(entry("p1", "progress"), entry("p2", "progress"), max_entries=2)
    box.take()
    box.add(entry("p3", "progress"))
    assert ["p3"] == taken(box)
    assert {"progress": 1} == box.dropped


def test_a_waiting_entry_can_be_settled() -> None:
    sent, waiting = entry("p1", "progress"), entry("p2", "progress")
    box = outbox(sent, waiting, max_entries=2)
    box.take()
    sent.sent_at = (0.0, 0.0)
    box.rewind()
    assert [sent] == list(box.sent_before())
    box.settle(sent)
    assert (waiting.number, 1) == (box.oldest, len(box))
    box.add(entry("e"))
    assert ["p2", "e"] == taken(box)


class Machine(RuleBasedStateMachine):
    """The outbox beside the plain list of everything that was ever added to it."""

    MAX_ENTRIES, MAX_BYTES = 6, 6 * OVERHEAD + 60

    def __init__(self) -> None:
        super().__init__()
        self.box = Outbox(max_bytes=self.MAX_BYTES, max_entries=self.MAX_ENTRIES)
        self.added: list[Entry] = []
        self.away: list[Entry] = []
        self.stored: list[Entry] = []

    @rule(kind=st.sampled_from(["lifecycle", "progress", "log"]), size=st.integers(0, 40))
    def add(self, kind: Kind, size: int) -> None:
        self.added.append(entry(str(len(self.added)), kind, size))
        before = self.box.dropped.total()
        assert self.box.add(self.added[-1]) == self.box.dropped.total() - before

    @rule()
    def take(self) -> None:
        waiting = [one for one in self.added if not one.settled and one not in self.away]
        following = self.box.take()
        assert following is (waiting[0] if waiting else None)
        if following is not None:
            self.away.append(following)

    @precondition(lambda self: self.away)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        one = self.away.pop(data.draw(st.integers(0, len(self.away) - 1)))
        self.box.settle(one)
        self.stored.append(one)

    @rule()
    def rewind(self) -> None:
        self.away.clear()
        self.box.rewind()

    @invariant()
    def lifecycle_is_stored_or_held(self) -> None:
        left = {one.id for one in self.added if not one.settled}
        for one in self.added:
            if one.kind == "lifecycle":
                assert one.id in left or one in self.stored

    @invariant()
    def nothing_is_lost_uncounted(self) -> None:
        left = [one for one in self.added if not one.settled]
        assert len(left) == len(self.box)
        assert sum(one.size for one in left) == self.box.bytes
        assert len(self.added) == len(left) + len(self.stored) + self.box.dropped.total()
        assert (left[0].number if left else len(self.added) + 1) == self.box.oldest

    @invariant()
    def the_bounds_hold_for_what_may_be_dropped(self) -> None:
        if len(self.box) > self.MAX_ENTRIES or self.box.bytes > self.MAX_BYTES:
            waiting = [one for one in self.added if not one.settled and one not in self.away]
            assert {"lifecycle"} >= {one.kind for one in waiting}


TestOutbox = Machine.TestCase
TestOutbox.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
