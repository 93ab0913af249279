"""`python -m bench SCENARIO [--json]`; `all` runs every scenario, `smoke` each one briefly."""

import argparse
import sys

import uvloop

from bench.harness import Report, Scenario, machine, show
from bench.scenarios import fold, latency, replay

SCENARIOS: dict[str, Scenario] = {
    "fold": fold.measure,
    "replay": replay.measure,
    "latency": latency.measure,
}


def main() -> int:
    """Run what is asked for; 1 if a figure misses its bound."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("scenario", choices=[*SCENARIOS, "all", "smoke"])
    parser.add_argument("--json", action="store_true", help="one JSON object per scenario")
    called = parser.parse_args()
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
