"""One panel as SVG: lines, areas that stand on each other, a number, or a heat map."""

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple

from tools.observability.board import Panel
from tools.pictures.units import shown

Point = tuple[float, float]
"""Seconds since the start, and a value."""


class Line(NamedTuple):
    """One series."""

    name: str
    points: list[Point]


class Box(NamedTuple):
    """A place on the sheet, in pixels."""

    x: float
    y: float
    width: float
    height: float


COLOURS: Final = 8
_MOST_NAMED: Final = 4
_STEPS: Final = tuple(n * tens for tens in (1, 10, 100) for n in (1, 2, 2.5, 5))
_LEFT, _TOP, _LEGEND_LINE = 46, 26, 14


def drawn(panel: Panel, lines: Sequence[Line], box: Box, span: float) -> str:
    """The panel's frame, title and content; `span` is the time shown, in seconds."""
    head = (
        f'<rect class="panel" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" '
        f'height="{box.height:g}" rx="3"/>'
        f'<text class="title" x="{box.x + 8:g}" y="{box.y + 16:g}">{escape(panel.title)}</text>'
    )
    if not any(line.points for line in lines):
        return head + _nothing(box)
    if panel.kind == "stat":
        return head + _stat(panel, lines, box, span)
    if panel.kind == "heatmap":
        return head + _heat(panel, lines, box, span)
    return head + _lines(panel, lines, box, span)


def _nothing(box: Box) -> str:
    x, y = box.x + box.width / 2, box.y + box.height / 2 + 4
    return f'<text class="none" x="{x:g}" y="{y:g}">nothing to show</text>'


def _stat(panel: Panel, lines: Sequence[Line], box: Box, span: float) -> str:
    points = lines[0].points
    last = points[-1][1]
    bad = (panel.bad_below is not None and last < panel.bad_below) or (
        panel.bad_above is not None and last >= panel.bad_above
    )
    plot = Box(box.x + 6, box.y + box.height * 0.68, box.width - 12, box.height * 0.26)
    top = max(value for _, value in points) or 1
    spark = _path(points, plot, span, top)
    return (
        f'<text class="number {"bad" if bad else "good"}" x="{box.x + box.width / 2:g}" '
        f'y="{box.y + box.height * 0.62:g}">{shown(last, panel.unit)}</text>'
        f'<path class="line c2" d="{spark}"/>'
    )


def _lines(panel: Panel, lines: Sequence[Line], box: Box, span: float) -> str:
    ranked = sorted(lines, key=lambda line: -max((v for _, v in line.points), default=0))
    named = ranked[:_MOST_NAMED]
    legend_height = _LEGEND_LINE * (len(named) + (len(ranked) > _MOST_NAMED))
    plot = _plot(box, legend_height)
    stacks = _stacked(ranked) if panel.kind == "stacked" else [(line, None) for line in ranked]
    highest = max((v for line, _ in stacks for _, v in line.points), default=0)
    top, step = _scale(highest, panel)
    parts = [_axes(panel, plot, top, step, span)]
    if panel.bad_above is not None and panel.bad_above <= top:
        y = plot.y + plot.height * (1 - panel.bad_above / top)
        parts.append(f'<path class="limit" d="M{plot.x:g} {y:.1f}h{plot.width:g}"/>')
    for number, (line, below) in reversed(list(enumerate(stacks))):
        colour = f"c{number % COLOURS}"
        path = _path(line.points, plot, span, top)
        if below is not None:
            back = _path(list(reversed(below)), plot, span, top).replace("M", "L", 1)
            parts.append(f'<path class="area {colour}" d="{path}{back}Z"/>')
        parts.append(f'<path class="line {colour}" d="{path}"/>')
    return "".join(parts) + _legend(panel, ranked, box, legend_height)


def _heat(panel: Panel, lines: Sequence[Line], box: Box, span: float) -> str:
    """Rows are buckets (`le`), columns are times; the darker, the more."""
    cumulated = sorted(lines, key=lambda line: float(line.name))
    plot = _plot(box, 0)
    height = plot.height / len(cumulated)
    rows: list[list[Point]] = []
    below: dict[float, float] = {}
    for line in cumulated:
        rows.append([(at, max(0.0, value - below.get(at, 0.0))) for at, value in line.points])
        below = dict(line.points)
    most = max((value for row in rows for _, value in row), default=0) or 1
    times = sorted(below)
    width = plot.width * (times[1] - times[0]) / span if len(times) > 1 else plot.width
    parts = [_times(plot, span)]
    for number, (line, row) in enumerate(zip(cumulated, rows, strict=True)):
        y = plot.y + plot.height - height * (number + 1)
        if number % 3 == 0:
            name = "more" if math.isinf(float(line.name)) else shown(float(line.name), panel.unit)
            at = f'x="{plot.x - 5:g}" y="{y + height / 2 + 3:.1f}"'
            parts.append(f'<text class="tick left" {at}>{name}</text>')
        for at_time, value in row:
            if value >= 0.5:
                x = plot.x + plot.width * at_time / span - width
                dark = 0.12 + 0.88 * math.sqrt(value / most)
                parts.append(
                    f'<rect class="cell" x="{max(x, plot.x):.1f}" y="{y:.1f}" '
                    f'width="{width + 0.3:.1f}" height="{height:.1f}" opacity="{dark:.2f}"/>'
                )
    return "".join(parts)


