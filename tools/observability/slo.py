"""The two objectives: recording rules of what was missed, and alerts on how fast the budget goes.

Multi-window, multi-burn-rate: a long window says that it matters, a short one that it still does.
"""

from dataclasses import dataclass
from typing import Any, Final

RUNBOOK: Final = "docs/runbook.md"
"""Where `runbook_url` leads, from the root of the repository."""

LATE: Final = "job:progress_broker_deliveries_late:ratio_rate"
FAILED: Final = "job:progress_broker_stream_opens_failed:ratio_rate"
"""What the shares that were missed are recorded as; the window follows."""

STREAMS: Final = (
    r"/v1/runs/[{]run[}]/(events|logs)|/v1/stream|/v1/ws"
    r"|(/api/v1)?/workflows/stream/[{]run[}]|(/api/v1)?/executions/[{]run[}]/progress/ws"
    r"|(/api/runner|/runner)?/jobs/[{]run[}]/(progress|logs)|(/api)?/ws"
    r"|(/api)?/graphs/[{]graph[}]/executions/[{]run[}]/stream"
)
"""The endpoints, by their routes, where a GET opens a stream."""

_WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
_LEVEL: Final = "namespace, job"


@dataclass(frozen=True)
class Objective:
    """What share may be missed, and how misses and tries are counted."""

    alert: str
    missed: str
    tried: str
    """What the shares and the tries are recorded as."""
    budget: str
    """The share that may be missed."""
    tries: str
    misses: str
    """Both with `$window` for the window, and an answer wherever there were tries."""
    least: str
    """Tries a second below which a share says nothing."""
    summary: str
    description: str


_OPENS: Final = f'progress_broker_http_requests_total{{method="GET",endpoint=~"{STREAMS}"'

OBJECTIVES: Final = (
    Objective(
        alert="ProgressBrokerDeliveryLate",
        missed=LATE,
        tried="job:progress_broker_deliveries:rate",
        budget="0.01",
        tries=f"sum by ({_LEVEL}) (rate(progress_broker_fanout_delay_seconds_count[$window]))",
        misses=(
            f"sum by ({_LEVEL}) (rate(progress_broker_fanout_delay_seconds_count[$window]))"
            f" - sum by ({_LEVEL})"
            ' (rate(progress_broker_fanout_delay_seconds_bucket{le="0.25"}[$window]))'
        ),
        least="0.1",
        summary="Changes reach the people who watch too late.",
        description=(
            "{{ $value | humanizePercentage }} of the deliveries came later than 0.25 s after "
            "the event was stored; 1 % may."
        ),
    ),
    Objective(
        alert="ProgressBrokerStreamsFail",
        missed=FAILED,
        tried="job:progress_broker_stream_opens:rate",
        budget="0.001",
        tries=f"sum by ({_LEVEL}) (rate({_OPENS}}}[$window]))",
        misses=(
            f'(sum by ({_LEVEL}) (rate({_OPENS},code=~"5.."}}[$window]))'
            f" or 0 * sum by ({_LEVEL}) (rate({_OPENS}}}[$window])))"
        ),
        least="0.05",
        summary="Streams cannot be opened.",
        description=(
            "{{ $value | humanizePercentage }} of the tries to open a stream were answered "
            "with a 5xx; 0.1 % may be."
        ),
    ),
)

_BURNS: Final = (
    ("14.4", "1h", "5m", "page"),
    ("6", "6h", "30m", "page"),
    ("3", "1d", "2h", "ticket"),
    ("1", "3d", "6h", "ticket"),
)
"""How many times faster than allowed, over which windows, and how urgent that is."""


def rules() -> dict[str, Any]:
    """The rule file."""
    groups = []
    for objective in OBJECTIVES:
        name = objective.missed.split(":")[1]
        groups.append({"name": f"{name}_recorded", "rules": _recorded(objective)})
        groups.append({"name": f"{name}_alerts", "rules": _alerts(objective)})
    return {"groups": groups}


def _recorded(objective: Objective) -> list[dict[str, Any]]:
    found = []
    for window in _WINDOWS:
        tries = objective.tries.replace("$window", window)
        misses = objective.misses.replace("$window", window)
        found += [
            {"record": f"{objective.tried}{window}", "expr": tries},
            {"record": f"{objective.missed}{window}", "expr": f"({misses}) / ({tries} > 0)"},
        ]
    return found


def _alerts(objective: Objective) -> list[dict[str, Any]]:
    return [
        {
            "alert": objective.alert,
            "expr": (
                f"{objective.missed}{long} > {burn} * {objective.budget}"
                f" and {objective.missed}{short} > {burn} * {objective.budget}"
                f" and {objective.tried}{long} > {objective.least}"
            ),
            "labels": {"severity": severity, "burn": burn},
            "annotations": {
                "summary": objective.summary,
                "description": (
                    f"{objective.description} That is over {burn} times the rate that the budget "
                    f"allows, over {long} and over {short}."
                ),
                "runbook_url": f"{RUNBOOK}#{objective.alert.lower()}",
            },
        }
        for burn, long, short, severity in _BURNS
    ]
