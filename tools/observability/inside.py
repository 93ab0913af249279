"""Rows of what goes on inside gateways: the list, what is used up, and NATS as they see it."""

from typing import Final

from tools.observability.board import Panel, Row, quantile, query, rate

LIST: Final = Row(
    "Checkpoints and the list",
    (
        Panel(
            "Projector lag",
            "s",
            "Age of the oldest event that is in no checkpoint yet, by gateway. Good: below 2 s. "
            "More: lists are late, and cold opens slower; events are not lost.",
            (query("progress_broker_projector_lag_seconds", "{{instance}}"),),
            bad_above=30,
        ),
        Panel(
            "Checkpoints",
            "ops",
            "Checkpoints stored, those lost to a faster gateway, and tries that failed. Good: few "
            "conflicts, no failures.",
            (
                query(rate("progress_broker_checkpoints_written_total"), "written"),
                query(rate("progress_broker_checkpoint_conflicts_total"), "conflicts"),
                query(
                    rate("progress_broker_projector_failures_total", "doing"), "failed: {{doing}}"
                ),
            ),
        ),
        Panel(
            "Index",
            "short",
            "Runs in the list of each gateway, and checkpoints it has still to take in. Good: "
            "alike on all gateways, and nothing pending.",
            (
                query("progress_broker_index_runs", "runs {{instance}}"),
                query("progress_broker_index_pending", "pending {{instance}}"),
            ),
        ),
    ),
)

USED: Final = Row(
    "What is used up",
    (
        Panel(
            "Event-loop lag, p99",
            "s",
            "How late the loop comes to what is due. Good: below 0.05 s. Over 0.25 s: a gateway "
            "has more to do than one core does; add gateways.",
            (
                query(
                    quantile(0.99, "progress_broker_eventloop_lag_seconds", "instance"),
                    "{{instance}}",
                ),
            ),
            bad_above=0.25,
        ),
        Panel(
            "Processor",
            "percentunit",
            "Share of one core; a gateway uses one. Good: below 70 %.",
            (
                query(
                    "sum by (instance) (rate(process_cpu_seconds_total[$__rate_interval]))",
                    "{{instance}}",
                ),
            ),
            bad_above=0.9,
        ),
        Panel(
            "Memory",
            "bytes",
            "Resident memory. Good: flat over days. Expected are 1.5 KB for each run of the list, "
            "and a few KB for each open stream.",
            (query("process_resident_memory_bytes", "{{instance}}"),),
        ),
        Panel(
            "Open files",
            "percentunit",
            "Share of the file descriptors that a gateway may open; each stream is one. Good: "
            "below 80 %. More: raise `ulimit -n`.",
            (query("process_open_fds / process_max_fds", "{{instance}}"),),
            maximum=1,
            bad_above=0.8,
        ),
        Panel(
            "Starts",
            "short",
            "Starts of each gateway in the last hour. Good: none without a new version. Again and "
            "again: its last log lines say why.",
            (query("changes(process_start_time_seconds[1h])", "{{instance}}"),),
        ),
        Panel(
            "Caches",
            "bytes",
            "Snapshots of earlier attempts that are kept. Bounded; good is any number.",
            (query("progress_broker_attempt_snapshot_bytes", "{{instance}}"),),
        ),
    ),
)

NATS: Final = Row(
    "NATS, as the gateways see it",
    (
        Panel(
            "Round trip",
            "s",
            "Time to NATS and back, by gateway. Good: below 5 ms in one place.",
            (query("progress_broker_nats_rtt_seconds", "{{instance}}"),),
            bad_above=0.1,
        ),
        Panel(
            "Reconnects and errors",
            "ops",
            "Good: none; some while NATS servers restart one by one. `slow_consumer`: the gateway "
            "did not keep up, and reads again what it missed.",
            (
                query(rate("progress_broker_nats_reconnects_total"), "reconnects"),
                query(rate("progress_broker_nats_errors_total", "kind"), "{{kind}}"),
            ),
        ),
        Panel(
            "Gaps found and mended",
            "ops",
            "Live records that did not arrive, and were read again. Good: none, or mended as fast "
            "as found. Not mended: a page shows an old state.",
            (
                query(rate("progress_broker_gaps_total", "found_by"), "found by {{found_by}}"),
                query(rate("progress_broker_gaps_mended_total"), "mended"),
            ),
        ),
    ),
)
