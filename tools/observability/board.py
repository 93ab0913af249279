"""What a dashboard is, apart from how Grafana spells it: rows of panels, panels of queries."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["lines", "stacked", "stat", "heatmap"]

WIDTH: Final = 24
"""Columns of Grafana's grid."""

CHOSEN: Final = 'namespace=~"$namespace",job=~"$job"'
"""Selects the chosen installation; one Prometheus may look after several."""
_SELECTOR: Final = f'{CHOSEN},instance=~"$instance"'
_METRIC: Final = re.compile(r"(?<![:\w])((?:progress_broker|process)_\w+|up\b)(?:\{([^}]*)\})?")


@dataclass(frozen=True)
class Query:
    """An expression, of the chosen gateways alone, and what its series are called."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One picture. The description says what is good, and what to do where it is not."""

    title: str
    unit: str
    description: str
    queries: tuple[Query, ...]
    kind: Kind = "lines"
    width: int = 8
    height: int = 8
    maximum: float | None = None
    """Top of the axis; None: what the values need."""
    bad_above: float | None = None
    """From here on the value is shown as bad."""
    bad_below: float | None = None


@dataclass(frozen=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Board:
    """A dashboard; `uid` is what links and bookmarks keep."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    tags: tuple[str, ...] = field(default=("progress-broker",))

    def panels(self) -> Iterator[Panel]:
        """Every panel, in order."""
        for row in self.rows:
            yield from row.panels


def query(expr: str, legend: str = "") -> Query:
    """An expression whose metrics are narrowed to the chosen job and instances."""
    return Query(_METRIC.sub(_narrowed, expr), legend)


def rate(metric: str, by: str = "") -> str:
    """How often a second, summed over gateways."""
    return f"sum{_by(by)}(rate({metric}[$__rate_interval]))"


def quantile(q: float, histogram: str, by: str = "") -> str:
    """A quantile of a histogram over all gateways."""
    labels = f"le,{by}" if by else "le"
    return f"histogram_quantile({q}, {rate(f'{histogram}_bucket', labels)})"


def quantiles(histogram: str) -> tuple[Query, ...]:
    """The usual three."""
    return tuple(query(quantile(q, histogram), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99))


def _by(labels: str) -> str:
    return f" by ({labels.replace(',', ', ')}) " if labels else ""


def _narrowed(found: re.Match[str]) -> str:
    more = f",{found[2]}" if found[2] else ""
    return f"{found[1]}{{{_SELECTOR}{more}}}"
