"""`python -m bench SCENARIO [--view NAME] [--json]`; `all` of them, or `smoke`, each briefly."""

import argparse
import os
import sys
from functools import partial

import uvloop

from bench.harness import Report, Scenario, machine, show
from bench.processes import Sharing
from bench.scenarios import (
    commands,
    dashboard,
    fanout,
    fold,
    generator,
    idle,
    latency,
    logs,
    many_runs,
    metrics_cost,
    pages,
    poll,
    projector,
    replay,
    slow,
    storm,
    views,
    websocket,
)
from bench.scenarios import list as listing

SCENARIOS: dict[str, Scenario] = {
    "fold": fold.measure,
    "replay": replay.measure,
    "latency": latency.measure,
    "logs": logs.measure,
    "generator": generator.measure,
    "fanout-latency": fanout.latency,
    "fanout-rate": fanout.rate,
    "fanout-batched": fanout.batched,
    "websocket-latency": websocket.latency,
    "websocket-rate": websocket.rate,
    "websocket-batched": websocket.batched,
    "idle": idle.measure,
    "websocket-idle": idle.websocket,
    "many-runs": many_runs.measure,
    "commands": commands.measure,
    "slow": slow.measure,
    "poll": poll.measure,
    "list": listing.measure,
    "projector": projector.measure,
    "storm": storm.measure,
    "metrics-cost": metrics_cost.measure,
    "dashboard": dashboard.measure,
    "dashboard-pages": pages.measure,
}


IN_VIEWS: dict[str, Scenario] = {
    f"fanout-rate --view {name}": partial(views.rate, name) for name in views.VIEWS
}


def main() -> int:
    """Run what is asked for; 1 if a figure misses its bound."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("scenario", choices=[*SCENARIOS, "all", "smoke"])
    parser.add_argument("--json", action="store_true", help="one JSON object per scenario")
    parser.add_argument(
        "--favour", action="store_true", help="go before others who use the machine (needs root)"
    )
    parser.add_argument(
        "--view",
        choices=views.VIEWS,
        help="of fanout-rate: in the view of an existing interface, and in v1's events",
    )
    called = parser.parse_args()
    if called.view and called.scenario != "fanout-rate":
        parser.error("--view belongs to fanout-rate")
    Sharing.others = called.favour
    Sharing.favour(os.getpid())
    smoke = called.scenario == "smoke"
    missed = False
    for name, scenario in _chosen(called.scenario, called.view).items():
        figures = uvloop.run(scenario(smoke))
        show(Report(name, figures, machine()), as_json=called.json)
        missed = missed or any(figure.reached is False for figure in figures)
    return int(missed and not smoke)


def _chosen(name: str, view: str | None) -> dict[str, Scenario]:
    """What to measure, by its title."""
    if name in ("all", "smoke"):
        return SCENARIOS | IN_VIEWS
    if view is None:
        return {name: SCENARIOS[name]}
    title = f"{name} --view {view}"
    return {title: IN_VIEWS[title]}


if __name__ == "__main__":
    sys.exit(main())
