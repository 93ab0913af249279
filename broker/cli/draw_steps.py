"""The steps of a run drawn for a terminal, and those of many that are worth their line."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from broker.cli.draw_parts import DONE, Look, bar
from broker.cli.wording import (
    ICONS,
    STYLES,
    amount,
    duration,
    elapsed,
    failure,
    known_until,
    number,
    safe,
)
from broker.model.state import TERMINAL

_NARROW: Final = 80


def steps_of(state: Mapping[str, Any], look: Look, room: int) -> list[RenderableType]:
    """The steps, in not more than `room` lines."""
    steps: Mapping[str, Mapping[str, Any]] = state.get("steps", {})
    if not steps:
        return []
    ended = state.get("status") in TERMINAL
    until = known_until(state, look.now)
    look = look._replace(now=until, pulse=look.pulse if until is look.now else 0.0)
    grid = Table.grid(padding=(0, 1), expand=True)
    wide = look.width >= _NARROW
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, overflow="ellipsis", max_width=32 if wide else 24)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, justify="right")
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    names = list(steps)
    statuses = [str(step.get("status")) for step in steps.values()]
    for part in visible(statuses, room):
        if isinstance(part, int):
            grid.add_row(*_step(names[part], steps[names[part]], look, ended=ended))
        else:
            grid.add_row(*_gap(statuses[part.start : part.stop]))
    return [Padding(grid, (0, 0, 0, 1))]


def _step(
    name: str, step: Mapping[str, Any], look: Look, *, ended: bool
) -> tuple[RenderableType, ...]:
    status = str(step.get("status"))
    under_way = status in ("running", "retrying") and not ended
    style = STYLES.get(status, "")
    shown: RenderableType = ""
    ppm, total = step.get("ppm", 0), step.get("total")
    if under_way:
        at = {"fraction": ppm / 1_000_000} if total or ppm else {}
        shown = bar(at, status, look.pulse, 20 if look.width >= _NARROW else 8)
    elif status not in DONE and status != "pending":
        shown = Text(status, style)
    taken = elapsed(step, look.now) if under_way or "duration" in step else None
    note = Text(failure(step["error"]), "red") if step.get("error") else Text("", "dim")
    if not note.plain:
        note.append(safe(step.get("message") or ("cached" if step.get("cached") else "")))
    if step.get("attempt", 1) > 1:
        note = Text.assemble((f"try {step['attempt']} ", "yellow"), note)
    return (
        Text(ICONS.get(status, " "), style),
        Text(safe(step.get("name") or name), "dim" if status == "pending" else ""),
        shown,
        Text(amount(step)),
        Text(duration(taken) if taken is not None else "", "dim"),
        note,
    )


def visible(statuses: Sequence[str], room: int) -> list[int | range]:
    """Which of many steps are shown: those under way, failed ones, then their neighbours.

    Gives the positions to show, in order, and ranges for what is left out; not more than `room`.
    """
    if len(statuses) <= room:
        return list(range(len(statuses)))
    under_way = [at for at, word in enumerate(statuses) if word in ("running", "retrying")]
    failed = [at for at, word in enumerate(statuses) if word == "failed"]
    begun = [at for at, word in enumerate(statuses) if word != "pending"]
    centre = under_way or begun[-1:] or [0]
    near = [at + away for away in (1, -1, 2, -2) for at in centre[:room]]
    wanted = [*under_way[:room], *failed[-room:], *near, *_around(centre[0], len(statuses), room)]
    chosen: set[int] = set()
    for at in wanted:
        if 0 <= at < len(statuses) and len(_parts({*chosen, at}, len(statuses))) <= room:
            chosen.add(at)
    return _parts(chosen, len(statuses))


def _around(centre: int, length: int, room: int) -> Iterable[int]:
    for away in range(3, room + 1):
        yield from (centre + away, centre - away)


def _parts(chosen: set[int], length: int) -> list[int | range]:
    parts: list[int | range] = []
    after = 0
    for at in sorted(chosen):
        if at > after:
            parts.append(range(after, at))
        parts.append(at)
        after = at + 1
    if after < length:
        parts.append(range(after, length))
    return parts


def _gap(statuses: Sequence[str]) -> tuple[RenderableType, ...]:
    counted = {word: statuses.count(word) for word in ICONS if word in statuses}
    told = ", ".join(f"{count:,} {word}" for word, count in counted.items())
    if len(counted) == 1:
        return "", Text(f"… {len(statuses):,} more {next(iter(counted))}", "dim"), "", "", "", ""
    return "", Text(f"… {len(statuses):,} more", "dim"), "", "", "", Text(told, "dim")


def groups_of(state: Mapping[str, Any], look: Look) -> list[RenderableType]:
    """Children that are counted, not named."""
    drawn: list[RenderableType] = []
    for name, group in list(state.get("groups", {}).items())[: max(1, look.height // 4)]:
        counts: Mapping[str, Any] = group.get("counts", {})
        total = group.get("total")
        done = sum(counts.get(word, 0) for word in DONE)
        text = Text(f" {safe(name)}  {number(done)}", no_wrap=True, overflow="ellipsis")
        text.append(f"/{number(total)}" if total else "")
        for word, count in counts.items():
            if count:
                text.append(
                    f"  {ICONS.get(word, '')} {number(count)} {safe(word)}", STYLES.get(word, "")
                )
        drawn.append(text)
    return drawn