def _plot(box: Box, legend_height: float) -> Box:
    """Where the values are, between the title, the axes and the legend."""
    height = box.height - _TOP - 22 - legend_height
    return Box(box.x + _LEFT, box.y + _TOP, box.width - _LEFT - 10, height)


def _stacked(lines: Iterable[Line]) -> list[tuple[Line, list[Point]]]:
    """Each on top of those before it, with what it stands on."""
    sums: dict[float, float] = {}
    found = []
    for line in lines:
        floor = [(at, sums.get(at, 0.0)) for at, _ in line.points]
        points = [(at, sums.get(at, 0.0) + value) for at, value in line.points]
        sums |= dict(points)
        found.append((Line(line.name, points), floor))
    return found


def _path(points: Sequence[Point], plot: Box, span: float, top: float) -> str:
    places = [
        (
            f"{plot.x + plot.width * at / span:.1f}",
            f"{plot.y + plot.height * (1 - min(value, top) / top):.1f}",
        )
        for at, value in points
    ]
    inner = zip(places, places[1:], places[2:], strict=False)
    turns = [here for before, here, after in inner if not before[1] == here[1] == after[1]]
    return "M" + "L".join(f"{x} {y}" for x, y in [places[0], *turns, *places[1:][-1:]])


def _scale(highest: float, panel: Panel) -> tuple[float, float]:
    """The top of the axis, and the distance of its lines."""
    if panel.maximum is not None:
        return panel.maximum, panel.maximum / 4
    near = panel.bad_above is not None and highest > panel.bad_above / 3
    if near and panel.bad_above is not None:
        highest = max(highest, panel.bad_above * 1.1)
    if highest <= 0:
        return 1.0, 0.25
    rough = highest / 4
    base = 1024.0 if panel.unit == "bytes" else 1000.0
    power = base ** math.floor(math.log(rough, base))
    step = next(s * power for s in (*_STEPS, base) if s * power >= rough * 0.999)
    return step * math.ceil(highest / step * 0.999), step


def _axes(panel: Panel, plot: Box, top: float, step: float, span: float) -> str:
    parts = []
    for number in range(round(top / step) + 1):
        value = number * step
        y = plot.y + plot.height * (1 - value / top)
        parts.append(f'<path class="grid" d="M{plot.x:g} {y:.1f}h{plot.width:g}"/>')
        at = f'x="{plot.x - 5:g}" y="{y + 3:.1f}"'
        parts.append(f'<text class="tick left" {at}>{shown(value, panel.unit)}</text>')
    return "".join(parts) + _times(plot, span)


def _times(plot: Box, span: float) -> str:
    """Whole minutes."""
    parts = []
    minutes = int(span // 60)
    for minute in range(minutes + 1):
        x = plot.x + plot.width * minute * 60 / span
        side = " first" if not minute else " last" if minute == minutes else ""
        at = f'x="{x:.1f}" y="{plot.y + plot.height + 13:.1f}"'
        parts.append(f'<text class="tick{side}" {at}>{minute} min</text>')
    return "".join(parts)


def _legend(panel: Panel, lines: Sequence[Line], box: Box, height: float) -> str:
    y = box.y + box.height - height
    parts = []
    for number, line in enumerate(lines[:_MOST_NAMED]):
        last = shown(line.points[-1][1], panel.unit) if line.points else ""
        parts.append(
            f'<path class="key c{number}" d="M{box.x + 8:g} {y:.1f}h12"/>'
            f'<text class="name" x="{box.x + 25:g}" y="{y + 3.5:.1f}">{escape(_short(line.name))}'
            f'</text><text class="name last" x="{box.x + box.width - 8:g}" y="{y + 3.5:.1f}">'
            f"{last}</text>"
        )
        y += _LEGEND_LINE
    if len(lines) > _MOST_NAMED:
        more = len(lines) - _MOST_NAMED
        at = f'x="{box.x + 25:g}" y="{y + 3.5:.1f}"'
        parts.append(f'<text class="name" {at}>and {more} more</text>')
    return "".join(parts)


def _short(name: str) -> str:
    return name if len(name) <= 38 else name[:37] + "…"
