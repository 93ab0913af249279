"""Rows of what gateways do for clients: requests, streams, and how quick changes go out."""

from typing import Final

from tools.observability.board import Panel, Row, quantile, quantiles, query, rate

STREAMS_MAX: Final = 18_000
"""What `--streams-max` is where nobody says otherwise."""

REQUESTS: Final = Row(
    "Requests and answers",
    (
        Panel(
            "Requests",
            "reqps",
            "Requests answered, by endpoint. Good: follows the day. A tower on one endpoint is one "
            "client that polls; limits hold it, see there.",
            (
                query(
                    f"topk(8, {rate('progress_broker_http_requests_total', 'endpoint')})",
                    "{{endpoint}}",
                ),
            ),
            "stacked",
        ),
        Panel(
            "Answers with 4xx and 5xx",
            "reqps",
            "What was refused or failed, by code. Good: no 500 ever (it is a mistake of ours, the "
            "log has it), 503 only while NATS is away or a gateway drains.",
            (
                query(
                    rate(
                        'progress_broker_http_requests_total{code=~"[45]..",endpoint!="/readyz"}',
                        "code",
                    ),
                    "{{code}}",
                ),
            ),
            "stacked",
        ),
        Panel(
            "Time of answers, p99 by endpoint",
            "s",
            "Good: below 0.25 s. Endpoints that wait for a change are slow on purpose.",
            (
                query(
                    "topk(8, "
                    + quantile(0.99, "progress_broker_http_request_duration_seconds", "endpoint")
                    + ")",
                    "{{endpoint}}",
                ),
            ),
        ),
        Panel(
            "Refused by a limit",
            "reqps",
            "By the setting that refused. Good: none for long. `streams_max`: add gateways; nearly "
            "all others hold one client each.",
            (query(rate("progress_broker_limited_total", "limit"), "{{limit}}"),),
            "stacked",
        ),
        Panel(
            "Events in and out",
            "ops",
            "Events stored over HTTP, and events sent. Good: out is in times the watchers.",
            (
                query(rate("progress_broker_events_in_total"), "in over HTTP"),
                query(rate("progress_broker_events_out_total"), "out"),
            ),
        ),
        Panel(
            "Bytes out",
            "Bps",
            "Bytes written to clients, and bytes encoded once for all of them, by kind. Good: "
            "encoded is far below written. Near it: everybody watches another run, or reads "
            "snapshots.",
            (
                query(rate("progress_broker_bytes_out_total"), "written"),
                query(rate("progress_broker_encoded_bytes_total", "kind"), "encoded {{kind}}"),
            ),
        ),
    ),
)

CLIENTS: Final = Row(
    "Clients",
    (
        Panel(
            "Connections",
            "short",
            f"Open streams of each gateway. It refuses more than {STREAMS_MAX:,} unless told "
            "otherwise. Good: below 80 % of that, and alike on all gateways.",
            (query("sum by (instance) (progress_broker_connections)", "{{instance}}"),),
            bad_above=STREAMS_MAX,
        ),
        Panel(
            "Opened",
            "ops",
            "Streams opened, by transport. Good: about the connections divided by 15 minutes, the "
            "age at which a stream is ended. Ten times as much is a reconnect storm.",
            (query(rate("progress_broker_streams_opened_total", "transport"), "{{transport}}"),),
            "stacked",
        ),
        Panel(
            "Closed, by reason",
            "ops",
            "Why streams ended; docs/metrics.md explains each. Good: client, end, max_age, idle. "
            "`slow`: clients that took nothing for 30 s. `drain`: a gateway stopped.",
            (query(rate("progress_broker_streams_closed_total", "reason"), "{{reason}}"),),
            "stacked",
        ),
        Panel(
            "Resumed",
            "ops",
            "What streams with a cursor got. Good: nearly all `resumed`; a `snapshot` costs more, "
            "and many after a restart mean that rings or streams are too short.",
            (query(rate("progress_broker_resumes_total", "outcome"), "{{outcome}}"),),
            "stacked",
        ),
        Panel(
            "Storm: opens against the hour before",
            "short",
            "How many times more streams are opened than in the hour before. Good: near 1. Over "
            "10 is a reconnect storm: something cut many at once.",
            (
                query(
                    "sum(rate(progress_broker_streams_opened_total[5m]))"
                    " / sum(rate(progress_broker_streams_opened_total[1h] offset 5m))",
                    "times",
                ),
            ),
            bad_above=10,
        ),
        Panel(
            "Held and conflated",
            "short",
            "Clients that read too slowly just now, and snapshots a second that stood for what "
            "they missed. Good: few. Many at once: the network between, or a proxy that buffers.",
            (
                query("sum(progress_broker_clients_held)", "held: runs"),
                query("sum(progress_broker_list_clients_held)", "held: lists"),
                query("sum(progress_broker_log_clients_held)", "held: logs"),
                query(rate("progress_broker_conflations_total"), "conflated a second"),
            ),
        ),
    ),
)

DELIVERY: Final = Row(
    "Delivery",
    (
        Panel(
            "Fan-out delay, heat",
            "s",
            "How many deliveries took how long from stored to written. Good: all in the lowest "
            "rows. A second band far above is one gateway, or one run with a very large state.",
            (
                query(
                    "sum by (le) (increase("
                    "progress_broker_fanout_delay_seconds_bucket[$__rate_interval]))",
                    "{{le}}",
                ),
            ),
            "heatmap",
        ),
        Panel(
            "Fan-out delay",
            "s",
            "The same as percentiles. Good: p99 below 0.25 s, the objective. Above it: loop lag "
            "and processor of the gateways first, then NATS round trip.",
            quantiles("progress_broker_fanout_delay_seconds"),
            bad_above=0.25,
        ),
        Panel(
            "Fan-out delay, p99 by gateway",
            "s",
            "Good: alike. One alone that is high has too much to do, or a bad machine: drain it.",
            (
                query(
                    quantile(0.99, "progress_broker_fanout_delay_seconds", "instance"),
                    "{{instance}}",
                ),
            ),
            bad_above=0.25,
        ),
        Panel(
            "Runs in memory",
            "short",
            "Runs, logs and lists that are held since somebody watches, or did 30 s ago. Good: "
            "about what people look at. Much more: somebody crawls.",
            (
                query("sum(progress_broker_hubs)", "runs"),
                query("sum(progress_broker_log_hubs)", "logs"),
                query("sum(progress_broker_lists)", "lists"),
                query("sum(progress_broker_bundles)", "streams of many runs"),
            ),
        ),
        Panel(
            "Cold opens",
            "ops",
            "Runs read from JetStream since no gateway had them, by outcome. Good: `opened`. "
            "`StreamUnavailable`: NATS does not answer; `NotFound`: links to runs that are gone.",
            (query(rate("progress_broker_hub_opens_total", "outcome"), "{{outcome}}"),),
            "stacked",
        ),
        Panel(
            "Time of a cold open",
            "s",
            "Good: p95 below 0.5 s. Higher: runs without checkpoints (projector lag), or NATS "
            "reads slowly from its disk.",
            quantiles("progress_broker_hub_open_duration_seconds"),
            bad_above=2.5,
        ),
    ),
)
