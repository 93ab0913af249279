"""Writes docs/metrics.md from the code; with --check it only compares.

The page, the code and a running gateway agree: `tests/gateway/test_metrics.py`.
"""

import sys
from pathlib import Path
from typing import Final

from prometheus_client.core import Metric

from broker.metrics import Metrics
from broker.metrics.registered import Bound

PAGE: Final = Path(__file__).parents[1] / "docs" / "metrics.md"

_HEAD: Final = """\
# Metrics

A gateway tells these at `GET /metrics`, on its own port if `--admin-listen` gives one. No label \
is ever a run, a tenant or a client, so the number of series is bounded. Written from the code by \
`make schemas`. What the gateway logs: [logs-of-the-gateway.md](logs-of-the-gateway.md).

| metric | kind | labels | what it is |
|---|---|---|---|
"""

_LABELS: Final = """
## What labels may be

A counter with one label whose values are listed begins with each of them at 0.

| label | of | values |
|---|---|---|
"""

_NOTES: Final = """
## What to know of some

- **`fanout_delay_seconds`** begins with the time that JetStream gave the event, to the \
millisecond, and ends when the frame was handed to the sockets: up to a millisecond of it is \
rounding. It counts once for each client that a frame was written to, with the delay of the \
oldest event in the frame, so waiting for a tick shows. Clients that are held, or catch up from \
the stream, do not count. The two clocks must agree: where the gateway's is behind, less than \
nothing counts as 0; where it is ahead, by so much is every delay too long.
- **`events_out_total`** counts an event for each client that it was delivered to, a batch of log \
lines as one. A client of states gets events joined in a patch, and each counts; what a snapshot \
stands for does not.
- **`encoded_bytes_total`** are frames as they were made, once for all clients; `bytes_out_total` \
is what was written: their ratio is what sharing saves.
- **`connections`** counts connections: an event stream of many runs is one `sse`, a WebSocket \
one `websocket` whatever it subscribes to. A `poll` is an answer held by `?wait=`, a `download` an \
answer that is longer than memory should hold.
- **`streams_closed_total`** counts every end of an event stream, WebSocket or download once: \
`client` went (or the network), `end` of the run or of the download, `max_age` and `idle` are \
ended to come back, `slow` took nothing for `stall_timeout` or answered no ping, `drain` as the \
gateway stops, `interrupted` where what was watched was taken away (NATS went while it was read, \
the stream was made anew, the gateway stops at once), `protocol` broke the rules of the \
WebSocket, `limit` insisted on more than a limit allows, `unknown_run`, and `error`, which is a \
mistake of the gateway.
- **`eventloop_lag_seconds`** is sampled four times a second: how much later than asked the loop \
came around. A loop that is stuck answers nothing, `/healthz` included: its probe fails by \
timeout, and that is all it tells. It says nothing of NATS.
- **`stream_…{stream}`** is asked of JetStream every 15 s, once for each stream; while it does not \
answer, the last numbers stay, `stream_has_leader` is 0 and `stream_info_failures_total` counts. \
Every gateway tells the same: take `max`, not `sum`.
- **`nats_connected`** and `nats_reconnects_total` are of the connection that live events come \
over, `nats_errors_total` of all of them.
- **`process_…`** and **`python_gc_…`** are those of prometheus_client, on Linux.
"""


def page() -> str:
    """The page as the code has it."""
    metrics = Metrics()
    told: list[Metric] = sorted(metrics.registry.collect(), key=lambda metric: metric.name)
    rows = [
        f"| `{_name(metric)}` | {metric.type} "
        f"| {', '.join(f'`{label}`' for label in metrics.labels.get(metric.name, ()))} "
        f"| {metric.documentation} |\n"
        for metric in told
    ]
    return _HEAD + "".join(rows) + _LABELS + "".join(_label_rows(metrics, told)) + _NOTES


def _name(metric: Metric) -> str:
    return metric.name + "_total" * (metric.type == "counter")


def _label_rows(metrics: Metrics, told: list[Metric]) -> list[str]:
    """A row for each label, with the metrics that it means the same to."""
    of: dict[tuple[str, Bound], list[str]] = {}
    for metric in told:
        for label, values in metrics.labels.get(metric.name, {}).items():
            of.setdefault((label, values), []).append(f"`{_name(metric)}`")
    return [
        f"| `{label}` | {', '.join(names)} | {_shown(values)} |\n"
        for (label, values), names in sorted(of.items(), key=lambda item: (item[0][0], item[1]))
    ]


def _shown(values: Bound) -> str:
    return values if isinstance(values, str) else ", ".join(f"`{value}`" for value in values)


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        if PAGE.read_text() != page():
            sys.exit("docs/metrics.md is not what the code says: run `make schemas`")
    else:
        PAGE.write_text(page())
