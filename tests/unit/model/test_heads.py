"""The cursor at the end of several runs names exactly what a client has seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.model.cursor import Cursor
from broker.model.heads import Heads

HEADS = st.dictionaries(st.text("ab.=-", min_size=1), st.integers(1, 2**53), min_size=1)


@given(HEADS)
def test_it_is_read_as_it_was_written(heads: dict[str, int]) -> None:
    cursor = Heads.at_end("e1", heads)
    assert max(heads.values()) == cursor.cursor.seq
    assert cursor == Heads.parse(str(cursor))


@given(HEADS, HEADS)
def test_other_heads_have_another(one: dict[str, int], other: dict[str, int]) -> None:
    assert (one == other) == (Heads.at_end("e", one) == Heads.at_end("e", other))


@given(HEADS)
def test_the_order_of_runs_does_not_matter(heads: dict[str, int]) -> None:
    turned = dict(reversed(heads.items()))
    assert Heads.at_end("e", heads) == Heads.at_end("e", turned)


def test_a_cursor_on_the_way_has_no_digest() -> None:
    assert Heads(Cursor("e1", 7)) == Heads.parse("e1-7")
    assert "e1-7" == str(Heads(Cursor("e1", 7)))


@pytest.mark.parametrize("text", ["", "-", "e1", "e1-7-", "e1-7-12345", "e1-x-12345678", "-7"])
def test_what_is_none(text: str) -> None:
    assert None is Heads.parse(text)
