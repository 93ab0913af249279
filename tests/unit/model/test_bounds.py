"""What a state holds is bounded, and what is cut can be seen."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.model.bounds import clean, clip, fits
from broker.model.events import (
    ArtifactAdded,
    CommandCancel,
    Event,
    Failure,
    RunAnnotated,
    RunCompleted,
    RunFailed,
    RunHeartbeat,
    RunProgress,
    RunStarted,
    StepCompleted,
    StepProgress,
    StepsCounted,
    StepStarted,
)
from tests import strategies as some
from tests.unit.runs import SMALL, exactly, planned, state_after


@pytest.mark.parametrize(
    ("happened", "truncated"),
    [
        ([StepStarted(step=name) for name in "abc"], {"steps": 1}),
        ([StepProgress(step=name, current=1) for name in "abcc"], {"steps": 2}),
        ([RunStarted(plan=planned(*"abcd"))], {"steps": 2}),
        ([StepsCounted(group=name, counts={}) for name in "abb"], {"groups": 2}),
        ([RunStarted(labels={"a": 1, "b": 2, "c": 3})], {"labels": 1}),
        ([ArtifactAdded(name=name, uri="u") for name in "abc"], {"artifacts": 1}),
        ([RunStarted(attempt=n) for n in (1, 2, 3)], {"attempts": 1}),
        ([CommandCancel(id=name) for name in "abc"], {"commands": 1}),
        ([RunAnnotated(metadata={"long": "x" * 40})], {"metadata": 1}),
        ([StepStarted(step="a", metadata={"long": "x" * 40})], {"metadata": 1}),
        ([StepCompleted(step="a", outputs={"long": "x" * 40})], {"outputs": 1}),
        ([RunCompleted(outputs={"long": "x" * 40})], {"outputs": 1}),
        ([RunHeartbeat(resources={"long": "x" * 40})], {"resources": 1}),
        ([RunFailed(error=Failure(details="x" * 40))], {"details": 1}),
    ],
)
def test_what_does_not_fit_is_counted(happened: list[Event], truncated: dict[str, int]) -> None:
    """The fold goes on, and `truncated` says how often something was left out."""
    state = state_after(*happened, limits=SMALL)
    assert (truncated, len(happened)) == (state.truncated, state.events)


def test_a_known_name_is_never_too_much() -> None:
    """What stands in a full state can still change."""
    state = state_after(
        RunStarted(labels={"a": 1, "b": 2}),
        RunAnnotated(labels={"a": 3}),
        StepStarted(step="x"),
        StepStarted(step="y"),
        StepCompleted(step="x"),
        limits=SMALL,
    )
    assert ({"a": 3, "b": 2}, "completed", {}) == (
        state.labels,
        state.steps["x"].status,
        state.truncated,
    )


def test_long_texts_are_cut_visibly() -> None:
    """An ellipsis shows that a text went on."""
    long = "x" * 100_000
    state = state_after(
        RunStarted(name=long),
        RunProgress(current=1, message=long),
        RunFailed(error=Failure(type=long, message=long, stack=long)),
    )
    assert state.error is not None
    texts = (state.name, state.message, state.error.type, state.error.message, state.error.stack)
    assert [256, 1024, 256, 1024, 16 * 1024] == [len(text or "") for text in texts]
    assert all(text is not None and text.endswith("x…") for text in texts)


def test_documents_lose_what_is_too_deep() -> None:
    """Sixteen levels are kept."""
    deep: Any = "bottom"
    for _ in range(100):
        deep = {"in": deep}
    kept = state_after(RunAnnotated(metadata=deep)).metadata
    levels = 0
    while kept:
        kept, levels = kept["in"], levels + 1
    assert 16 == levels


# --- How values are cut ---------------------------------------------------------------------------


@given(st.none() | st.text(max_size=12), st.integers(1, 9))
def test_a_clipped_text_fits(text: str | None, limit: int) -> None:
    """A text that fits stays as it is; one that does not is cut to the limit."""
    clipped = clip(text, limit)
    if len(text or "") <= limit:
        assert text == clipped
    else:
        assert limit == len(clipped or "")


@given(some.json_values, st.integers(0, 4))
def test_a_cleaned_value_has_no_nulls_to_remove(value: Any, depth: int) -> None:
    """Null members go, whatever is too deep goes, and cleaning twice is cleaning once."""

    def levels(value: Any) -> int:
        inner = value.values() if isinstance(value, dict) else value
        if not isinstance(value, dict | list):
            return 0
        assert isinstance(value, list) or None not in inner
        return 1 + max(map(levels, inner), default=0)

    cleaned = clean(value, depth)
    assert levels(cleaned) <= depth + 1
    assert exactly(cleaned) == exactly(clean(cleaned, depth))


def test_nulls_in_arrays_stay() -> None:
    """An array is replaced as a whole, so it may hold what a member may not."""
    assert {"a": [None, {"c": 1}]} == clean({"a": [None, {"b": None, "c": 1}]})


def test_documents_are_measured_in_bytes_of_json() -> None:
    """The limit is what the document costs on the wire."""
    assert fits({"a": "ü"}, 10)
    assert not fits({"a": "ü"}, 9)
