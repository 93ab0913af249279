"""The pieces that screens are drawn of."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from rich.progress_bar import ProgressBar
from rich.text import Text

from broker.cli.wording import ICONS, STYLES, clock, duration, moment, safe

DONE: Final = ("completed", "skipped")
"""Statuses of steps that need no more work."""

LEVELS: Final = {
    "debug": "dim",
    "progress": "cyan",
    "success": "green",
    "warning": "yellow",
    "error": "red",
}
"""Styles of log levels; `info` has none."""


class Look(NamedTuple):
    """How, and with what, a run is looked at."""

    now: datetime
    width: int
    height: int
    """Lines that the drawing may have, about."""
    pulse: float = 0.0
    """Seconds that animate what is unknown."""
    estimate: Mapping[str, Any] | None = None
    lines: Sequence[Mapping[str, Any]] = ()
    lost_for: float | None = None
    """Seconds since the watcher, not the producer, lost its connection."""
    reason: str = ""


def connection_lost(lost_for: float, reason: str) -> Text:
    """The watcher's own trouble, which says nothing of the run."""
    why = f" ({safe(reason)})" if reason else ""
    return Text(f"! connection lost {duration(lost_for)} ago, retrying{why}", "bold yellow")


def bar(at: Mapping[str, Any], status: str, pulse: float, width: int | None = None) -> ProgressBar:
    """A bar that is full only when what it stands for has completed.

    Where the fraction is unknown and the work goes on, it pulses.
    """
    fraction = 1.0 if status in DONE else at.get("fraction")
    colour = "green" if status in DONE else STYLES.get(status, "").replace("dim", "")
    return ProgressBar(
        total=1.0,
        completed=min(float(fraction or 0.0), 1.0),
        width=width,
        pulse=fraction is None and status in ("running", "retrying"),
        complete_style=colour or "bar.complete",
        finished_style=colour or "bar.finished",
        pulse_style=colour or "bar.pulse",
        animation_time=pulse,
    )


def status_text(status: str) -> Text:
    """A status as shape, word and colour."""
    return Text(f"{ICONS.get(status, ' ')} {safe(status)}", STYLES.get(status, ""))


def log_text(line: Mapping[str, Any], *, whole: bool = False) -> Text:
    """A line of the log: all of it, or what fits into one line of the screen."""
    at, level = moment(line.get("time")), safe(line.get("level", "info"))
    text = Text(overflow="fold" if whole else "ellipsis", no_wrap=not whole)
    text.append(f"{clock(at, fraction=whole)} " if at else "", "dim")
    text.append(f"{level:<8} ", LEVELS.get(level, ""))
    if line.get("step"):
        text.append(f"{safe(line['step'])} ", "blue")
    parts = str(line.get("text", "")).split("\n") if whole else [line.get("text", "")]
    said = "\n    ".join(map(safe, parts))
    return text.append(said, LEVELS.get(level, "") if level != "progress" else "")
