"""Metrics of runs: hubs, the index, the projector, and what watches over them."""

from prometheus_client import CollectorRegistry

from broker.metrics.registered import Registered


class RunMetrics(Registered):
    """Runs in memory and in checkpoints."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.hubs = self._gauge("hubs", "Runs held in memory.")
        self._log_hubs = self._gauge("log_hubs", "Runs whose log lines are followed.")
        self.hub_opens = self._counter(
            "hub_opens",
            "Runs opened, from their checkpoint or their first event on.",
            outcome=("opened", "NotFound", "StreamUnavailable", "error"),
        )
        self.hub_open_seconds = self._seconds(
            "hub_open_duration_seconds", "Time to replay and fold a run."
        )
        self.malformed = self._counter("malformed_events", "Stored payloads that are no events.")
        self.index_runs = self._gauge("index_runs", "Runs in the index.")
        self.index_built = self._gauge("index_built", "Whether every stored run was indexed.")
        self.index_build = self._gauge(
            "index_build_seconds", "Time from the start until every stored run was indexed."
        )
        self.index_pending = self._gauge("index_pending", "Checkpoints not indexed yet.")
        self.index_evicted = self._counter(
            "index_evicted", "Runs that left the index, as too old or one too many."
        )
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
            "projector_failures",
            "Tries of the projector that failed, by what failed.",
            doing=("work", "take", "read", "catch up"),
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
            "runs_lost",
            "Silent runs, by what became of telling that they are lost.",
            outcome=("appended", "superseded", "unavailable", "failed"),
        )
        self.history_pipelines = self._gauge(
            "history_pipelines", "Pipelines whose last runs are known to estimates."
        )
        self.history_evicted = self._counter(
            "history_evicted", "Pipelines whose last runs were forgotten to make room."
        )
