"""Metrics of NATS: the connection, what was lost and read again, and the streams themselves."""

from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from broker.metrics.registered import Registered

STREAMS: Final = ("PROGRESS", "LOGS", "DEADLETTER", "KV_RUNS", "KV_GRAPHS", "JOBS", "DIALECTS")
NATS_ERRORS: Final = (
    "slow_consumer",
    "permission",
    "authorization",
    "stale",
    "unreachable",
    "other",
)


class StreamMetrics(Registered):
    """The connections to NATS, and what JetStream tells of the streams."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.nats_connected = self._gauge("nats_connected", "Whether NATS is connected.")
        self.nats_reconnects = self._counter("nats_reconnects", "Reconnections to NATS.")
        self.nats_rtt = self._gauge(
            "nats_rtt_seconds", "Time of the last ping to NATS and back, every 5 s."
        )
        self.nats_errors = self._counter(
            "nats_errors", "Errors that NATS or its connections told.", kind=NATS_ERRORS
        )
        self.gaps = self._counter(
            "gaps",
            "Gaps found in a run's live records.",
            found_by=("chain", "comparison", "cursor", "reconnect"),
        )
        self.gaps_mended = self._counter(
            "gaps_mended", "Gaps that are no more: nothing is missing, or nobody watches."
        )
        self.stream_messages = self._of_stream("messages", "Messages stored in a stream.")
        self.stream_bytes = self._of_stream("bytes", "Bytes that a stream takes.")
        self.stream_bytes_limit = self._of_stream(
            "bytes_limit", "Bytes that a stream may take; 0 is no limit of its own."
        )
        self.stream_subjects = self._of_stream("subjects", "Subjects of a stream with messages.")
        self.stream_consumers = self._of_stream("consumers", "Consumers of a stream.")
        self.stream_last_sequence = self._of_stream(
            "last_sequence", "Sequence of the last message of a stream."
        )
        self.stream_replicas = self._of_stream("replicas", "Replicas that a stream is to have.")
        self.stream_replicas_current = self._of_stream(
            "replicas_current", "Replicas of a stream that have everything, the leader included."
        )
        self.stream_has_leader = self._of_stream(
            "has_leader", "Whether a stream answers and has a leader: without one it takes nothing."
        )
        self.stream_info_failures = self._counter(
            "stream_info_failures", "Streams that did not tell how they are when asked."
        )

    def _of_stream(self, name: str, text: str) -> Gauge:
        return self._gauge(f"stream_{name}", text, stream=STREAMS)
