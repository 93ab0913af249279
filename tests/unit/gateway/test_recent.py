"""What is known of a pipeline's last runs is asked once in a while, for however many clients."""

from unittest.mock import patch

from broker.gateway.lists import recent
from broker.gateway.lists.recent import FRESH_FOR, RecentRuns
from tests.unit.index.rows import an_index, apply, summary


def runs(known: RecentRuns, pipeline: str) -> list[str] | None:
    found = known.of(pipeline)
    return None if found is None else [each.run for each in found.runs]


def test_an_answer_holds_for_a_moment() -> None:
    """But that there is nothing never does."""
    now, index = 100.0, an_index()
    known = RecentRuns(index, lambda: now)
    assert None is runs(known, "a")
    apply(index, summary("r1", pipeline="a", started_at=1))
    assert ["r1"] == runs(known, "a")
    apply(index, summary("r2", pipeline="a", started_at=2))
    assert ["r1"] == runs(known, "a")
    now += FRESH_FOR
    assert ["r2", "r1"] == runs(known, "a")
    index.remove("r1")
    index.remove("r2")
    now += FRESH_FOR
    assert None is runs(known, "a")


def test_few_are_remembered() -> None:
    index = an_index()
    apply(index, *(summary(f"r-{name}", pipeline=name, started_at=1) for name in "abc"))
    known = RecentRuns(index, lambda: 0.0)
    with patch.object(recent, "PIPELINES_MOST", 2):
        for name in "abc":
            assert [f"r-{name}"] == runs(known, name)
        apply(index, *(summary(f"s-{name}", pipeline=name, started_at=2) for name in "abc"))
        assert ["r-c"] == runs(known, "c")
        assert ["s-a", "r-a"] == runs(known, "a")
