"""How good estimates are, over pipelines made up with a seed."""

import math
import random
from statistics import median

import pytest

from broker.model.summary import summarize
from broker.runs.estimate import estimate
from tests.unit.estimate.past import Taken, course, history, state_at
from tests.unit.runs import at

USUAL = {"fetch": 10.0, "clean": 60.0, "check": 5.0, "fit": 120.0, "store": 30.0}
JUDGED = 80


def drawn(chance: random.Random, spread: float, shared: float) -> Taken:
    """A run with lognormal steps; `shared` is how far they are slow together."""
    together = chance.gauss(0, 1)
    own = math.sqrt(1 - shared**2)
    return [
        (name, seconds * math.exp(spread * (shared * together + own * chance.gauss(0, 1))))
        for name, seconds in USUAL.items()
    ]


@pytest.mark.parametrize("spread", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("shared", [0.0, 0.9])
@pytest.mark.parametrize("reports", [0, 9])
@pytest.mark.parametrize("side_by_side", [False, True])
def test_nine_in_ten_runs_end_before_the_later_end(
    spread: float, shared: float, reports: int, side_by_side: bool
) -> None:
    """And half of them before the earlier one, roughly; the middle is in the right ballpark."""
    chance = random.Random(20260131)
    runs = [drawn(chance, spread, shared) for _ in range(100)]
    past = history(*runs, side_by_side=side_by_side)
    early = late = total = 0
    errors, plain = [], []
    usual = median(past.totals)
    for _ in range(JUDGED):
        happens = course(drawn(chance, spread, shared), side_by_side=side_by_side, reports=reports)
        end = happens[-1][0]
        for _ in range(4):
            seconds = end * chance.random()
            found = estimate(state_at(happens, seconds), past, at(seconds)).remaining
            assert found is not None
            left = end - seconds
            total += 1
            early += left <= found.p50
            late += left <= found.p90
            errors.append(abs(left - found.p50) / end)
            plain.append(abs(left - max(0.0, usual - seconds)) / end)
    assert 0.75 <= late / total <= 0.99
    assert 0.35 <= early / total <= 0.85
    assert median(errors) <= median(plain) * 1.05
    if reports:
        assert median(errors) < 0.2


@pytest.mark.parametrize("spread", [0.2, 0.5, 1.0])
def test_rows_of_the_list_are_judged_as_honestly(spread: float) -> None:
    """By less: their range is wider, and holds as often."""
    chance = random.Random(20260131)
    past = history(*[drawn(chance, spread, 0.5) for _ in range(100)])
    late = total = 0
    for _ in range(JUDGED):
        happens = course(drawn(chance, spread, 0.5))
        end = happens[-1][0]
        for _ in range(4):
            seconds = end * chance.random()
            row = summarize(state_at(happens, seconds), "e1")
            found = estimate(row, past, at(seconds)).remaining
            assert found is not None
            total += 1
            late += end - seconds <= found.p90
    assert 0.75 <= late / total <= 0.99


@pytest.mark.parametrize("runs", [1, 2, 3, 5, 9, 20])
def test_few_runs_are_honest_too(runs: int) -> None:
    """Over many pipelines, each with so few runs."""
    chance = random.Random(20260131)
    late = total = 0
    for _ in range(150):
        past = history(*[drawn(chance, 0.4, 0.5) for _ in range(runs)])
        happens = course(drawn(chance, 0.4, 0.5))
        end = happens[-1][0]
        seconds = end * chance.random()
        found = estimate(state_at(happens, seconds), past, at(seconds)).remaining
        assert found is not None
        total += 1
        late += end - seconds <= found.p90
    assert 0.75 <= late / total <= 0.99
