"""`python -m bench SCENARIO [--json]`; `all` runs every scenario, `smoke` each one briefly."""

import argparse
import os
import sys

import uvloop

from bench.harness import Report, Scenario, machine, show
from bench.processes import Sharing
from bench.scenarios import (
    commands,
    fanout,
    fold,
    generator,
    idle,
    latency,
    logs,
    many_runs,
    poll,
    projector,
    replay,
    slow,
    storm,
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
}


def main() -> int:
    """Run what is asked for; 1 if a figure misses its bound."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("scenario", choices=[*SCENARIOS, "all", "smoke"])
    parser.add_argument("--json", action="store_true", help="one JSON object per scenario")
    parser.add_argument(
        "--favour", action="store_true", help="go before others who use the machine (needs root)"
    )
    called = parser.parse_args()
    Sharing.others = called.favour
    Sharing.favour(os.getpid())
    smoke = called.scenario == "smoke"
    names = list(SCENARIOS) if called.scenario in ("all", "smoke") else [called.scenario]
    missed = False
    for name in names:
        figures = uvloop.run(SCENARIOS[name](smoke))
        show(Report(name, figures, machine()), as_json=called.json)
        missed = missed or any(figure.reached is False for figure in figures)
    return int(missed and not smoke)


if __name__ == "__main__":
    sys.exit(main())
