"""A run's status as a small picture (SVG), for pages that can show no more.

It is drawn without a font: widths come from a table, and the browser is told to keep to them
(`textLength`), whichever font it has.
"""

import unicodedata
from html import escape
from typing import Final, Literal, NamedTuple, TypeAlias

from broker.model.state import RunState, RunStatus
from broker.model.summary import Summary

LONGEST: Final = 48
"""Characters of either half; more is cut."""

Style: TypeAlias = Literal["flat", "square"]

_HEIGHT: Final = 20
_FONT_SIZE: Final = 11
_PADDING: Final = 6
_RADIUS: Final = 3
_LEFT_COLOUR: Final = "#3b424a"
UNKNOWN_COLOUR: Final = "#656d76"
COLOURS: Final[dict[RunStatus, str]] = {
    "queued": "#656d76",
    "running": "#0969da",
    "paused": "#9a6700",
    "completed": "#1a7f37",
    "failed": "#cf222e",
    "cancelled": "#656d76",
    "lost": "#953800",
}
"""White text can be read on each (WCAG 2.2, 1.4.3); the word says what the colour does."""

_WIDTHS: Final = {
    28: "'ijlIJ",
    33: " ,./:;\\|",
    39: "!()[]-ft",
    42: "r",
    51: '*_`?csz"',
    59: "FLPTYkvxy^",
    64: "$0123456789{}abdeghnopquESZ",
    69: "ABCKRVX",
    76: "DGHNOQU&",
    84: "#+<=>~w",
    97: "%M@Wm…",
}
_WIDTH_OF: Final = {char: width for width, chars in _WIDTHS.items() for char in chars}
"""Hundredths of the font's size, as in DejaVu Sans and Verdana."""
_OTHER: Final = 66
_WIDE: Final = 100


class Badge(NamedTuple):
    """What a picture says: of what, and how it stands."""

    label: str
    message: str
    colour: str


def badge_of(run: RunState | Summary, label: str | None = None) -> Badge:
    """What a badge says of a run; a percentage only while it runs, and never too much."""
    message: str = run.status
    if run.status == "running" and run.progress.fraction is not None:
        message = f"{int(run.progress.fraction * 100)}%"
    named = " / ".join(filter(None, (run.pipeline, run.name))) or run.run
    return Badge(label or named, message, COLOURS[run.status])


def unknown(label: str) -> Badge:
    """What stands where there is no such run."""
    return Badge(label, "unknown", UNKNOWN_COLOUR)


def drawn(badge: Badge, style: Style = "flat") -> bytes:
    """The badge as an SVG document."""
    label, message = _shown(badge.label), _shown(badge.message)
    left, right = _width(label), _width(message)
    split = left + 2 * _PADDING
    whole = split + right + 2 * _PADDING
    said = escape(f"{label}: {message}")
    radius = _RADIUS if style == "flat" else 0
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{_HEIGHT}" '
        f'viewBox="0 0 {whole} {_HEIGHT}" role="img" aria-label="{said}"><title>{said}</title>'
        f'<path fill="{_LEFT_COLOUR}" d="{_half(split, 0, -radius)}"/>'
        f'<path fill="{badge.colour}" d="{_half(split, whole, radius)}"/>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" '
        f'font-size="{_FONT_SIZE}" text-anchor="middle">'
        f"{_text(label, _PADDING, left)}{_text(message, split + _PADDING, right)}</g></svg>\n"
    )
    return svg.encode()


def _half(split: int, edge: int, corner: int) -> str:
    """The outline of the half from the split to an edge, whose corners are rounded outwards."""
    straight = edge - split - corner
    if not corner:
        return f"M{split} 0h{straight}v{_HEIGHT}h{-straight}z"
    radius, sweep = abs(corner), int(corner > 0)
    round_off = f"a{radius} {radius} 0 0 {sweep} {{}}".format
    return (
        f"M{split} 0h{straight}{round_off(f'{corner} {radius}')}v{_HEIGHT - 2 * radius}"
        f"{round_off(f'{-corner} {radius}')}h{-straight}z"
    )


def _text(text: str, begin: int, width: int) -> str:
    middle = begin + width / 2
    fits = f'textLength="{width}" lengthAdjust="spacingAndGlyphs"'
    return f'<text x="{middle:g}" y="14" {fits}>{escape(text)}</text>'


def _shown(text: str) -> str:
    """Text on one line, of characters that show, and not too many."""
    line = " ".join("".join(map(_visible, text[:1024])).split()) or "?"
    return line if len(line) <= LONGEST else line[: LONGEST - 1].rstrip() + "…"


def _visible(char: str) -> str:
    """A character; nothing for one that only steers others, a space for what is none."""
    kind = unicodedata.category(char)
    if kind == "Cf":
        return ""
    return " " if kind.startswith("C") else char


def _width(text: str) -> int:
    """Pixels that a text takes."""
    return max(1, round(sum(map(_hundredths, text)) * _FONT_SIZE / 100))


def _hundredths(char: str) -> int:
    known = _WIDTH_OF.get(char)
    if known is not None:
        return known
    if unicodedata.combining(char):
        return 0
    return _WIDE if unicodedata.east_asian_width(char) in "WF" else _OTHER
