"""What the marks of a run prove, and how much of them is kept."""

from broker.model.record import Mark, Record
from broker.model.subjects import RunKey
from broker.runs.dirty import DirtyRuns
from broker.stream.unbroken import Unbroken
from tests.strategies import BEGINNING

KEY = RunKey("default", "r1")


def mark(seq: int, payload: bytes = b"{}", since: int = 1) -> Mark:
    return Mark(KEY, Record(seq, BEGINNING, payload), 0.0, b"%d" % seq, since)


def test_deliveries_without_a_gap_bring_everything() -> None:
    """Whatever the sequences in between, which are other streams' or gone."""
    told = Unbroken()
    assert [5, 5, 5] == [told.since(n, seq, again=False) for n, seq in [(1, 5), (2, 6), (3, 9)]]


def test_what_another_gateway_was_given_is_missing() -> None:
    told = Unbroken()
    told.since(1, 5, again=False)
    assert 7 == told.since(3, 7, again=False)
    assert 7 == told.since(4, 8, again=False)


def test_what_is_delivered_again_proves_nothing_and_breaks_nothing() -> None:
    told = Unbroken()
    told.since(1, 5, again=False)
    assert 4 == told.since(2, 3, again=True)
    assert 5 == told.since(3, 6, again=False)


def test_after_a_gap_that_a_repetition_ends_the_next_message_is_the_first() -> None:
    told = Unbroken()
    told.since(1, 5, again=False)
    told.since(4, 3, again=True)
    assert 9 == told.since(5, 9, again=False)


def test_a_consumer_made_anew_begins_anew() -> None:
    told = Unbroken()
    told.since(1, 5, again=False)
    assert 2 == told.since(2, 2, again=False), "it goes back"
    told.end()
    assert 3 == told.since(3, 3, again=False)


def test_records_beyond_the_room_are_read_again() -> None:
    """The run with too many is forgotten, the others stay; what is done makes room."""
    runs = DirtyRuns(bytes_most=10)
    other = RunKey("default", "r2")
    runs.add(mark(1, b"123456")._replace(key=other), 0.0, 0.0)
    runs.add(mark(2, b"123456"), 0.0, 1.0)
    key, kept = runs.visit()
    assert (other, 1, 1) == (key, len(kept.tail), kept.whole_since)
    _, dropped = runs.visit()
    assert (0, 2) == (len(dropped.tail), dropped.upto)
    assert dropped.whole_since > dropped.upto
    runs.done(other, kept, 0.0)
    runs.done(KEY, dropped, 0.0)
    runs.add(mark(3, b"123456"), 0.0, 0.0)
    assert 1 == len(runs.visit()[1].tail)


def test_marks_are_held_again_only_after_a_while() -> None:
    runs = DirtyRuns(bytes_most=10)
    runs.add(mark(1), 0.0, 0.0)
    assert [[], [b"1"], [], [b"1"]] == [runs.held(now, 3.0) for now in (3.0, 3.5, 6.0, 7.0)]
