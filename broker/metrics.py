"""Every metric of the broker, on a registry that is given, never on a global one."""

import copy

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from broker.answers import Answers

_PREFIX = "progress_broker"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """What the broker counts and measures. Labels are bounded: never a run or tenant id."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        answers = Answers(_PREFIX, _SECONDS)
        self.registry.register(answers)
        self.labels: dict[str, tuple[str, ...]] = dict(answers.labels)
        """The labels of each metric, by its name."""
        self.answered = answers.take
        """Counts and times one answer, by endpoint, method and code."""
        self.clients = self._gauge("clients", "Clients that watch a run.")
        self.clients_held = self._gauge(
            "clients_held", "Clients that read too slowly and are waited for."
        )
        self.websockets = self._gauge("websockets", "WebSockets open.")
        self.bundles = self._gauge("bundles", "Event streams of many runs open.")
        self.opens = self._counter("streams_opened", "Streams opened.", "transport", "view")
        self.closes = self._counter("streams_closed", "Streams ended by the broker.", "reason")
        self.resumes = self._counter(
            "resumes", "Streams opened with a cursor, by what followed.", "outcome"
        )
        self.events_in = self._counter("events_in", "Events stored through HTTP.")
        self.dialect_messages = self._counter(
            "dialect_messages",
            "Messages of existing systems, by what became of them.",
            "dialect",
            "outcome",
        )
        self.commands = self._counter(
            "commands", "Commands asked for, by what became of them.", "command", "outcome"
        )
        self.starts = self._counter("starts", "Runs put on the work queue.", "outcome")
        self.frames_out = self._counter("frames_out", "Frames written to clients.")
        self.conflations = self._counter(
            "conflations", "Snapshots that stood for changes which a slow client missed."
        )
        self.index_runs = self._gauge("index_runs", "Runs in the index.")
        self.index_built = self._gauge("index_built", "Whether every stored run was indexed.")
        self.index_build = self._gauge(
            "index_build_seconds", "Time from the start until every stored run was indexed."
        )
        self.index_pending = self._gauge("index_pending", "Checkpoints not indexed yet.")
        self.index_evicted = self._counter(
            "index_evicted", "Runs that left the index, as too old or one too many."
        )
        self.lists = self._gauge("lists", "Lists of runs held in memory.")
        self.list_clients = self._gauge("list_clients", "Clients that watch a list of runs.")
        self.list_clients_held = self._gauge(
            "list_clients_held", "Clients that read a list too slowly and are waited for."
        )
        self.hubs = self._gauge("hubs", "Runs held in memory.")
        self._log_hubs = self._gauge("log_hubs", "Runs whose log lines are followed.")
        self._log_clients = self._gauge("log_clients", "Clients that watch the log of a run.")
        self._log_clients_held = self._gauge(
            "log_clients_held", "Clients that read log lines too slowly and are waited for."
        )
        self.hub_opens = self._counter("hub_opens", "Runs opened.", "outcome")
        self.hub_open_seconds = self._seconds(
            "hub_open_duration_seconds", "Time to replay and fold a run."
        )
        self.gaps = self._counter("gaps", "Gaps found in a run's live records.", "found_by")
        self.malformed = self._counter("malformed_events", "Stored payloads that are no events.")
        self.projector_lag = self._gauge(
            "projector_lag_seconds", "Age of the oldest event taken that is in no checkpoint yet."
        )
        self.projector_dirty = self._gauge(
            "projector_dirty_runs", "Runs with events that are in no checkpoint yet."
        )
        self.projector_acknowledged = self._counter(
            "projector_acknowledged", "Events that are in a checkpoint."
        )
        self.projector_failures = self._counter(
            "projector_failures", "Tries of the projector that failed, by what failed.", "doing"
        )
        self.checkpoints_written = self._counter("checkpoints_written", "Checkpoints stored.")
        self.checkpoint_bytes = self._counter("checkpoint_bytes", "Bytes of checkpoints stored.")
        self.checkpoint_conflicts = self._counter(
            "checkpoint_conflicts", "Checkpoints not stored, since another gateway was faster."
        )
        self.checkpoints_unreadable = self._counter(
            "checkpoints_unreadable", "Checkpoints passed over, since they cannot be read."
        )
        self.silence_watched = self._gauge(
            "silence_watched_runs", "Runs that declared a heartbeat and are listened for."
        )
        self.silence_unwatched = self._counter(
            "silence_unwatched", "Times a run was not listened for, since too many are."
        )
        self.runs_lost = self._counter(
            "runs_lost", "Silent runs, by what became of telling that they are lost.", "outcome"
        )
        self.history_pipelines = self._gauge(
            "history_pipelines", "Pipelines whose last runs are known to estimates."
        )
        self.history_evicted = self._counter(
            "history_evicted", "Pipelines whose last runs were forgotten to make room."
        )
        self.attempt_snapshots = self._counter(
            "attempt_snapshots",
            "Snapshots of earlier attempts, by where they came from.",
            "outcome",
        )
        self.attempt_snapshot_bytes = self._gauge(
            "attempt_snapshot_bytes", "Bytes of snapshots of earlier attempts kept in memory."
        )
        self.limited = self._counter("limited", "Requests refused by a limit.", "limit")
        self.nats_connected = self._gauge("nats_connected", "Whether NATS is connected.")
        self.nats_reconnects = self._counter("nats_reconnects", "Reconnections to NATS.")

    def of_logs(self) -> "Metrics":
        """The same metrics for hubs of log lines: counted together, but gauged on their own."""
        logs = copy.copy(self)
        logs.hubs = self._log_hubs
        logs.clients, logs.clients_held = self._log_clients, self._log_clients_held
        return logs

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        self.labels[f"{_PREFIX}_{name}"] = labels
        return Counter(f"{_PREFIX}_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        self.labels[f"{_PREFIX}_{name}"] = ()
        return Gauge(f"{_PREFIX}_{name}", text, registry=self.registry)

    def _seconds(self, name: str, text: str, *labels: str) -> Histogram:
        self.labels[f"{_PREFIX}_{name}"] = labels
        return Histogram(
            f"{_PREFIX}_{name}", text, labels, buckets=_SECONDS, registry=self.registry
        )
