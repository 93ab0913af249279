"""The dashboard for the streams, as the gateways read them from JetStream: no exporter needed."""

from typing import Final

from tools.observability.board import Board, Panel, Query, Row, query, rate

_PREFIX: Final = "progress_broker_stream_"


def _of_each(metric: str, only: str = "") -> str:
    """Every gateway tells of every stream, so one of them is enough."""
    return f"max by (stream) ({_PREFIX}{metric}{only})"


def _used(metric: str, limit: str) -> Query:
    return query(f"{_of_each(metric)} / ({_of_each(limit)} > 0)", "{{stream}}")


_STATE: Final = Row(
    "State",
    (
        Panel(
            "Streams without a leader",
            "short",
            "Good: 0. A stream without a leader takes nothing in and answers nothing; two of its "
            "three servers must be there.",
            (query(f"sum(1 - {_of_each('has_leader')})"),),
            "stat",
            6,
            4,
            bad_above=1,
        ),
        Panel(
            "Replicas missing",
            "short",
            "Replicas that are away or behind, over all streams. Good: 0, and some for minutes "
            "while a NATS server restarts.",
            (query(f"sum({_of_each('replicas')} - {_of_each('replicas_current')})"),),
            "stat",
            6,
            4,
            bad_above=1,
        ),
        Panel(
            "Fullest stream",
            "percentunit",
            "The stream that is nearest to its limit of bytes, of those that have one. Good: below "
            "80 %. DEADLETTER may be full: its oldest go first.",
            (query(f"max({_of_each('bytes')} / ({_of_each('bytes_limit')} > 0))"),),
            "stat",
            6,
            4,
            bad_above=0.8,
        ),
        Panel(
            "Dead letters kept",
            "short",
            "Payloads that were no events. Good: 0. `nats stream view DEADLETTER` shows each with "
            "the reason.",
            (query(_of_each("messages", '{stream="DEADLETTER"}')),),
            "stat",
            6,
            4,
            bad_above=1,
        ),
    ),
)

_SIZE: Final = Row(
    "Size",
    (
        Panel(
            "Bytes",
            "bytes",
            "Bytes of each stream. Good: PROGRESS and LOGS level out after 7 and 3 days. The disk "
            "of each server holds all of them.",
            (query(_of_each("bytes"), "{{stream}}"),),
            "stacked",
        ),
        Panel(
            "Share of the limit",
            "percentunit",
            "Bytes against the limit, of streams that have one. Good: below 80 %. A full DIALECTS "
            "refuses what producers send; a full PROGRESS drops its oldest events early.",
            (_used("bytes", "bytes_limit"),),
            maximum=1,
            bad_above=0.8,
        ),
        Panel(
            "Messages",
            "short",
            "Messages of each stream. Good: as with bytes.",
            (query(_of_each("messages"), "{{stream}}"),),
        ),
        Panel(
            "Subjects",
            "short",
            "Runs with events, with logs and with checkpoints, at about 300 bytes of server memory "
            "each. Good: a million; many more need more memory or a shorter age.",
            (query(_of_each("subjects"), "{{stream}}"),),
        ),
        Panel(
            "Stored a second",
            "ops",
            "Messages stored, by stream: over HTTP and over NATS together. Good: follows the day. "
            "A fall to zero without a night: producers or NATS are gone.",
            (
                query(
                    f"max by (stream) (deriv({_PREFIX}last_sequence[$__rate_interval]))",
                    "{{stream}}",
                ),
            ),
            "stacked",
        ),
        Panel(
            "Consumers",
            "short",
            "Consumers of each stream. Good: one for the projectors, one for each gateway on "
            "KV_RUNS, one for each pipeline with workers on JOBS. At 1,000 a stream takes no more.",
            (query(_of_each("consumers"), "{{stream}}"),),
            bad_above=1000,
        ),
    ),
)

_CLUSTER: Final = Row(
    "Cluster",
    (
        Panel(
            "Replicas that are current",
            "short",
            "Good: 3 of 3 in production. 2: the next loss stops the stream; 1: nothing is taken "
            "in. `nats stream cluster` says who is missing.",
            (query(f"min by (stream) ({_PREFIX}replicas_current)", "{{stream}}"),),
        ),
        Panel(
            "Has a leader",
            "short",
            "Good: 1, the stream answers. 0 for longer than an election (seconds): quorum is lost, "
            "start the servers that are missing.",
            (query(_of_each("has_leader"), "{{stream}}"),),
            maximum=1,
        ),
        Panel(
            "Looks that failed",
            "ops",
            "Times a gateway asked JetStream for a stream and got no answer. Good: none. Then what "
            "this page shows is old.",
            (
                query(
                    rate("progress_broker_stream_info_failures_total", "instance"), "{{instance}}"
                ),
            ),
        ),
        Panel(
            "Round trip",
            "s",
            "Time from a gateway to NATS and back. Good: below 5 ms in one place.",
            (query("progress_broker_nats_rtt_seconds", "{{instance}}"),),
            bad_above=0.1,
        ),
        Panel(
            "Gaps",
            "ops",
            "Live records that JetStream stored and did not tell, found and mended. Good: mended "
            "as fast as found. They come with slow servers and reconnects.",
            (
                query(rate("progress_broker_gaps_total"), "found"),
                query(rate("progress_broker_gaps_mended_total"), "mended"),
            ),
        ),
        Panel(
            "Reconnects",
            "ops",
            "Gateways that lost NATS and came back. Good: none; some while servers restart.",
            (query(rate("progress_broker_nats_reconnects_total", "instance"), "{{instance}}"),),
        ),
    ),
)

_QUEUES: Final = Row(
    "Work, dialects and dead letters",
    (
        Panel(
            "Work queue",
            "short",
            "Runs asked for and not taken to an end. Good: about what workers are busy with. It "
            "grows: start workers.",
            (query(_of_each("messages", '{stream="JOBS"}'), "waiting"),),
        ),
        Panel(
            "Dialects waiting",
            "short",
            "Messages of existing systems that are not translated yet. Good: 0. It grows: the "
            "gateways' log says why, and the stream refuses when it is full.",
            (query(_of_each("messages", '{stream="DIALECTS"}'), "waiting"),),
        ),
        Panel(
            "Dialects translated",
            "ops",
            "Messages of existing systems, by what became of them. Good: `stored`. `refused` says "
            "that a system sends what its own description does not have.",
            (
                query(
                    rate("progress_broker_dialect_messages_total", "dialect,outcome"),
                    "{{dialect}} {{outcome}}",
                ),
            ),
            "stacked",
        ),
        Panel(
            "Dead letters",
            "short",
            "Payloads that were no events, kept for 7 days. Good: none new.",
            (query(_of_each("messages", '{stream="DEADLETTER"}'), "kept"),),
            width=12,
        ),
        Panel(
            "Malformed, as folds meet them",
            "ops",
            "Malformed payloads found in runs. Good: none. A high rate is one producer that speaks "
            "another language.",
            (query(rate("progress_broker_malformed_events_total"), "malformed"),),
            width=12,
        ),
    ),
)

JETSTREAM: Final = Board(
    "progress-broker-jetstream",
    "Progress broker / JetStream",
    "The streams that hold everything: how full, how replicated, what waits in them.",
    (_STATE, _SIZE, _CLUSTER, _QUEUES),
)
