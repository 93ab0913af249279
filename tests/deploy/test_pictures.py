"""The pictures of the dashboards: drawn for every kind of panel, and shown in the docs."""

import re
from typing import Final
from xml.etree import ElementTree

import pytest

from tools.observability.board import Board, Panel
from tools.observability.files import BOARDS, ROOT
from tools.pictures.chart import Line
from tools.pictures.sheet import sheet
from tools.pictures.units import shown

SPAN: Final = 120.0
PAGE: Final = ROOT / "docs" / "observability.md"


def lines(panel: Panel) -> list[Line]:
    """Three series; those of a heat map are its buckets."""
    names = ("0.1", "1", "+Inf") if panel.kind == "heatmap" else ("a", "b", "<c & d>")
    return [
        Line(name, [(at, at * number) for at in (0.0, 60.0, SPAN)])
        for number, name in enumerate(names)
    ]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_a_board_is_drawn_with_every_panel(board: Board) -> None:
    found = {panel.title: lines(panel) for panel in board.panels()}
    texts = set(ElementTree.fromstring(sheet(board, found, SPAN)).itertext())
    assert {panel.title for panel in board.panels()} <= texts
    assert "nothing to show" not in texts


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_a_board_is_drawn_without_any_series(board: Board) -> None:
    nothing: dict[str, list[Line]] = {panel.title: [] for panel in board.panels()}
    texts = list(ElementTree.fromstring(sheet(board, nothing, SPAN)).itertext())
    assert len(nothing) == texts.count("nothing to show")


def test_the_pictures_of_the_docs_show_the_boards_as_they_are() -> None:
    shown_there = re.findall(r"!\[.+\]\((pictures/\w+\.svg)\)", PAGE.read_text())
    assert len(BOARDS) == len(shown_there)
    for board, name in zip(BOARDS, shown_there, strict=True):
        texts = set(ElementTree.parse(PAGE.parent / name).getroot().itertext())
        old = {panel.title for panel in board.panels()} - texts
        assert not old, f"{name} lacks {old}: run `make pictures`"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "s", "0 s"),
        (0.00025, "s", "250 µs"),
        (0.0421, "s", "42.1 ms"),
        (2.5, "s", "2.5 s"),
        (0.9995, "percentunit", "99.95 %"),
        (0.125, "percentunit", "12.5 %"),
        (1536, "bytes", "1.5 KiB"),
        (93_700, "Bps", "93.7 kB/s"),
        (12, "ops", "12/s"),
        (18_000, "short", "18 k"),
    ],
)
def test_numbers_are_short(value: float, unit: str, text: str) -> None:
    assert text == shown(value, unit)
