"""The stress program, with a seed that is always the same."""

from pathlib import Path

import pytest

from tests.stress.program import stress


@pytest.mark.timeout(120)
async def test_nothing_is_missing_or_left_over_under_stress(tmp_path: Path) -> None:
    report = await stress(tmp_path, seed=1, seconds=15)
    assert [] == report.faults, str(report)
    counts = report.counts
    assert min(counts["connections"], counts["streams ended"], counts["sleeps"]) > 0
    assert min(counts["resumes_total"], counts["held"]) > 0
    assert 1 == counts["nats_reconnects_total"]
