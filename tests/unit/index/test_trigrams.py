"""Texts are found by any term that stands in them, however many have come since the last search."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.runs import trigrams
from broker.runs.trigrams import Trigrams

TEXTS = st.text("abc:", max_size=8)


@pytest.fixture(autouse=True, scope="module")
def _few_together() -> object:
    """So that a short example notes texts in several goes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trigrams, "_TOGETHER", 12)
        yield


@given(st.lists(st.one_of(TEXTS, st.integers(0, 20), st.tuples(TEXTS.filter(bool))), max_size=40))
def test_what_is_found_is_what_holds_the_term(steps: list[str | int | tuple[str]]) -> None:
    """Texts are put, numbers dropped and terms asked for, in any order."""
    found, texts = Trigrams(), dict[int, str]()
    free: list[int] = []
    for step in steps:
        if isinstance(step, tuple):
            [term] = step
            assert {n for n, text in texts.items() if term in text} == set(found.holding(term))
        elif isinstance(step, str):
            number = free.pop() if free else len(texts)
            texts[number] = step
            found.put(number, step)
        elif step in texts:
            found.drop(step)
            del texts[step]
            free.append(step)


def test_a_number_gets_another_text() -> None:
    """Before and after its first was searched; it is found by the last alone."""
    found = Trigrams()
    found.put(0, "first")
    for before, text in (("first", "second"), ("second", "third")):
        found.drop(0)
        found.put(0, text)
        assert ([], [0]) == (list(found.holding(before)), list(found.holding(text)))
