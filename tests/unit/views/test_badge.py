"""A badge says how a run stands, in a picture that any text fits into and none escapes from."""

import itertools
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.model.state import Progress
from broker.views.badge import COLOURS, LONGEST, UNKNOWN_COLOUR, Badge, badge_of, drawn, unknown
from tests.compat.golden_files import check
from tests.unit.index.rows import summary

SVG = "{http://www.w3.org/2000/svg}"


def read(badge: Badge, **how: Any) -> ET.Element:
    """The picture as a browser reads it."""
    return ET.fromstring(drawn(badge, **how))


def texts(picture: ET.Element) -> list[str]:
    return [text.text or "" for text in picture.iter(f"{SVG}text")]


def test_golden_files() -> None:
    """Byte for byte: a badge is looked at by eye when it changes."""
    run = summary("r1", pipeline="import", name="Monday", progress=Progress(fraction=0.42))
    check(
        "badges",
        {
            "running": drawn(badge_of(run)),
            "failed, square": drawn(badge_of(summary("r1", status="failed")), "square"),
            "labelled": drawn(badge_of(summary("r1", status="completed"), "docs & <tests>")),
            "unknown": drawn(unknown("日本 é")),
        },
    )


@pytest.mark.parametrize(
    ("fraction", "message"),
    [(None, "running"), (0.0, "0%"), (0.5, "50%"), (0.999999, "99%"), (1.0, "100%")],
)
def test_a_percentage_is_never_too_much(fraction: float | None, message: str) -> None:
    """And none is made up."""
    assert message == badge_of(summary("r", progress=Progress(fraction=fraction))).message


@pytest.mark.parametrize("status", COLOURS)
def test_a_status_is_a_word_and_a_colour(status: Any) -> None:
    badge = badge_of(summary("r", status=status, progress=Progress(fraction=None)))
    assert (status, COLOURS[status]) == (badge.message, badge.colour)


@pytest.mark.parametrize("colour", sorted({*COLOURS.values(), UNKNOWN_COLOUR, "#3b424a"}))
def test_white_can_be_read_on_every_colour(colour: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    assert 1.05 / (luminance + 0.05) >= 4.5


def test_what_it_is_called() -> None:
    """As it is asked for; else its pipeline and name; else its id."""
    assert "import / Monday" == badge_of(summary("r", pipeline="import", name="Monday")).label
    assert "import" == badge_of(summary("r", pipeline="import")).label
    assert "r" == badge_of(summary("r")).label
    assert "mine" == badge_of(summary("r", pipeline="import"), "mine").label


def test_it_can_be_heard() -> None:
    picture = read(Badge('a "b" <c>', "failed", "#cf222e"))
    title = picture.find(f"{SVG}title")
    assert title is not None
    assert ("img", 'a "b" <c>: failed', 'a "b" <c>: failed') == (
        picture.get("role"),
        picture.get("aria-label"),
        title.text,
    )


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("x" * 5000, "x" * (LONGEST - 1) + "…"),
        ("", "?"),
        ("\0\x1b\n\t ", "?"),
        ("a\u202eb\u200b\u2066c", "abc"),
        ("\ud800a\uffff", "a"),
        ("</text><script>alert(1)</script>", "</text><script>alert(1)</script>"),
        ("a\r\nb", "a b"),
        ("é\u0301", "é\u0301"),
    ],
)
def test_hostile_labels(label: str, shown: str) -> None:
    """Text stays text, on one line, and not too long."""
    picture = read(Badge(label, "failed", "#cf222e"))
    assert [shown, "failed"] == texts(picture)
    assert [] == [each for each in picture.iter() if each.tag == f"{SVG}script"]


@given(st.text(), st.text())
def test_any_text_has_its_place(label: str, message: str) -> None:
    """Both halves are as wide as they are said to be, beside each other, and within the picture."""
    picture = read(Badge(label, message, "#cf222e"))
    width = int(picture.get("width", "0"))
    spans = [
        (float(text.get("x", 0)) - size / 2, float(text.get("x", 0)) + size / 2)
        for text in picture.iter(f"{SVG}text")
        for size in [int(text.get("textLength", "0"))]
    ]
    edges = [0.0, *itertools.chain(*spans), float(width)]
    assert sorted(edges) == edges
    assert 12 <= width <= 2 * (LONGEST * 11 + 12)
    assert all(1 <= len(text) <= LONGEST for text in texts(picture))


def test_wider_text_has_more_room() -> None:
    """By what the letters are, not by how many."""
    widths = [
        int(read(Badge(label, "x", "#000000")).get("width", "0"))
        for label in ("iiii", "aaaa", "MMMM", "日日日日")
    ]
    assert sorted(set(widths)) == widths
