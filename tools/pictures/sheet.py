"""A whole dashboard as one SVG, readable on light and on dark pages."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from tools.observability.board import WIDTH, Board, Panel
from tools.pictures.chart import COLOURS, Box, Line, drawn

_COLUMN, _UNIT, _GAP, _HEADING = 40, 25, 6, 30
_LIGHT: Final = ("1f77b4", "d9640a", "2a8a3a", "b3261e", "7b4fb5", "8c5a3c", "b8348f", "5f6b76")
_DARK: Final = ("6cb2f0", "ffa057", "6fd07f", "ff8a80", "c3a1f5", "d3a78b", "f08fd3", "aab6c1")


def sheet(board: Board, found: Mapping[str, Sequence[Line]], span: float) -> str:
    """The board with its panels' series, by title; `span` is the time shown, in seconds."""
    parts: list[str] = []
    y = 0.0
    for row in board.rows:
        parts.append(f'<text class="row" x="4" y="{y + 20:g}">{escape(row.title)}</text>')
        y += _HEADING
        x, height = 0, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, height = 0, y + height * _UNIT, 0
            parts.append(drawn(panel, found[panel.title], _box(panel, x, y), span))
            x, height = x + panel.width, max(height, panel.height)
        y += height * _UNIT
    width, bottom = WIDTH * _COLUMN, y + _GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom:g}" '
        f'width="{width}" height="{bottom:g}" role="img">'
        f"<title>{escape(board.title)}</title><style>{_style()}</style>"
        f'<rect class="sheet" width="{width}" height="{bottom:g}"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _box(panel: Panel, column: int, y: float) -> Box:
    return Box(
        column * _COLUMN + _GAP / 2,
        y,
        panel.width * _COLUMN - _GAP,
        panel.height * _UNIT - _GAP,
    )


def _style() -> str:
    light = _colours("f4f5f7", "ffffff", "d5d9de", "24292f", "5b6570", "e3e6ea", _LIGHT)
    dark = _colours("111418", "1a1f25", "343b44", "e6e9ec", "9aa5b1", "2a3139", _DARK)
    series = "".join(f".c{n}{{stroke:var(--c{n});fill:var(--c{n})}}" for n in range(COLOURS))
    return (
        f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
        "text{font:10px system-ui,sans-serif;fill:var(--text)}"
        ".sheet{fill:var(--sheet)}.panel{fill:var(--panel);stroke:var(--edge)}"
        ".row{font-size:14px;font-weight:600}.title{font-size:11.5px;font-weight:600}"
        ".tick,.name,.none{fill:var(--faint)}.tick,.none,.number{text-anchor:middle}"
        ".left,.last{text-anchor:end}.first{text-anchor:start}.number{font-size:26px;font-weight:600}"
        f"{series}.line{{fill:none;stroke-width:1.4;stroke-linejoin:round}}"
        ".area{stroke:none;fill-opacity:.3}.key{stroke-width:3}"
        ".grid{stroke:var(--grid);fill:none}"
        ".limit{stroke:var(--c3);fill:none;stroke-dasharray:5 4}"
        ".good{fill:var(--c2)}.bad{fill:var(--c3)}.cell{fill:var(--c1)}"
    )


def _colours(
    sheet: str, panel: str, edge: str, text: str, faint: str, grid: str, series: Sequence[str]
) -> str:
    named = {
        "sheet": sheet,
        "panel": panel,
        "edge": edge,
        "text": text,
        "faint": faint,
        "grid": grid,
        **{f"c{number}": colour for number, colour in enumerate(series)},
    }
    return "".join(f"--{name}:#{value};" for name, value in named.items())
