"""Every metric of the broker, on a registry that is given, never on a global one."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """What the broker counts and measures. Labels are bounded: never a run or tenant id."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._answers: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.http_requests = self._counter(
            "http_requests", "Requests answered.", "endpoint", "method", "code"
        )
        self.http_seconds = self._seconds(
            "http_request_duration_seconds", "Time from a request to its answer.", "endpoint"
        )
        self.clients = self._gauge("clients", "Clients that watch a run.")
        self.clients_held = self._gauge(
            "clients_held", "Clients that read too slowly and are waited for."
        )
        self.websockets = self._gauge("websockets", "WebSockets open.")
        self.opens = self._counter("streams_opened", "Streams opened.", "transport", "view")
        self.closes = self._counter("streams_closed", "Streams ended by the broker.", "reason")
        self.resumes = self._counter(
            "resumes", "Streams opened with a cursor, by what followed.", "outcome"
        )
        self.events_in = self._counter("events_in", "Events stored through HTTP.")
        self.frames_out = self._counter("frames_out", "Frames written to clients.")
        self.conflations = self._counter(
            "conflations", "Snapshots that stood for changes which a slow client missed."
        )
        self.hubs = self._gauge("hubs", "Runs held in memory.")
        self.hub_opens = self._counter("hub_opens", "Runs opened.", "outcome")
        self.hub_open_seconds = self._seconds(
            "hub_open_duration_seconds", "Time to replay and fold a run."
        )
        self.gaps = self._counter("gaps", "Gaps found in a run's live records.", "found_by")
        self.malformed = self._counter("malformed_events", "Stored payloads that are no events.")
        self.limited = self._counter("limited", "Requests refused by a limit.", "limit")
        self.nats_connected = self._gauge("nats_connected", "Whether NATS is connected.")
        self.nats_reconnects = self._counter("nats_reconnects", "Reconnections to NATS.")

    def answered(self, endpoint: str, method: str, code: int, seconds: float) -> None:
        """Count and time one answer. Looking labels up costs more than counting: it is kept."""
        kept = self._answers.get((endpoint, method, code))
        if kept is None:
            kept = self._answers[endpoint, method, code] = (
                self.http_requests.labels(endpoint, method, code),
                self.http_seconds.labels(endpoint),
            )
        kept[0].inc()
        kept[1].observe(seconds)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"progress_broker_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"progress_broker_{name}", text, registry=self.registry)

    def _seconds(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(
            f"progress_broker_{name}", text, labels, buckets=_SECONDS, registry=self.registry
        )
