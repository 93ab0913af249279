"""How a metric is made: with its prefix, and with what its labels may be."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

PREFIX: Final = "progress_broker"
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets of every time."""

Bound = tuple[str, ...] | str
"""The values that a label may have, or in words what bounds them."""

# For the whole process, as prometheus_client has it: when a counter began tells nothing that is
# not in `process_start_time_seconds`, and is a series more for each.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Registered:
    """Metrics on one registry.

    A counter with one label whose values are listed begins with each at 0, so that the first time
    counts as an increase.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.labels: dict[str, dict[str, Bound]] = {}
        """The labels of each metric by its name, without `_total`, and what each may be."""

    def _counter(self, name: str, text: str, **labels: Bound) -> Counter:
        self.labels[f"{PREFIX}_{name}"] = labels
        counter = Counter(f"{PREFIX}_{name}", text, tuple(labels), registry=self.registry)
        for values in labels.values():
            if len(labels) == 1 and isinstance(values, tuple):
                for value in values:
                    counter.labels(value)
        return counter

    def _gauge(self, name: str, text: str, **labels: Bound) -> Gauge:
        self.labels[f"{PREFIX}_{name}"] = labels
        return Gauge(f"{PREFIX}_{name}", text, tuple(labels), registry=self.registry)

    def _seconds(self, name: str, text: str) -> Histogram:
        self.labels[f"{PREFIX}_{name}"] = {}
        return Histogram(f"{PREFIX}_{name}", text, buckets=SECONDS, registry=self.registry)
