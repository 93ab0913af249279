"""Of values that come fast only the latest is kept, and the last one is never lost."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from broker.producer.coalesce import INTERVAL, Coalescer


def latest() -> Coalescer[int]:
    return Coalescer(lambda held, newer: newer)


def test_the_first_after_a_pause_goes_at_once() -> None:
    values = latest()
    assert 1 == values.offer(1, 100.0)
    assert 2 == values.offer(2, 100.0 + INTERVAL)
    assert None is values.due


def test_what_follows_too_soon_is_held_until_it_is_due() -> None:
    values = latest()
    values.offer(1, 100.0)
    assert [None, None] == [values.offer(2, 100.01), values.offer(3, 100.02)]
    assert 100.0 + INTERVAL == values.due
    assert 3 == values.take(100.0 + INTERVAL)
    assert [None, None] == [values.due, values.take(101.0)]


def test_a_held_value_is_merged_with_the_newer() -> None:
    sums: Coalescer[int] = Coalescer(lambda held, newer: held + newer)
    sums.offer(1, 0.0)
    sums.offer(2, 0.01)
    sums.offer(3, 0.02)
    assert 5 == sums.take(0.1)


@given(st.lists(st.floats(0, 0.3), max_size=40))
def test_at_most_ten_a_second_and_the_last_is_sent(pauses: list[float]) -> None:
    """Whenever values come: no two go within the interval, in order, the last among them."""
    values, now, sent = latest(), 1000.0, list[tuple[float, int]]()

    def note(value: int | None) -> None:
        if value is not None:
            sent.append((now, value))

    for number, pause in enumerate(pauses):
        arrival = now + pause
        if values.due is not None and values.due <= arrival:
            now = values.due
            note(values.take(now))
        now = arrival
        note(values.offer(number, now))
    if values.due is not None:
        now = values.due
        note(values.take(now))
    assert all(two[0] - one[0] >= INTERVAL * 0.999 for one, two in pairwise(sent))
    assert [value for _, value in sent] == sorted(value for _, value in sent)
    assert [len(pauses) - 1] * bool(pauses) == [value for _, value in sent[-1:]]
