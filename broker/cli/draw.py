"""A run drawn for a terminal: pure functions from what is known of it to what rich prints."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from broker.cli.draw_parts import DONE, Look, bar, connection_lost, log_text, status_text
from broker.cli.draw_steps import groups_of, steps_of
from broker.cli.wording import (
    ago,
    amount,
    duration,
    elapsed,
    failure,
    moment,
    percent,
    remaining,
    safe,
)
from broker.model.bounds import clip
from broker.model.state import TERMINAL

_SILENT: Final = 3
"""A producer is silent after so many of its heartbeats."""

_MOST_WHY: Final = 400
"""Characters of an error that are shown."""

_STILL: Final = 15.0
"""Seconds without a signal that are worth a word where no heartbeat was promised."""


def run_screen(state: Mapping[str, Any], look: Look) -> RenderableType:
    """Everything of a run that fits."""
    top: list[RenderableType] = [_header(state)]
    if look.lost_for is not None:
        top.append(connection_lost(look.lost_for, look.reason))
    top += [_overall(state, look), _facts(state, look), *_remarks(state, look)]
    groups = groups_of(state, look)
    lines = [log_text(line) for line in look.lines]
    used = sum(_height(part, look.width) for part in top) + len(groups) + len(lines)
    room = max(3, look.height - used - (3 if lines else 2))
    steps = steps_of(state, look, room)
    parts = [*top]
    if steps:
        parts += [Text(), *steps]
    if groups:
        parts += [Text(), *groups]
    if lines:
        parts += [Text(), *lines]
    return Group(*parts)


def _height(part: RenderableType, width: int) -> int:
    """The lines that a part takes; only texts may be wrapped."""
    if not isinstance(part, Text) or part.no_wrap:
        return 1
    return max(1, -(-part.cell_len // width))


def waiting_screen(run: str, lost_for: float | None, reason: str) -> RenderableType:
    """A run of which nothing is known yet."""
    told = Text.assemble(
        ("○ ", "dim"), (safe(run), "bold"), ("  waiting for its first state", "dim")
    )
    return told if lost_for is None else Group(told, connection_lost(lost_for, reason))


def _header(state: Mapping[str, Any]) -> RenderableType:
    names = [safe(name) for name in (state.get("pipeline"), state.get("name")) if name]
    left = Text(no_wrap=True, overflow="ellipsis")
    left.append(safe(state.get("run")), "bold")
    left.append(f"  {' · '.join(names)}" if names else "")
    right = status_text(str(state.get("status")))
    right.stylize("bold")
    if state.get("attempt", 1) > 1:
        right.append(f" · attempt {state['attempt']}")
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(left, right)
    return grid


def _overall(state: Mapping[str, Any], look: Look) -> RenderableType:
    status, progress = str(state.get("status")), state.get("progress", {})
    fraction = progress.get("fraction")
    completed = status == "completed"
    said = (
        percent(fraction or 0.0, completed=completed) if completed or fraction is not None else ""
    )
    grid = Table.grid(padding=(0, 2), expand=True)
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(bar(progress, status, look.pulse), said or ("? %" if status == "running" else "-"))
    return grid


def _facts(state: Mapping[str, Any], look: Look) -> Text:
    status = state.get("status")
    counts = state.get("counts", {})
    facts: list[tuple[str, str]] = []
    if total := counts.get("total"):
        facts.append((f"{sum(counts.get(word, 0) for word in DONE)}/{total} steps", ""))
    if said := amount(state.get("progress", {})):
        facts.append((said, ""))
    if (taken := elapsed(state, look.now)) is not None:
        facts.append((duration(taken), ""))
    if (
        status not in TERMINAL
        and status != "paused"
        and (ends := remaining(look.estimate, look.now))
    ):
        basis = (look.estimate or {}).get("basis")
        facts.append((ends + (f" (by {safe(basis)})" if basis else ""), "cyan"))
    if status not in TERMINAL and (seen := moment(state.get("last_seen"))):
        facts.append((f"last signal {ago(seen, look.now)}", _silence_style(state, seen, look.now)))
    if ended := moment(state.get("ended_at")):
        facts.append((f"{status} {ago(ended, look.now)}", ""))
    return Text(" · ", "dim").join(Text(text, style or "dim") for text, style in facts)


def _silence_style(state: Mapping[str, Any], seen: datetime, now: datetime) -> str:
    if state.get("status") == "lost":
        return "bold red"
    promised = state.get("heartbeat_interval")
    allowed = _SILENT * promised if promised else _STILL
    return "yellow" if (now - seen).total_seconds() > allowed else ""


def _remarks(state: Mapping[str, Any], look: Look) -> list[RenderableType]:
    """What the run, the producer or people have to say."""
    said: list[Text] = []
    if state.get("status") == "lost":
        said.append(Text("its producer has gone silent; the next event brings it back", "yellow"))
    if paused := state.get("paused"):
        why = " — ".join(safe(paused[part]) for part in ("reason", "prompt") if paused.get(part))
        said.append(Text(f"paused{f': {why}' if why else ''}", "yellow"))
    if message := state.get("message"):
        said.append(Text(safe(message)))
    if state.get("status") not in TERMINAL:
        said += [_command(one, look.now) for one in list(state.get("commands", {}).values())[-2:]]
    for text in said:
        text.no_wrap, text.overflow = True, "ellipsis"
    if error := state.get("error"):
        told = clip(failure(error), _MOST_WHY) or ""
        said.insert(0, Text(told, "red", overflow="fold"))
    return list(said)


def _command(command: Mapping[str, Any], now: datetime) -> Text:
    word = safe(command.get("type", "")).removeprefix("command.")
    by = f" by {safe(command['by'])}" if command.get("by") else ""
    at = moment(command.get("at"))
    told = f"{word} asked{by}{f' {ago(at, now)}' if at else ''}"
    if result := command.get("result"):
        answer = f": {safe(command['answer'])}" if command.get("answer") else ""
        return Text(f"{told}, {safe(result)} by the producer{answer}", "magenta")
    return Text(f"{told}, not yet answered by the producer", "magenta")
