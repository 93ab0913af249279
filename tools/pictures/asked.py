"""What Prometheus answers to a dashboard's queries, as lines to draw."""

import math
import re
from typing import Final

from tools.observability.board import Board, Query
from tools.pictures.chart import Line
from tools.prometheus import Prometheus

RATE_INTERVAL: Final = "20s"
"""In place of Grafana's `$__rate_interval`: some looks long, since ours are a second apart."""
POINTS: Final = 100
"""Of each line."""

VARIABLE: Final = re.compile(r"\$(namespace|job|instance)\b")
"""What is chosen of a dashboard; `.*` is everything."""
_PLACE: Final = re.compile(r"\{\{(\w+)\}\}")


async def answers(p: Prometheus, board: Board, start: float, end: float) -> dict[str, list[Line]]:
    """The lines of each panel, by its title."""
    return {
        panel.title: [
            line for asked in panel.queries for line in await _lines(p, asked, start, end)
        ]
        for panel in board.panels()
    }


async def _lines(p: Prometheus, asked: Query, start: float, end: float) -> list[Line]:
    expr = asked.expr.replace("$__rate_interval", RATE_INTERVAL)
    expr = VARIABLE.sub(".*", expr)
    found = await p.over(expr, start, end, (end - start) / POINTS)
    return [
        Line(
            _named(asked.legend, labels),
            [(at - start, value) for at, value in values if math.isfinite(value)],
        )
        for labels, values in found
    ]


def _named(legend: str, labels: dict[str, str]) -> str:
    return _PLACE.sub(lambda place: labels.get(place[1], ""), legend)
