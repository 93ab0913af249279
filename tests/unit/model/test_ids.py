"""Ids that follow from what they name."""

from hypothesis import given
from hypothesis import strategies as st

from broker.model.ids import id_of

parts = st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4)


@given(parts)
def test_an_id_is_the_same_wherever_it_is_made(names: list[str]) -> None:
    made = id_of(*names)
    assert made == id_of(*names)
    assert (26, True) == (len(made), made.isalnum() and made.isascii() and made[0] in "01234567")


@given(parts, parts)
def test_other_parts_give_another_id(one: list[str], two: list[str]) -> None:
    """Also where they read the same when they are joined."""
    assert (one == two) == (id_of(*one) == id_of(*two))


def test_where_one_part_ends_and_the_next_begins_counts() -> None:
    assert 4 == len({id_of("ab", "c"), id_of("a", "bc"), id_of("abc"), id_of("", "abc")})
