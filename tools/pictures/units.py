"""Numbers as a dashboard shows them."""

from typing import Final

_POWERS: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_BINARY: Final = ((2.0**30, "Gi"), (2.0**20, "Mi"), (2.0**10, "Ki"))
_AFTER: Final = {"ops": "/s", "reqps": "/s", "Bps": "B/s", "bytes": "B"}


def shown(value: float, unit: str) -> str:
    """A value with its unit, in few characters."""
    if unit == "percentunit":
        return f"{value * 100:.4g} %"  # 99.95 must not read as all
    if unit == "s":
        return _seconds(value)
    steps = _BINARY if unit == "bytes" else _POWERS
    after = _AFTER.get(unit, "")
    for size, letter in steps:
        if abs(value) >= size:
            return f"{_rounded(value / size)} {letter}{after}"
    gap = " " if after and after != "/s" else ""
    return f"{_rounded(value)}{gap}{after}"


def _seconds(value: float) -> str:
    if value == 0:
        return "0 s"
    if value < 0.001:
        return f"{_rounded(value * 1e6)} µs"
    if value < 1:
        return f"{_rounded(value * 1e3)} ms"
    return f"{_rounded(value)} s"


def _rounded(value: float) -> str:
    """Three digits, without zeros that say nothing."""
    if abs(value) >= 100 or value == round(value):
        return f"{value:.0f}"
    return f"{value:.3g}"
