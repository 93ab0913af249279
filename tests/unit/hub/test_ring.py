"""A ring remembers the newest entries, and knows where its memory begins."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.hub.ring import Ring


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
