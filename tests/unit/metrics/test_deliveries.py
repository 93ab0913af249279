"""What clients are sent is counted as prometheus_client would count each client on its own."""

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from broker.metrics.deliveries import Deliveries

BOUNDS = (0.001, 0.25, 1.0)
STORED = 1000.0


def deliveries(now: float) -> tuple[Deliveries, CollectorRegistry]:
    registry = CollectorRegistry()
    counted = Deliveries("x", BOUNDS, lambda: now)
    registry.register(counted)
    return counted, registry


def test_a_shared_frame_is_a_delivery_for_each_client() -> None:
    counted, registry = deliveries(STORED + 0.25)
    counted.fanned_out("event", 100, 3, 2, STORED)
    counted.fanned_out("patch", 10, 0, 1, STORED)
    counted.shared("list_patch", 7, 2)
    counted.sent(40, 5)
    counted.encoded("snapshot", 1000)
    value = registry.get_sample_value
    assert 3 + 2 == value("x_frames_out_total")
    assert 2 * 3 + 5 == value("x_events_out_total")
    assert 100 * 3 + 7 * 2 + 40 == value("x_bytes_out_total")
    assert {"event": 100, "patch": 10, "list_patch": 7, "snapshot": 1000} == {
        kind: size
        for kind in ("event", "patch", "list_patch", "snapshot", "log", "story")
        if (size := value("x_encoded_bytes_total", {"kind": kind}))
    }
    assert 3 == value("x_fanout_delay_seconds_count")


def test_delays_read_like_a_histogram() -> None:
    """An edge belongs to the bucket that it bounds: the objective is met at 0.25 s, not below."""
    theirs = CollectorRegistry()
    name, text = "x_fanout_delay_seconds", "Delays."
    histogram = Histogram(name, text, registry=theirs, buckets=BOUNDS)
    ours = CollectorRegistry()
    now = STORED
    counted = Deliveries("x", BOUNDS, lambda: now)
    ours.register(counted)
    for delay, clients in ((0.0, 1), (0.25, 2), (0.5, 1), (7.0, 3)):
        now = STORED + delay
        counted.fanned_out("event", 1, clients, 1, STORED)
        for _ in range(clients):
            histogram.observe(delay)

    def samples(registry: CollectorRegistry) -> list[str]:
        rows = generate_latest(registry).decode().split("\n")
        return [row for row in rows if row.startswith(name)]

    assert samples(theirs) == samples(ours)


def test_a_clock_that_is_behind_makes_no_negative_delay() -> None:
    counted, registry = deliveries(STORED - 3)
    counted.fanned_out("event", 1, 2, 1, STORED)
    assert 2 == registry.get_sample_value("x_fanout_delay_seconds_bucket", {"le": "0.001"})
    assert 0 == registry.get_sample_value("x_fanout_delay_seconds_sum")
