"""`python -m tests.stress --seed N --seconds S`: exit code 1 if anything was wrong."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.stress.program import stress


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=stress.__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20.0)
    called = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(stress(Path(folder), called.seed, called.seconds))
    sys.stdout.write(f"{report}\n")
    return 1 if report.faults else 0


sys.exit(main())
