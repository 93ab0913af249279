"""A ring remembers the newest entries, and knows where its memory begins."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.hub.ring import Ring, keep_newest
from broker.model.record import Record
from tests.strategies import BEGINNING


def ring_of(*spans: tuple[int, int], entries: int = 100, size: int = 1_000_000) -> Ring[str]:
    """A ring of entries `after-upto`, ten bytes each."""
    ring: Ring[str] = Ring(entries, size)
    for after, upto in spans:
        ring.append(after, upto, 10, f"{after}-{upto}")
    return ring


steps = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 50)), max_size=30)
"""How far each entry leads, and its bytes."""


@given(steps, st.integers(1, 8), st.integers(1, 200), st.integers(0, 95))
def test_nothing_is_missing_after_the_floor(
    given_steps: list[tuple[int, int]], entries: int, size: int, seq: int
) -> None:
    """What memory gives is all there was after a place; where it would not be all, it is None."""
    ring: Ring[tuple[int, int]] = Ring(entries, size)
    model: list[tuple[int, int, int]] = []
    head = 0
    for length, bytes_ in given_steps:
        ring.append(head, head + length, bytes_, (head, head + length))
        model.append((head, head + length, bytes_))
        head += length
    everything = [(after, upto) for after, upto, _ in model if upto > seq]
    found = ring.since(seq)
    assert (everything if seq >= ring.floor else None) == found
    begins = not everything or everything[0][0] == seq
    assert (everything if seq >= ring.floor and begins else None) == ring.onward(seq)


@given(steps, st.integers(1, 8), st.integers(1, 200))
def test_a_ring_is_bounded(given_steps: list[tuple[int, int]], entries: int, size: int) -> None:
    """Neither more entries nor more bytes than allowed, and no fewer than could be kept."""
    ring: Ring[int] = Ring(entries, size)
    sizes = []
    for head, (_, bytes_) in enumerate(given_steps):
        ring.append(head, head + 1, bytes_, head)
        sizes.append(bytes_)
        kept = sizes[len(sizes) - len(ring) :]
        assert len(ring) <= entries
        assert sum(kept) == ring.size <= size
        one_more = sizes[len(sizes) - len(ring) - 1 :]
        assert len(ring) in (entries, len(sizes)) or sum(one_more) > size


def test_since_gives_what_came_after() -> None:
    """An entry that leads past the place is part of it, also where it began before."""
    ring = ring_of((0, 2), (2, 5), (5, 9))
    assert ["0-2", "2-5", "5-9"] == ring.since(0)
    assert ["2-5", "5-9"] == ring.since(3)
    assert [] == ring.since(9)


def test_onward_begins_exactly_where_asked() -> None:
    """A patch can be applied at its own beginning alone."""
    ring = ring_of((0, 2), (2, 5), (5, 9))
    assert ["2-5", "5-9"] == ring.onward(2)
    assert None is ring.onward(3)
    assert [] == ring.onward(9)


def test_the_oldest_go_first() -> None:
    """What went is not there: None, not a part of it."""
    ring = ring_of((0, 2), (2, 5), (5, 9), entries=2)
    assert (2, 20, 2) == (len(ring), ring.size, ring.floor)
    assert None is ring.since(1)
    assert ["2-5", "5-9"] == ring.since(2)


def test_an_entry_larger_than_the_ring() -> None:
    """It is not kept, and memory begins after it."""
    ring: Ring[Any] = Ring(10, 100)
    ring.append(0, 1, 10, "small")
    ring.append(1, 2, 101, "large")
    assert (0, 0, 2) == (len(ring), ring.size, ring.floor)
    assert None is ring.since(1)
    assert [] == ring.since(2)


def test_clear() -> None:
    """After a gap nothing before it can be given."""
    ring = ring_of((0, 2), (2, 5))
    ring.clear(7)
    assert (0, 0, 7) == (len(ring), ring.size, ring.floor)
    assert (None, []) == (ring.since(5), ring.since(7))


@pytest.mark.parametrize("seq", [0, 5])
def test_an_empty_ring_has_nothing_to_tell(seq: int) -> None:
    """Memory that begins at 0 has missed nothing."""
    ring = ring_of()
    assert ([], []) == (ring.since(seq), ring.onward(seq))


def test_what_came_before_is_put_back_as_far_as_there_is_room() -> None:
    """The newest of it; memory then begins where it does."""
    ring: Ring[str] = Ring(4, 100)
    ring.clear(30)
    ring.append(30, 40, 1, "forty")
    ring.extend_back(5, [(10, 1, "ten"), (20, 1, "twenty"), (30, 1, "thirty")])
    assert ["ten", "twenty", "thirty", "forty"] == ring.since(5)
    assert 5 == ring.floor
    ring.extend_back(0, [(3, 1, "three")])
    assert 3 == ring.floor
    assert None is ring.since(2)
    ring.append(40, 50, 1, "fifty")
    assert ["twenty", "thirty", "forty", "fifty"] == ring.since(ring.floor)


def test_what_is_too_large_to_be_put_back_is_where_memory_begins() -> None:
    ring: Ring[str] = Ring(10, 100)
    ring.clear(30)
    ring.extend_back(0, [(10, 90, "ten"), (20, 60, "twenty")])
    assert ["twenty"] == ring.since(10)
    assert (10, None) == (ring.floor, ring.since(9))


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 8), st.integers(1, 200))
def test_no_more_is_kept_for_a_ring_than_it_takes(
    sizes: list[int], entries: int, size: int
) -> None:
    """And no less: what was kept leads on from where it is said to."""
    records = [Record(seq, BEGINNING, b"x" * n) for seq, n in enumerate(sizes, 11)]
    ring: Ring[Record] = Ring(entries, size)
    for record in records:
        ring.append(record.seq - 1, record.seq, len(record.payload), record)
    kept = list(records)
    after = keep_newest(kept, 10, max_entries=entries, max_bytes=size)
    assert ring.since(after) == kept == records[after - 10 :]
    assert ring.floor in (0, after)
