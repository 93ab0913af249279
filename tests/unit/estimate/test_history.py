"""What is remembered of pipelines, and how much."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.metrics import Metrics
from broker.model.summary import Summary
from broker.runs.history import RUNS, STEPS, Histories, History, HistoryLimits, quantile
from tests.unit.estimate.past import ended, history
from tests.unit.runs import at


def run(
    number: int, seconds: float = 10.0, *, pipeline: str = "import", steps: Sequence[str] = ()
) -> Summary:
    """A run that completed `number` seconds after the beginning of time."""
    summary = ended([(step, seconds) for step in steps or ["all"]], f"r{number}")
    return msgspec.structs.replace(summary, ended_at=at(number), pipeline=pipeline)


def histories(**limits: int) -> Histories:
    return Histories(limits=HistoryLimits(**limits), metrics=Metrics())


def test_the_last_hundred_runs_are_remembered() -> None:
    """The oldest goes first, in whatever order they come."""
    found = History()
    for number in [*range(0, 150, 2), *range(1, 150, 2)]:
        found.add(run(number, float(number)))
    assert (RUNS, [float(n) for n in range(50, 150)]) == (len(found), sorted(found.totals))
    found.add(run(3, 3.0))
    assert 50.0 == min(found.totals)


def test_a_run_counts_once() -> None:
    """Its checkpoint may come again, and it may complete another attempt."""
    found = History()
    for seconds in (10.0, 10.0, 20.0):
        found.add(run(1, seconds))
    found.add(run(2, 30.0))
    assert [20.0, 30.0] == sorted(found.totals)
    assert [20.0, 30.0] == found.step("all")


def test_a_run_that_had_no_such_step_says_nothing_of_it() -> None:
    found = history([("a", 1.0), ("b", 2.0)], [("a", 3.0)])
    assert ([1.0, 3.0], [2.0], []) == (found.step("a"), found.step("b"), found.step("c"))


def test_a_run_that_completes_again_says_nothing_of_steps_it_had_before() -> None:
    found = History()
    for steps in (["a", "b"], ["a"]):
        found.add(run(1, steps=steps))
    assert ([10.0], []) == (found.step("a"), found.step("b"))


def test_steps_that_no_run_has_any_more_are_forgotten() -> None:
    """A pipeline may name its steps after what it finds."""
    found = History()
    for number in range(3 * RUNS):
        found.add(run(number, 1.0, steps=[f"file-{number}", f"dir-{number}"]))
    assert STEPS == len(found.steps)
    assert [1.0] == found.step(f"file-{3 * RUNS - 1}")
    assert [] == found.step("file-0")


def test_too_many_steps_are_not_remembered_and_that_is_known() -> None:
    found = History()
    found.add(run(1, steps=[f"s{n}" for n in range(90)]))
    assert found.whole
    found.add(run(2, steps=[f"t{n}" for n in range(90)]))
    found.add(run(3, steps=[f"u{n}" for n in range(90)]))
    assert (STEPS, False) == (len(found.steps), found.whole)


def test_a_run_of_more_steps_than_its_summary_tells_is_known_as_a_whole_alone() -> None:
    found = history([(f"s{n}", 1.0) for n in range(150)])
    assert (1, False) == (len(found), found.whole)
    assert [pytest.approx(150)] == list(found.totals)


def test_a_row_is_written_over_as_a_whole() -> None:
    found = History()
    for number in range(RUNS):
        found.add(run(number, 1.0, steps="ab"))
    for number in range(RUNS, 2 * RUNS):
        found.add(run(number, 3.0, steps="a"))
    assert ([3.0] * RUNS, []) == (found.step("a"), found.step("b"))


@pytest.mark.parametrize("status", ["running", "failed", "cancelled", "lost", "queued"])
def test_only_what_completed_counts(status: str) -> None:
    known = histories()
    known.hear([msgspec.structs.replace(run(1), status=status)])
    known.hear([msgspec.structs.replace(run(1), pipeline=None)])
    known.hear([msgspec.structs.replace(run(1), duration=None)])
    assert (0, None) == (len(known), known.get("default", "import"))


def test_pipelines_of_other_tenants_are_others() -> None:
    known = histories()
    known.hear([run(1), msgspec.structs.replace(run(2), tenant="other")])
    for tenant in ("default", "other"):
        found = known.get(tenant, "import")
        assert found is not None
        assert 1 == len(found)
    assert None is known.get("default", None) is known.get("third", "import")


def test_the_pipelines_that_completed_a_run_last_are_kept() -> None:
    known = histories(pipelines=2)
    known.hear([run(1, pipeline="a"), run(2, pipeline="b"), run(3, pipeline="a")])
    known.hear([run(4, pipeline="c")])
    assert [True, False, True] == [known.get("default", name) is not None for name in "abc"]
    known.clear()
    assert 0 == len(known)


def test_the_steps_of_all_pipelines_are_bounded_together() -> None:
    known = histories(columns=10)
    for number, pipeline in enumerate("abcde"):
        known.hear([run(number, pipeline=pipeline, steps=[f"s{n}" for n in range(4)])])
    assert [False, False, False, True, True] == [
        known.get("default", name) is not None for name in "abcde"
    ]
    known.hear([run(9, pipeline="f", steps=[f"s{n}" for n in range(50)])])
    assert 1 == len(known)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=RUNS), st.floats(0, 1))
def test_a_quantile_lies_where_it_should(values: list[float], level: float) -> None:
    ordered = sorted(values)
    found = quantile(ordered, level)
    assert ordered[0] <= found <= ordered[-1]
    below = sum(value < found for value in ordered)
    assert below <= level * (len(ordered) - 1) + 1
    assert (ordered[0], ordered[-1]) == (quantile(ordered, 0), quantile(ordered, 1))
