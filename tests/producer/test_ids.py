"""Ids sort in the order in which they were made."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from broker.producer.ids import Ulids

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def clock(*seconds: float) -> Callable[[], datetime]:
    moments = iter([NOON + timedelta(seconds=second) for second in seconds])
    return lambda: next(moments)


def test_an_id_is_a_ulid_of_its_time() -> None:
    """The first 10 characters are the milliseconds since 1970, the others the randomness."""
    new_id = Ulids(
        lambda: datetime(2016, 7, 30, 23, 54, 10, 259000, UTC), lambda count: b"\0" * count
    )
    assert "01ARZ3NDEK" + 15 * "0" + "0" == new_id()


def test_ids_rise_even_when_the_clock_goes_back() -> None:
    new_id = Ulids(clock(0, 0, 0.001, -5, -4), os.urandom)
    made = [new_id() for _ in range(5)]
    assert made == sorted(set(made))
    assert {26} == {len(one) for one in made}


def test_the_largest_randomness_carries_over() -> None:
    new_id = Ulids(clock(0, 0), lambda count: b"\xff" * count)
    assert all(one < two for one, two in pairwise([new_id(), new_id()]))
