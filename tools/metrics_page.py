"""Writes docs/metrics.md from the code; with --check it only compares.

The page, the code and a running gateway agree: `tests/gateway/test_metrics.py`.
"""

import sys
from pathlib import Path
from typing import Final

from prometheus_client.core import Metric

from broker.metrics import Metrics

PAGE: Final = Path(__file__).parents[1] / "docs" / "metrics.md"

_HEAD: Final = """\
# Metrics

A gateway tells these at `GET /metrics`, on its own port if `--admin-listen` gives one. No label \
is ever a run, a tenant or a client, so the number of series is bounded. Written from the code by \
`make schemas`.

| metric | kind | labels | what it is |
|---|---|---|---|
"""


def page() -> str:
    """The page as the code has it."""
    metrics = Metrics()
    told: list[Metric] = sorted(metrics.registry.collect(), key=lambda metric: metric.name)
    rows = [
        f"| `{metric.name}{'_total' * (metric.type == 'counter')}` | {metric.type} "
        f"| {', '.join(f'`{label}`' for label in metrics.labels[metric.name])} "
        f"| {metric.documentation} |\n"
        for metric in told
    ]
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        if PAGE.read_text() != page():
            sys.exit("docs/metrics.md is not what the code says: run `make schemas`")
    else:
        PAGE.write_text(page())
