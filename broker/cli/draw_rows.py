"""The list of runs drawn for a terminal: a table that leaves out what does not fit."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from broker.cli.draw_parts import bar, connection_lost, status_text
from broker.cli.wording import (
    ICONS,
    STYLES,
    briefly,
    duration,
    elapsed,
    left,
    moment,
    percent,
    safe,
)
from broker.model.state import TERMINAL

_ALWAYS: Final = ("run", "status", "percent", "time", "ago")
_IF_THERE_IS_ROOM: Final = ("bar", "pipeline", "steps", "left")
"""The columns that a narrow terminal goes without; the first is the last to go."""

_HEADS: Final = {
    "run": "RUN",
    "pipeline": "NAME",
    "status": "STATUS",
    "bar": "",
    "percent": "%",
    "steps": "STEPS",
    "time": "TIME",
    "left": "LEFT",
    "ago": "AGO",
}
_TO_THE_LEFT: Final = ("run", "pipeline", "status", "bar")
_BAR: Final = 10
_SHORT: Final = 12
_LONG: Final = 28
"""Cells that a pipeline's name has at least, and at most."""


def rows_screen(
    rows: Iterable[Mapping[str, Any]],
    counts: Mapping[str, int],
    *,
    now: datetime,
    width: int,
    pulse: float = 0.0,
    lost_for: float | None = None,
    reason: str = "",
) -> RenderableType:
    """The list with how many runs have which status, and the watcher's connection if it is lost."""
    parts: list[RenderableType] = []
    if lost_for is not None:
        parts.append(connection_lost(lost_for, reason))
    parts.append(_table(list(rows), now, width, pulse))
    if counts:
        parts.append(_totals(counts))
    return Group(*parts)


def _table(
    rows: list[Mapping[str, Any]], now: datetime, width: int, pulse: float
) -> RenderableType:
    if not rows:
        return Text("no run fits; `progress-broker demo` makes some to look at", "dim")
    cells = [_cells(row, now) for row in rows]
    widths = {
        name: max(cell_len(head), *(each[name].cell_len for each in cells))
        for name, head in _HEADS.items()
        if name in _ALWAYS or any(each[name].plain for each in cells)
    }
    longest = widths.pop("pipeline", 0)
    widths |= {"bar": _BAR, **({"pipeline": min(longest, _SHORT)} if longest else {})}
    shown, room = list(_ALWAYS), width - sum(widths[name] + 1 for name in _ALWAYS)
    for name in _IF_THERE_IS_ROOM:
        if widths.get(name, width) < room:
            shown.append(name)
            room -= widths[name] + 1
    if "pipeline" in shown:
        widths["pipeline"] = min(longest, widths["pipeline"] + room, _LONG)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    names = [name for name in _HEADS if name in shown]
    for name in names:
        table.add_column(
            _HEADS[name],
            justify="left" if name in _TO_THE_LEFT else "right",
            width=None if name == "run" else widths[name],
            overflow="fold" if name == "run" else "ellipsis",
            no_wrap=name != "run",
        )
    for row, each in zip(rows, cells, strict=True):
        drawn = bar(row.get("progress", {}), str(row.get("status")), pulse, _BAR)
        table.add_row(*(drawn if name == "bar" else each[name] for name in names))
    return table


def _cells(row: Mapping[str, Any], now: datetime) -> dict[str, Text]:
    status, counts = str(row.get("status")), row.get("counts", {})
    fraction = row.get("progress", {}).get("fraction")
    known = status == "completed" or fraction is not None
    done = counts.get("completed", 0) + counts.get("skipped", 0)
    taken, updated = elapsed(row, now), moment(row.get("updated_at"))
    ends = left(row.get("eta"), now) if status not in TERMINAL else None
    said = percent(fraction or 0.0, completed=status == "completed") if known else "?"
    return {
        "run": Text(safe(row.get("run")), "bold"),
        "pipeline": Text(safe(row.get("name") or row.get("pipeline") or "")),
        "status": status_text(status),
        "bar": Text(),
        "percent": Text(said),
        "steps": Text(f"{done}/{counts['total']}" if counts.get("total") else ""),
        "time": Text(duration(taken) if taken is not None else ""),
        "left": Text(f"≈ {duration(max(0.0, ends[0]))}" if ends else ""),
        "ago": Text(briefly((now - updated).total_seconds()) if updated else "", "dim"),
    }


def _totals(counts: Mapping[str, int]) -> Text:
    parts = [
        Text(f"{ICONS.get(word, '')} {count:,} {safe(word)}", STYLES.get(word, ""))
        for word, count in counts.items()
        if count
    ]
    return Text("\n").append_text(Text("   ").join(parts))
