"""A cursor is text that a client may keep, and nothing else reads as one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.model.cursor import Cursor, epoch_of
from tests.unit.runs import T0

epochs = st.from_regex(r"[0-9a-z]{1,16}", fullmatch=True)


@given(epochs, st.integers(0, 10**19 - 1))
def test_parse_is_the_inverse_of_str(epoch: str, seq: int) -> None:
    """Every cursor comes back as it was given out."""
    cursor = Cursor(epoch, seq)
    assert cursor == Cursor.parse(str(cursor))


@given(st.text(max_size=20) | st.from_regex(r"[0-9a-z]*-?[0-9]*\n?"))
def test_a_cursor_has_one_written_form(text: str) -> None:
    """What is read as a cursor is what was written; anything else is none."""
    cursor = Cursor.parse(text)
    assert cursor is None or text == str(cursor)


@pytest.mark.parametrize(
    "text",
    [
        *["", "-", "7", "e1", "e1-", "-7", "e1-07", "e1--7", "e1-+7", "e1-7-7", "e1-7.0", "e1-0x7"],
        *["E1-7", "e1-7 ", " e1-7", "e1-7\n", "e1-\N{ARABIC-INDIC DIGIT ONE}"],
        *["e" * 17 + "-7", "e1-" + "7" * 20],
    ],
)
def test_what_is_no_cursor(text: str) -> None:
    """It is none: the client gets a snapshot."""
    assert Cursor.parse(text) is None


def test_an_example() -> None:
    """The epoch, a dash, the sequence."""
    assert "e1-42" == str(Cursor("e1", 42))
    assert Cursor("e1", 42) == Cursor.parse("e1-42")


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_creation_time_has_an_epoch(created: datetime) -> None:
    """The epoch is short, and fit for a cursor."""
    assert Cursor(epoch_of(created), 1) == Cursor.parse(f"{epoch_of(created)}-1")


def test_a_stream_made_again_has_another_epoch() -> None:
    """A millisecond later is another stream."""
    assert "mjuohs00" == epoch_of(T0)
    assert epoch_of(T0) != epoch_of(T0 + timedelta(milliseconds=1))
