"""Text becomes lines that fit an event; nothing in a text can break one."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.model.events import LogLine
from broker.producer.loglines import BATCH, LARGEST, LONGEST, MOST, Batch, level_of, lines_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def lines(text: str, step: str | None = None) -> list[str]:
    return [line.text for line in decoded(text, step)]


def decoded(text: str, step: str | None = None) -> list[LogLine]:
    made = lines_of(text, time=NOON, level="info", step=step)
    return [msgspec.json.decode(line, type=LogLine) for line in made]


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("info", "info"),
        ("success", "success"),
        ("WARNING", "warning"),
        ("warn", "warning"),
        ("critical", "error"),
        ("loud", None),
        (30, None),
        (None, None),
    ],
)
def test_levels(name: object, level: str | None) -> None:
    assert level == level_of(name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one", ["one"]),
        ("one\ntwo\r\nthree\n", ["one", "two", "three"]),
        ("", [""]),
        ("a\n\nb", ["a", "", "b"]),
        ("a\ud800b", ["a?b"]),
    ],
)
def test_a_text_is_split_into_lines(text: str, expected: list[str]) -> None:
    assert expected == lines(text)


def test_a_long_line_becomes_several() -> None:
    assert [LONGEST, LONGEST, 1] == [len(line) for line in lines("x" * (2 * LONGEST + 1))]


def test_a_huge_text_is_cut_and_says_so() -> None:
    assert "(7 characters are cut)" == lines("x" * (LARGEST + 7))[-1]
    assert [MOST + 1, "(3 lines are cut)"] == [len(made := lines("x\n" * (MOST + 3))), made[-1]]


def test_a_line_carries_its_step_and_time() -> None:
    assert [LogLine(text="a", time=NOON, level="info", step="load")] == decoded("a", "load")
    assert [LogLine(text="a", time=NOON, level="info")] == decoded("a", "")


@given(st.text(), st.text(min_size=1))
def test_no_text_is_too_much_for_an_event(text: str, step: str) -> None:
    """Also not one in which JSON escapes every character."""
    for sample in (text, "\0" * LONGEST + text):
        assert all(
            len(line) < BATCH for line in lines_of(sample, time=NOON, level="info", step=step)
        )


def test_lines_are_joined_until_the_event_is_full() -> None:
    batch = Batch()
    half = b"x" * (BATCH // 2 - 1)
    assert [[], [], [half, half]] == [batch.add(half) for _ in range(3)]
    assert ([half], []) == (batch.take(), batch.take())
