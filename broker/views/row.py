"""A run as a list shows it."""

from typing import Any, Final

import msgspec

from broker.model.summary import Summary

_HIDDEN: Final = ("tenant", "durations")


def row(summary: Summary, eta: dict[str, Any] | None = None) -> dict[str, Any]:
    """The summary as JSON values, without what is of no use to a reader; `eta` stands beside."""
    shown: dict[str, Any] = msgspec.to_builtins(summary)
    for name in _HIDDEN:
        shown.pop(name, None)
    if eta is not None:
        shown["eta"] = eta
    return shown
