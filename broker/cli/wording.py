"""How values are said to a person: times, amounts, statuses, and text that strangers wrote."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

ICONS: Final = {
    "queued": "○",
    "pending": "○",
    "running": "●",
    "retrying": "↻",
    "paused": "‖",
    "completed": "✓",
    "failed": "✗",
    "skipped": "»",
    "cancelled": "⊘",
    "lost": "?",
}
"""A shape for each status, so that colour is never all that tells."""

STYLES: Final = {
    "queued": "dim",
    "pending": "dim",
    "running": "cyan",
    "retrying": "yellow",
    "paused": "yellow",
    "completed": "green",
    "failed": "red",
    "skipped": "dim",
    "cancelled": "magenta",
    "lost": "yellow",
}

_ESCAPES: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*[0-~])"
)
"""Terminal escape sequences (ECMA-48): CSI, OSC, the other strings, and the short ones."""

_CONTROLS: Final = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ud800-\udfff]"
)
"""What moves the cursor, ends a line, or turns the direction of what is written."""


def safe(text: object) -> str:
    """Text as one line that can do nothing to a terminal.

    Escape sequences are taken out, a line end is shown as `⏎`, and what else is no character to
    print as the replacement character.
    """
    plain = _ESCAPES.sub("", str(text)).replace("\r\n", "\n").rstrip("\r\n").expandtabs(4)
    return _CONTROLS.sub(lambda found: "⏎" if found[0] == "\n" else "\ufffd", plain)


def moment(value: object) -> datetime | None:
    """A time of the API (RFC 3339); None where there is none that can be read."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def duration(seconds: float) -> str:
    """Seconds, in the two largest units that say something."""
    if seconds < 0.95:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02} m"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24:02} h"


def briefly(seconds: float) -> str:
    """Seconds in their largest unit, rounded down."""
    whole = max(0, int(seconds))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole >= length:
            return f"{whole // length} {unit}"
    return f"{whole} s"


def ago(then: datetime, now: datetime) -> str:
    """How long ago something was."""
    seconds = (now - then).total_seconds()
    return "now" if seconds < 1 else f"{duration(seconds)} ago"


def clock(then: datetime, *, fraction: bool = False) -> str:
    """The time of day here, where the reader is."""
    local = then.astimezone()
    return local.strftime("%H:%M:%S") + (f".{local.microsecond // 1000:03}" if fraction else "")


def stamp(then: datetime) -> str:
    """The moment in UTC, for files and other programs."""
    text = then.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def number(value: object) -> str:
    """A number with its thousands apart."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return safe(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.3g}"


def amount(at: Mapping[str, Any]) -> str:
    """How far something is, in its own unit: `3/10 files`, `3/≥ 10 files`, `3 files`."""
    current, total, unit = at.get("current"), at.get("total"), at.get("unit")
    if current is None:
        return ""
    size = 1
    if unit in ("bytes", "byte", "B"):
        size, unit = _unit_of_bytes(current if total is None else total)

    def say(value: float) -> str:
        return number(value) if size == 1 else f"{value / size:,.1f}"

    said = say(current)
    if total is not None:
        said += f"/{'≥ ' if at.get('total_final') is False else ''}{say(total)}"
    return f"{said} {safe(unit)}" if unit else said


def _unit_of_bytes(largest: float) -> tuple[int, str]:
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        if largest >= 1000**power:
            return 1000**power, unit
    return 1, "bytes"


def percent(fraction: float, *, completed: bool) -> str:
    """A fraction in per cent, rounded down: only what has completed is at 100 %."""
    return "100 %" if completed else f"{min(99, int(fraction * 100 + 1e-9))} %"


def left(estimate: Mapping[str, Any] | None, now: datetime) -> tuple[float, float] | None:
    """Seconds to the likely and the late end that an estimate tells of."""
    if not estimate:
        return None
    finish = estimate.get("finish")
    ends = finish if isinstance(finish, Mapping) else estimate
    early, late = _seconds(ends.get("p50"), now), _seconds(ends.get("p90"), now)
    if early is None:
        return None
    return early, max(early, early if late is None else late)


def remaining(estimate: Mapping[str, Any] | None, now: datetime) -> str:
    """How long it will yet take, as a range, and where that is known from; or nothing."""
    if estimate and estimate.get("overdue"):
        return "longer than usual"
    ends = left(estimate, now)
    if ends is None:
        return ""
    early, late = ends
    if late <= 0:
        return "longer than expected"
    if early < 1:
        return f"any moment, or {duration(late)}"
    first, last = duration(early), duration(late)
    return f"{first} left" if first == last else f"{first} to {last} left"


def _seconds(value: object, now: datetime) -> float | None:
    if isinstance(value, int | float):
        return float(value)
    then = moment(value)
    return None if then is None else (then - now).total_seconds()


def elapsed(state: Mapping[str, Any], now: datetime) -> float | None:
    """Seconds that a run or step has taken: to its end, to its last sign, or until now."""
    taken = state.get("duration")
    if isinstance(taken, int | float):
        return float(taken)
    began = moment(state.get("started_at"))
    if began is None:
        return None
    return max(
        0.0, ((moment(state.get("ended_at")) or known_until(state, now)) - began).total_seconds()
    )


def known_until(state: Mapping[str, Any], now: datetime) -> datetime:
    """Until when a run is known to have gone on: a lost one to its last sign, not longer."""
    seen = moment(state.get("last_seen")) if state.get("status") == "lost" else None
    return seen or now


def failure(error: object) -> str:
    """Why something failed, on one line."""
    if not isinstance(error, Mapping):
        return safe(error) if error else ""
    kind, message = error.get("type"), error.get("message")
    return safe(": ".join(str(part) for part in (kind, message) if part)) or "no reason given"
