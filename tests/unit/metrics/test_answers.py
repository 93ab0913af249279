"""Answers are counted and timed as prometheus_client itself would."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from broker.metrics.answers import Answers

BOUNDS = (0.001, 0.5, 1.0)
TOLD = [
    ("/v1/runs/{run}", "GET", 200, 0.001),
    ("/v1/runs/{run}", "GET", 200, 0.75),
    ("/v1/runs/{run}", "GET", 304, 0.25),
    ("/v1/runs/{run}", "HEAD", 200, 7.0),
    ("unknown", "GET", 404, 0.0),
]


def lines(registry: CollectorRegistry) -> set[str]:
    """What is read, but for when counting began."""
    return {
        line for line in generate_latest(registry).decode().split("\n") if "_created" not in line
    }


def test_they_read_like_a_counter_and_a_histogram() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    answers = Answers("x", BOUNDS)
    ours.register(answers)
    labels = ("endpoint", "method", "code")
    counter = Counter("x_http_requests", "Requests answered.", labels, registry=theirs)
    histogram = Histogram(
        "x_http_request_duration_seconds",
        "Time from a request to its answer.",
        labels[:1],
        registry=theirs,
        buckets=BOUNDS,
    )
    for endpoint, method, code, seconds in TOLD:
        answers.take(endpoint, method, code, seconds)
        counter.labels(endpoint, method, code).inc()
        histogram.labels(endpoint).observe(seconds)
    assert lines(theirs) == lines(ours)
