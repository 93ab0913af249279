"""Metrics of the process: what it is, whether it takes clients, and how busy its loop is."""

import platform
from functools import lru_cache
from importlib.metadata import version

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from broker.metrics.registered import Registered


class ProcessMetrics(Registered):
    """The process, with prometheus_client's own `process_…` and `python_gc_…`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        self.labels |= {f"python_gc_{name}": {"generation": ("0", "1", "2")} for name in _COLLECTED}
        built = _build()
        info = self._gauge(
            "build_info",
            "1; what runs, in the labels.",
            **dict.fromkeys(built, "one version each"),
        )
        info.labels(*built.values()).set(1)
        self.ready = self._gauge("ready", "Whether new clients are welcome, as /readyz says.")
        self.draining = self._gauge("draining", "Whether the gateway is stopping in good order.")
        self.loop_lag = self._seconds(
            "eventloop_lag_seconds", "How much later than asked the event loop came around."
        )


_COLLECTED = ("objects_collected", "objects_uncollectable", "collections")


@lru_cache
def _build() -> dict[str, str]:
    return {
        "version": version("progress-broker"),
        "python": platform.python_version(),
        "aiohttp": version("aiohttp"),
        "nats_py": version("nats-py"),
    }
