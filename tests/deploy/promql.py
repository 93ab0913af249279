"""What an expression names: metrics and labels, and whether a gateway tells them."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatchOp,
    MatrixSelector,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
    parse,
)

from broker.metrics import Metrics

_SPAN: Final = re.compile(r"\$__(?:rate_interval|interval|range)\b")
_SUFFIX: Final = re.compile(r"_(?:bucket|sum|count)$")
_GIVEN: Final = {"namespace", "job", "instance", "le"}
"""Labels that Prometheus gives, and those of buckets."""


class Named(NamedTuple):
    """A metric, the labels that an expression chooses its series by, and those that must be so."""

    metric: str
    labels: frozenset[str]
    values: dict[str, str]


def named(expr: str) -> list[Named]:
    """Every metric of an expression. Raises ValueError where it is none."""
    found = []
    for selector in _selectors(parse(_SPAN.sub("5m", expr))):
        matchers = selector.matchers.matchers
        values = {each.name: each.value for each in matchers if each.op == MatchOp.Equal}
        labels = frozenset(each.name for each in matchers)
        found.append(Named(selector.name or "", labels, values))
    return found


class Told:
    """What a running gateway tells, to hold expressions against."""

    def __init__(self, exposition: str) -> None:
        self._kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", exposition, re.MULTILINE))
        self._labels = Metrics().labels

    def missing(self, asked: Named) -> str | None:
        """What of a selector no gateway will ever tell; None where it may."""
        family = _SUFFIX.sub("", asked.metric)
        if self._kinds.get(family) != "histogram":
            family = asked.metric
        if family not in self._kinds:
            return f"there is no metric {asked.metric}"
        bounds = self._labels.get(family.removesuffix("_total"), {})
        for label in asked.labels - _GIVEN:
            if label not in bounds:
                return f"{asked.metric} has no label {label}"
        for label, value in asked.values.items():
            bound = bounds.get(label)
            if isinstance(bound, tuple) and value not in bound:
                return f"{asked.metric} never has {label}={value}"
        return None


def _selectors(expr: Expr) -> Iterator[VectorSelector]:
    match expr:
        case VectorSelector():
            yield expr
        case MatrixSelector():
            yield expr.vector_selector
        case AggregateExpr() | ParenExpr() | UnaryExpr() | SubqueryExpr():
            yield from _selectors(expr.expr)
        case BinaryExpr():
            yield from _selectors(expr.lhs)
            yield from _selectors(expr.rhs)
        case Call():
            for argument in expr.args:
                yield from _selectors(argument)
        case _:
            pass  # a number or a text
