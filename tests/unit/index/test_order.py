"""An order is what sorting gives, after any additions and removals, from anywhere, both ways."""

import math
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from broker.runs import order
from broker.runs.order import Order

KEYS = [float((slot * 7) % 5) for slot in range(40)]


def key(slot: int) -> tuple[float, str, int]:
    return (KEYS[slot], f"r{slot:02}", slot)


@given(
    begin=st.sets(st.integers(0, 39)),
    changes=st.lists(st.integers(0, 39), max_size=60),
    place=st.integers(0, 39),
)
def test_it_is_what_sorting_gives(begin: set[int], changes: list[int], place: int) -> None:
    """A change takes a row out that is in, and puts one in that is out."""
    with patch.object(order, "_BLOCK", 4):
        ordered = Order(sorted(begin, key=key), key)
        present = set(begin)
        for slot in changes:
            (ordered.remove if slot in present else ordered.add)(slot)
            present ^= {slot}
        expected = sorted(present, key=key)
        assert expected == list(ordered.upward(()))
        assert expected[::-1] == list(ordered.downward(()))
        at = key(place)[:2]
        later = [slot for slot in expected if key(slot)[:2] > at]
        earlier = [slot for slot in expected if key(slot)[:2] < at]
        assert later == list(ordered.upward((*at, math.inf)))
        assert earlier[::-1] == list(ordered.downward(at))
        if expected:
            assert expected[0] == ordered.first
