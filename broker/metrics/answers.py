"""How many requests were answered, and in what time: counted for each of them, so it must be cheap.

The counters of prometheus_client can be used from several threads, which takes a lock for each
number; the gateway has one thread.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from broker.metrics.registered import Bound

_ENDPOINT: Final = "the routes of the API, each with its parameters' names, and `unknown`"


class _Times:
    """The times of an endpoint's answers, in buckets."""

    __slots__ = ("buckets", "seconds")

    def __init__(self, buckets: int) -> None:
        self.buckets = [0] * buckets
        self.seconds = 0.0


class _Kind:
    """Answers that are counted together."""

    __slots__ = ("count", "times")

    def __init__(self, times: _Times) -> None:
        self.count = 0
        self.times = times


class Answers(Collector):
    """Counts answers by endpoint, method and code, and times them by endpoint."""

    def __init__(self, prefix: str, bounds: Sequence[float]) -> None:
        """Times are told in buckets up to `bounds`, in seconds, and one for what is longer."""
        self._prefix = prefix
        self._bounds = bounds
        self.labels: dict[str, dict[str, Bound]] = {
            f"{prefix}_http_requests": {
                "endpoint": _ENDPOINT,
                "method": ("GET", "HEAD", "POST", "OPTIONS", "other"),
                "code": "the status codes of docs/api.md; 101 is a WebSocket, 499 a client that "
                "went before it was answered",
            },
            f"{prefix}_http_request_duration_seconds": {"endpoint": _ENDPOINT},
        }
        """The labels of each metric by its name, and what each may be."""
        self._kinds: dict[tuple[str, str, int], _Kind] = {}
        self._times: dict[str, _Times] = {}

    def take(self, endpoint: str, method: str, code: int, seconds: float) -> None:
        """Count and time one answer."""
        kind = self._kinds.get((endpoint, method, code))
        if kind is None:
            kind = self._begin(endpoint, method, code)
        kind.count += 1
        times = kind.times
        times.seconds += seconds
        times.buckets[bisect_left(self._bounds, seconds)] += 1

    def _begin(self, endpoint: str, method: str, code: int) -> _Kind:
        times = self._times.setdefault(endpoint, _Times(len(self._bounds) + 1))
        kind = self._kinds[endpoint, method, code] = _Kind(times)
        return kind

    def collect(self) -> Iterable[Metric]:
        """What Prometheus reads."""
        counts = CounterMetricFamily(
            f"{self._prefix}_http_requests",
            "Requests answered.",
            labels=("endpoint", "method", "code"),
        )
        for (endpoint, method, code), kind in self._kinds.items():
            counts.add_metric((endpoint, method, str(code)), kind.count)
        yield counts
        spent = HistogramMetricFamily(
            f"{self._prefix}_http_request_duration_seconds",
            "Time from a request to its answer.",
            labels=("endpoint",),
        )
        ends = [*map(str, self._bounds), "+Inf"]
        for endpoint, times in self._times.items():
            buckets = list(zip(ends, accumulate(times.buckets), strict=True))
            spent.add_metric((endpoint,), buckets, times.seconds)
        yield spent
