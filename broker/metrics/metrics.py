"""All metrics of a gateway."""

import copy

from prometheus_client import CollectorRegistry

from broker.metrics.clients import ClientMetrics
from broker.metrics.process import ProcessMetrics
from broker.metrics.runs import RunMetrics
from broker.metrics.stream import StreamMetrics


class Metrics(ClientMetrics, RunMetrics, StreamMetrics, ProcessMetrics):
    """What the broker counts and measures."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry or CollectorRegistry())

    def of_logs(self) -> "Metrics":
        """The same metrics for hubs of log lines: counted together, but gauged on their own."""
        logs = copy.copy(self)
        logs.hubs = self._log_hubs
        logs.clients, logs.clients_held = self._log_clients, self._log_clients_held
        return logs
