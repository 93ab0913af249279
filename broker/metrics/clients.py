"""Metrics of those who read: their connections, what they are sent, and what they are refused."""

from typing import Final

from prometheus_client import CollectorRegistry

from broker.metrics.answers import Answers
from broker.metrics.deliveries import Deliveries
from broker.metrics.registered import PREFIX, SECONDS, Registered

TRANSPORTS: Final = ("sse", "websocket", "poll", "download")
ENDS: Final = (
    "client",
    "end",
    "max_age",
    "idle",
    "slow",
    "drain",
    "interrupted",
    "protocol",
    "limit",
    "unknown_run",
    "error",
)
"""Why a stream ends; docs/metrics.md says what each means."""
VIEWS: Final = (
    "state",
    "events",
    "logs",
    "list",
    "runner",
    "workflows",
    "executions",
    "graphs",
    "jobs",
    "job logs",
)
LIMITS: Final = (
    "poll_rate",
    "open_rate",
    "ingest_rate",
    "streams_per_client",
    "streams_max",
    "stream_runs_total",
    "list_rows",
    "hubs_max",
    "cold_waiting",
    "body_max",
    "subscriptions_per_socket",
    "commands_per_socket",
    "jobs_per_socket",
)


class ClientMetrics(Registered):
    """Connections, deliveries, requests and limits."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        answers = Answers(PREFIX, SECONDS)
        self.registry.register(answers)
        self.labels |= answers.labels
        self.answered = answers.take
        """Counts and times one answer, by endpoint, method and code."""
        self.deliveries = Deliveries(PREFIX, SECONDS)
        self.registry.register(self.deliveries)
        self.labels |= self.deliveries.labels
        self.connections = self._gauge(
            "connections", "Client connections that are held open.", transport=TRANSPORTS
        )
        for transport in TRANSPORTS:
            self.connections.labels(transport)
        self.clients = self._gauge("clients", "Clients that watch a run.")
        self.clients_held = self._gauge(
            "clients_held", "Clients that read too slowly and are waited for."
        )
        self.websockets = self._gauge("websockets", "WebSockets open.")
        self.bundles = self._gauge("bundles", "Event streams of many runs open.")
        self.lists = self._gauge("lists", "Lists of runs held in memory.")
        self.list_clients = self._gauge("list_clients", "Clients that watch a list of runs.")
        self.list_clients_held = self._gauge(
            "list_clients_held", "Clients that read a list too slowly and are waited for."
        )
        self._log_clients = self._gauge("log_clients", "Clients that watch the log of a run.")
        self._log_clients_held = self._gauge(
            "log_clients_held", "Clients that read log lines too slowly and are waited for."
        )
        self.opens = self._counter(
            "streams_opened",
            "Streams opened; of a WebSocket each subscription is one.",
            transport=("sse", "sse-1.0", "ws", "many:sse", "many:sse-1.0"),
            view=VIEWS,
        )
        self.closes = self._counter(
            "streams_closed", "Connections of streams and downloads ended, by why.", reason=ENDS
        )
        self.resumes = self._counter(
            "resumes",
            "Streams opened with a cursor, by what followed.",
            outcome=("resumed", "snapshot", "anew"),
        )
        self.conflations = self._counter(
            "conflations", "Snapshots that stood for changes which a slow client missed."
        )
        self.limited = self._counter("limited", "Requests refused by a limit.", limit=LIMITS)
        self.events_in = self._counter("events_in", "Events stored through HTTP.")
        self.dialect_messages = self._counter(
            "dialect_messages",
            "Messages of existing systems, by what became of them.",
            dialect="the names of docs/compatibility.md, and `unknown`",
            outcome=("stored", "refused"),
        )
        self.commands = self._counter(
            "commands",
            "Commands asked for, by what became of them.",
            command=("cancel", "pause", "resume", "retry"),
            outcome=("given", "repeated", "refused", "failed"),
        )
        self.starts = self._counter(
            "starts", "Runs put on the work queue.", outcome=("queued", "repeated")
        )
        self.attempt_snapshots = self._counter(
            "attempt_snapshots",
            "Snapshots of earlier attempts and moments, by where they came from.",
            outcome=("kept", "folded", "missing"),
        )
        self.attempt_snapshot_bytes = self._gauge(
            "attempt_snapshot_bytes",
            "Bytes of snapshots of earlier attempts and moments kept in memory.",
        )
