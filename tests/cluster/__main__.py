"""`python -m tests.cluster --seed N`: exit code 1 if anything was wrong."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.cluster.chaos import chaos
from tests.cluster.plan import Plan

ROUND = (
    "kill 0",
    "kill 1",
    "kill 2",
    "kill-leader",
    "stop 0",
    "stop-leader",
    "lame-duck 0",
    "lame-duck 1",
    "lame-duck 2",
    "two-lost 0",
    "gateway-kill 0",
    "gateway-kill 1",
    "gateway-drain 0",
    "gateway-drain 1",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=chaos.__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--producers", type=int, default=50)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--faults", default=",".join(ROUND), help="comma separated")
    parser.add_argument("--keep", help="a folder for logs and stores, to be kept")
    called = parser.parse_args()
    faults = tuple(filter(None, called.faults.split(","))) * called.rounds
    plan = Plan(called.seed, called.producers, called.clients, faults)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(called.keep or temporary)
        report = asyncio.run(chaos(folder, plan, lambda row: sys.stderr.write(f"{row}\n")))
    sys.stdout.write(f"{report}\n")
    return 1 if report.faults else 0


sys.exit(main())
