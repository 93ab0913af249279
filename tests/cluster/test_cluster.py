"""A short run through the worst faults, with a seed that is always the same."""

from pathlib import Path

import pytest

from tests.cluster.chaos import chaos
from tests.cluster.plan import Plan

PLAN = Plan(
    seed=7,
    producers=12,
    clients=80,
    faults=(
        "kill-leader",
        "stop-leader",
        "lame-duck 0",
        "two-lost 1",
        "gateway-kill 0",
        "gateway-drain 1",
    ),
    drain=3.0,
    cut=12.0,
    outage=4.0,
)


# nats-py drops the socket of a server that takes connections and then says nothing.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <function StreamWriter.__del__")
@pytest.mark.timeout(240)
async def test_nothing_is_lost_doubled_or_wrong_whatever_dies(tmp_path: Path) -> None:
    report = await chaos(tmp_path, PLAN)
    assert [] == report.faults, str(report)
    assert 1 + len(PLAN.faults) == len(report.recoveries)
    counts = report.counts
    assert counts["acknowledged"] > 1000
    assert counts["events shown"] > 1000
    assert counts["states compared"] > PLAN.clients // 2
    assert counts["posts refused without a quorum"] > 0
    assert counts["requests that led to a run"] > 10
    assert counts["messages of a dialect"] > 50
