"""What clients are sent, and how late: counted for each shared frame, so it must be cheap.

One call stands for all clients that a frame was written to, however many. As with `Answers`, the
counters of prometheus_client would take a lock for each number.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from broker.metrics.registered import Bound

KINDS: Final = ("snapshot", "patch", "event", "story", "log", "list_snapshot", "list_patch")
"""What a frame holds."""


class Deliveries(Collector):
    """Counts frames, events and bytes, and times frames from when their event was stored."""

    def __init__(
        self, prefix: str, bounds: Sequence[float], now: Callable[[], float] = time.time
    ) -> None:
        """Delays are told in buckets up to `bounds`, in seconds; `now` gives seconds since 1970."""
        self._prefix = prefix
        self._bounds = bounds
        self._now = now
        self.labels: dict[str, dict[str, Bound]] = {
            f"{prefix}_frames_out": {},
            f"{prefix}_events_out": {},
            f"{prefix}_bytes_out": {},
            f"{prefix}_encoded_bytes": {"kind": KINDS},
            f"{prefix}_fanout_delay_seconds": {},
        }
        """The labels of each metric by its name, and what each may be."""
        self._frames = 0
        """Those that are in no bucket."""
        self._events = self._bytes = 0
        self._encoded = dict.fromkeys(KINDS, 0)
        self._buckets = [0] * (len(bounds) + 1)
        self._delay = 0.0

    def encoded(self, kind: str, size: int) -> None:
        """A frame of so many bytes was made, for however many."""
        self._encoded[kind] += size

    def shared(self, kind: str, size: int, clients: int) -> None:
        """A frame was made, and written to so many clients."""
        self._encoded[kind] += size
        self._frames += clients
        self._bytes += size * clients

    def fanned_out(self, kind: str, size: int, clients: int, events: int, stored: float) -> None:
        """The same for a frame of events, the oldest `stored` at so many seconds since 1970.

        The clocks of this machine and of the server differ: less than nothing counts as nothing.
        """
        self._encoded[kind] += size
        if clients:
            self._events += events * clients
            self._bytes += size * clients
            delay = self._now() - stored
            if delay < 0.0:
                delay = 0.0
            self._delay += delay * clients
            self._buckets[bisect_left(self._bounds, delay)] += clients

    def sent(self, size: int, events: int = 0) -> None:
        """Bytes were written to one client: a snapshot, or what it missed."""
        self._bytes += size
        self._events += events

    def collect(self) -> Iterable[Metric]:
        """What Prometheus reads."""
        frames = self._frames + sum(self._buckets)
        yield self._counter("frames_out", "Frames of changes written to clients.", frames)
        yield self._counter(
            "events_out", "Events delivered: those of a frame for each client.", self._events
        )
        yield self._counter(
            "bytes_out", "Bytes of frames written to clients, without heartbeats.", self._bytes
        )
        made = CounterMetricFamily(
            f"{self._prefix}_encoded_bytes",
            "Bytes of frames made, each once for however many clients, by what they hold.",
            labels=("kind",),
        )
        for kind, size in self._encoded.items():
            made.add_metric((kind,), size)
        yield made
        ends = [*map(str, self._bounds), "+Inf"]
        yield HistogramMetricFamily(
            f"{self._prefix}_fanout_delay_seconds",
            "Time from when JetStream stored the oldest event of a frame until the frame was "
            "written, for each client.",
            buckets=list(zip(ends, accumulate(self._buckets), strict=True)),
            sum_value=self._delay,
        )

    def _counter(self, name: str, text: str, value: int) -> CounterMetricFamily:
        return CounterMetricFamily(f"{self._prefix}_{name}", text, value=value)
