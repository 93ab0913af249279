"""The arithmetic of limits, on a clock that the test owns."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import Overloaded, RateLimited
from broker.gateway.http.limits import BUCKETS, Bucket, Buckets, Rate, Streams, take
from broker.metrics import Metrics

THREE = Rate("poll_rate", 2.0, 3.0)
"""Two a second, three at once."""


def test_a_full_bucket_gives_its_burst_and_then_says_how_long_to_wait() -> None:
    bucket = Bucket(3.0, 10.0)
    waits = []
    for _ in range(5):
        bucket, wait = take(bucket, 10.0, 1.0, THREE)
        waits.append(wait)
    assert [0.0, 0.0, 0.0, 0.5, 0.5] == waits


def test_who_waits_as_told_may_go_on() -> None:
    bucket, wait = take(Bucket(0.0, 10.0), 10.0, 1.0, THREE)
    assert 0.5 == wait
    assert 0.0 == take(bucket, 10.0 + wait, 1.0, THREE)[1]
    assert 0.0 < take(bucket, 10.0 + wait - 0.01, 1.0, THREE)[1]


def test_a_bucket_holds_no_more_than_its_burst() -> None:
    """However long a client was away."""
    bucket, _ = take(Bucket(3.0, 0.0), 1e6, 1.0, THREE)
    assert Bucket(2.0, 1e6) == bucket


def test_more_than_a_burst_is_had_of_a_full_bucket_and_paid_later() -> None:
    """Else a request larger than the burst could never be made."""
    bucket, wait = take(Bucket(3.0, 0.0), 0.0, 7.0, THREE)
    assert (Bucket(-4.0, 0.0), 0.0) == (bucket, wait)
    assert 2.5 == take(bucket, 0.0, 1.0, THREE)[1]
    assert 3.5 == take(bucket, 0.0, 7.0, THREE)[1]


@given(
    st.floats(0.01, 1e4),
    st.floats(1, 1e4),
    st.lists(st.tuples(st.floats(0, 100), st.integers(1, 20_000)), max_size=40),
)
def test_nobody_gets_more_than_the_rate_and_a_burst(
    rate: float, burst: float, asked: list[tuple[float, int]]
) -> None:
    """Whoever asks when and for what; one request more than that is the debt."""
    limit = Rate("poll_rate", rate, burst)
    bucket, now, had = Bucket(burst, 0.0), 0.0, 0.0
    for pause, cost in asked:
        now += pause
        bucket, wait = take(bucket, now, cost, limit)
        assert wait >= 0
        if not wait:
            assert had <= (burst + now * rate) * (1 + 1e-9)
            had += cost
        else:
            again = take(bucket, now + wait * (1 + 1e-9) + 1e-9, cost, limit)[1]
            assert again == pytest.approx(0, abs=1e-6)
        assert bucket.tokens <= burst


class Clock:
    """Seconds as the test has them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_client_has_its_own_bucket() -> None:
    metrics = Metrics()
    buckets = Buckets(Rate("poll_rate", 1.0, 1.0), Clock(), metrics)
    buckets.spend("a")
    buckets.spend("b")
    with pytest.raises(RateLimited) as refused:
        buckets.spend("a")
    assert ("poll_rate", 1.0) == (refused.value.limit, refused.value.wait)
    counted = metrics.registry.get_sample_value(
        "progress_broker_limited_total", {"limit": "poll_rate"}
    )
    assert 1 == counted


def test_a_rate_of_nothing_is_no_limit() -> None:
    buckets = Buckets(Rate("poll_rate", 0.0, 1.0), Clock(), Metrics())
    for _ in range(100):
        buckets.spend("a")


def test_buckets_are_bounded() -> None:
    """The one not used for longest is forgotten, and no other."""
    buckets = Buckets(Rate("poll_rate", 1.0, 1.0), Clock(), Metrics())
    for client in range(BUCKETS):
        buckets.spend(client)
    with pytest.raises(RateLimited):
        buckets.spend(0)
    buckets.spend("one more")
    buckets.spend(1)
    with pytest.raises(RateLimited):
        buckets.spend(0)


async def test_a_stream_that_is_closed_makes_room() -> None:
    streams = Streams(per_client=2, most=3, metrics=Metrics())
    first, _, _ = streams.open("a", "sse"), streams.open("a", "sse"), streams.open("b", "sse")
    with pytest.raises(Overloaded) as full:
        streams.open("c", "sse")
    assert ("streams_max", 3) == (full.value.limit, full.value.value)
    first("client")
    streams.open("a", "sse")("client")
    streams.open("c", "sse")
    with pytest.raises(Overloaded):
        streams.open("a", "sse")


async def test_all_closed_waits_for_the_last() -> None:
    streams = Streams(per_client=0, most=0, metrics=Metrics())
    await streams.all_closed()
    closes = [streams.open("a", "sse") for _ in range(2)]
    closes[0]("client")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await streams.all_closed()
    closes[1]("client")
    await streams.all_closed()
