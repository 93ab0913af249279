"""The dashboard for those who run the gateways: rate, errors, duration, and what is used up."""

from typing import Final

from tools.observability.board import CHOSEN, Board, Panel, Query, Row, query
from tools.observability.inside import LIST, NATS, USED
from tools.observability.serving import CLIENTS, DELIVERY, REQUESTS
from tools.observability.slo import FAILED, LATE

_STATE: Final = Row(
    "State",
    (
        Panel(
            "Up",
            "short",
            "Gateways that Prometheus reaches. Good: all. Less: is the process there, is its "
            "admin port reachable from Prometheus?",
            (query("sum(up)"),),
            "stat",
            4,
            4,
            bad_below=1,
        ),
        Panel(
            "Ready",
            "short",
            "Gateways that take new clients. Good: all that are up. /readyz of one that is not "
            "says why.",
            (query("sum(progress_broker_ready)"),),
            "stat",
            4,
            4,
            bad_below=1,
        ),
        Panel(
            "Draining",
            "short",
            "Gateways that are stopping. Good: 0, or 1 for less than a minute while a new version "
            "goes out.",
            (query("sum(progress_broker_draining)"),),
            "stat",
            4,
            4,
        ),
        Panel(
            "NATS connected",
            "short",
            "Gateways that are connected to NATS. Good: all. One alone that is not: its network; "
            "all: NATS itself.",
            (query("sum(progress_broker_nats_connected)"),),
            "stat",
            4,
            4,
            bad_below=1,
        ),
        Panel(
            "Index built",
            "short",
            "Gateways whose list of runs is whole. Good: all. After a start it takes seconds for "
            "each 100,000 runs.",
            (query("sum(progress_broker_index_built)"),),
            "stat",
            4,
            4,
            bad_below=1,
        ),
        Panel(
            "Versions",
            "short",
            "Versions that run at once. Good: 1, and 2 while a new one goes out.",
            (query("count(count by (version) (progress_broker_build_info))"),),
            "stat",
            4,
            4,
            bad_above=2,
        ),
    ),
)

_BUDGET: Final = Row(
    "Objectives",
    (
        Panel(
            "Deliveries late: how fast the budget burns",
            "short",
            "Good: below 1, which burns the budget of 30 days (1 % later than 0.25 s) in 30 days. "
            "Over 14.4 for an hour somebody is called. Look at fan-out delay, loop lag and "
            "processor below.",
            tuple(
                Query(f"{LATE}{window}{{{CHOSEN}}} / 0.01", f"over {window}")
                for window in ("5m", "1h", "6h", "3d")
            ),
            bad_above=14.4,
            width=12,
        ),
        Panel(
            "Streams that fail: how fast the budget burns",
            "short",
            "Good: below 1, which burns the budget of 30 days (0.1 % of opens) in 30 days. Over "
            "14.4 for an hour somebody is called. Look at answers with 5xx and at NATS below.",
            tuple(
                Query(f"{FAILED}{window}{{{CHOSEN}}} / 0.001", f"over {window}")
                for window in ("5m", "1h", "6h", "3d")
            ),
            bad_above=14.4,
            width=12,
        ),
    ),
)

OPERATORS: Final = Board(
    "progress-broker-operators",
    "Progress broker / for its operators",
    "Rate, errors and duration of what gateways do, and what of theirs is used up.",
    (_STATE, _BUDGET, REQUESTS, CLIENTS, DELIVERY, LIST, USED, NATS),
)
