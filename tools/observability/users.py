"""The dashboard for those who use the service: is it up, how quick, how many watch, what fails."""

from typing import Final

from tools.observability.board import CHOSEN, Board, Panel, Query, Row, quantiles, query, rate
from tools.observability.slo import FAILED, LATE

_NOW: Final = Row(
    "Now",
    (
        Panel(
            "Gateways ready",
            "short",
            "Gateways that take new clients. Good: all that were started. With none nobody can "
            "open a page; those who run it are called, and open pages come back by themselves.",
            (query("sum(progress_broker_ready)"),),
            "stat",
            4,
            5,
            bad_below=1,
        ),
        Panel(
            "Streams that open",
            "percentunit",
            "Share of the tries to watch that were let in, over an hour. Good: 99.9 % and more. "
            "Where it is less, pages try again by themselves; tell the operators if it stays.",
            (Query(f"1 - max({FAILED}1h{{{CHOSEN}}})", ""),),
            "stat",
            5,
            5,
            maximum=1,
            bad_below=0.999,
        ),
        Panel(
            "On time",
            "percentunit",
            "Share of the changes that were on their way to your page within a quarter of a "
            "second, over an hour. Good: 99 % and more. Where it is less, what you see is right "
            "but late.",
            (Query(f"1 - max({LATE}1h{{{CHOSEN}}})", ""),),
            "stat",
            5,
            5,
            maximum=1,
            bad_below=0.99,
        ),
        Panel(
            "Connections",
            "short",
            "Pages and tools that watch just now. There is no bad number; a sudden fall means that "
            "something between them and the gateways broke.",
            (query("sum(progress_broker_connections)"),),
            "stat",
            5,
            5,
        ),
        Panel(
            "Runs that can be listed",
            "short",
            "Runs that lists and searches know: those of the last 30 days, at most 200,000. Good: "
            "it grows slowly. Older runs are gone from lists.",
            (query("max(progress_broker_index_runs)"),),
            "stat",
            5,
            5,
        ),
    ),
)

_QUICK: Final = Row(
    "How quick",
    (
        Panel(
            "From stored to sent",
            "s",
            "Time from the moment a change was stored until it was written to a page. Good: p99 "
            "below 0.25 s. Higher for all: the gateways have too much to do, tell the operators.",
            quantiles("progress_broker_fanout_delay_seconds"),
            bad_above=0.25,
        ),
        Panel(
            "Opening a run nobody watched",
            "s",
            "Time to read a run's events and fold them, where no gateway has it in memory. Good: "
            "p95 below 0.5 s. Runs with very many events take longer.",
            quantiles("progress_broker_hub_open_duration_seconds"),
            bad_above=2.5,
        ),
        Panel(
            "Answers to requests",
            "s",
            "Time to answer a request, by percentile over all of them; a request that waits for a "
            "change (?wait=) counts with its wait. Good: p95 below 0.1 s without such waits.",
            quantiles("progress_broker_http_request_duration_seconds"),
        ),
    ),
)

_WATCH: Final = Row(
    "Who watches, and what comes in",
    (
        Panel(
            "Connections by transport",
            "short",
            "Open connections: SSE and WebSocket. There is no bad number; what it should be you "
            "know from last week.",
            (query("sum by (transport) (progress_broker_connections)", "{{transport}}"),),
            "stacked",
        ),
        Panel(
            "Streams opened",
            "ops",
            "Streams opened a second, by what they show. Good: steady. A tower of opens without "
            "more people is pages that reconnect.",
            (query(rate("progress_broker_streams_opened_total", "view"), "{{view}}"),),
            "stacked",
        ),
        Panel(
            "Events",
            "ops",
            "Events that producers stored over HTTP (those over NATS do not pass a gateway), and "
            "events sent to pages. Good: out follows in, multiplied by those who watch.",
            (
                query(rate("progress_broker_events_in_total"), "in over HTTP"),
                query(rate("progress_broker_events_out_total"), "out"),
            ),
        ),
    ),
)

_RUNS: Final = Row(
    "Runs",
    (
        Panel(
            "Runs asked for",
            "ops",
            "Requests to start a pipeline, by what became of them. Good: queued. `repeated` was "
            "asked for twice with the same id, and started once.",
            (query(rate("progress_broker_starts_total", "outcome"), "{{outcome}}"),),
        ),
        Panel(
            "Waiting for a worker",
            "short",
            "Asked-for runs that are not taken yet, or not finished being taken. Good: near zero. "
            "Where it grows, start more workers of that pipeline.",
            (query('max(progress_broker_stream_messages{stream="JOBS"})', "waiting"),),
        ),
        Panel(
            "Commands",
            "ops",
            "Cancel, retry, pause and resume, by outcome. `refused` is a command that the run's "
            "state forbids. Good: no `failed`.",
            (
                query(
                    rate("progress_broker_commands_total", "command,outcome"),
                    "{{command}} {{outcome}}",
                ),
            ),
        ),
        Panel(
            "Runs gone silent",
            "ops",
            "Runs that promised a heartbeat and went silent: shown as lost until they speak again. "
            "Good: none. Where there are some, look at the machines of their workers.",
            (query(rate("progress_broker_runs_lost_total", "outcome"), "{{outcome}}"),),
            width=12,
        ),
        Panel(
            "Events that cannot be read",
            "ops",
            "Stored payloads that are no events: left out of the run and kept as dead letters. "
            "Good: none. Where there are some, a producer speaks another language.",
            (query(rate("progress_broker_malformed_events_total"), "malformed"),),
            width=12,
        ),
    ),
)

_FAILS: Final = Row(
    "What fails",
    (
        Panel(
            "Errors of the service",
            "ops",
            "Answers with 5xx, by endpoint. Good: none. 503 says when to come back; 500 is a "
            "mistake of the broker, tell the operators.",
            (
                query(
                    rate(
                        'progress_broker_http_requests_total{code=~"5..",endpoint!="/readyz"}',
                        "endpoint,code",
                    ),
                    "{{code}} {{endpoint}}",
                ),
            ),
            "stacked",
        ),
        Panel(
            "Refused by a limit",
            "ops",
            "Requests that were too many, by the limit they hit. Good: none. A 429 says when to "
            "come back; if your use is honest, ask for a higher limit.",
            (query(rate("progress_broker_limited_total", "limit"), "{{limit}}"),),
            "stacked",
        ),
        Panel(
            "Pages too slow to follow",
            "short",
            "Pages that read more slowly than the run goes on; they get one snapshot in place of "
            "what they missed. Good: few. Many at once: a slow network between.",
            (
                query("sum(progress_broker_clients_held)", "runs"),
                query("sum(progress_broker_list_clients_held)", "lists"),
                query("sum(progress_broker_log_clients_held)", "logs"),
            ),
            "stacked",
        ),
    ),
)

USERS: Final = Board(
    "progress-broker-users",
    "Progress broker / for its users",
    "Is it up, how quick is it, how many watch, what fails.",
    (_NOW, _QUICK, _WATCH, _RUNS, _FAILS),
)
