"""`progress-broker watch RUN…`: runs as they go, on a terminal, in plain lines, or as JSON."""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from rich.console import Group, RenderableType
from rich.live import Live
from rich.rule import Rule

from broker.cli import exits, session
from broker.cli.client import Client
from broker.cli.draw import run_screen, waiting_screen
from broker.cli.draw_parts import Look
from broker.cli.draw_rows import rows_screen
from broker.cli.following import Watched, follow
from broker.cli.plain import Narration
from broker.cli.wording import safe
from broker.model.state import TERMINAL

_EXAMPLES: Final = """\
  progress-broker watch nightly-42
  progress-broker watch nightly-42 nightly-43
  progress-broker watch nightly-42 --wait && deploy
  progress-broker watch nightly-42 --json | jq .progress.fraction
"""

CODES: Final = {
    exits.DONE: "all have ended; with --wait: and completed",
    exits.FAILED: "with --wait: one failed",
    exits.CANCELLED: "with --wait: one was cancelled",
    exits.UNKNOWN_RUN: "there is no such run",
    exits.INTERRUPTED: "interrupted by Ctrl-C; the run goes on",
}
"""Of several runs the gravest counts: 5, 4, 1, 3, 0."""

_FRAME: Final = 0.1
"""Seconds that a frame stands at least."""

_IDLE: Final = 1.0
_PULSE: Final = 0.2
_LINES: Final = 8
_MOST_WHOLE: Final = 4
"""So many runs are drawn with their steps and last log lines, more as a table."""

_LAST: Final = 1000
"""Lines that the last drawing may have: it stays, so it need not fit the screen."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = session.add_command(
        commands, "watch", "show runs as they go, until they have ended", _EXAMPLES, codes=CODES
    )
    parser.add_argument("runs", nargs="+", metavar="RUN")
    add_watching(parser)
    parser.add_argument(
        "--wait-for-start",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="how long a run that does not exist may take to appear (default: not at all)",
    )
    parser.set_defaults(run=_run)


def add_watching(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how a run is watched."""
    parser.add_argument(
        "--wait",
        action="store_true",
        help="exit with the outcome of the run; a lost run is waited for, as it can come back",
    )
    parser.add_argument("--no-logs", action="store_true", help="leave out the last log lines")
    session.add_json(parser, "the whole state as a line of JSON after each change")


def _run(called: argparse.Namespace) -> int:
    runs = list(dict.fromkeys(called.runs))
    return session.run(
        called,
        lambda client: watch(client, called, runs, appear=called.wait_for_start),
        parting=lambda: parting(runs),
    )


def parting(runs: list[str]) -> str:
    """What is said to who leaves before the end."""
    goes = "the run goes on" if len(runs) == 1 else "the runs go on"
    return f"{goes}; to watch again: progress-broker watch {' '.join(runs)}"


async def watch(
    client: Client, called: argparse.Namespace, runs: list[str], *, appear: float = 0.0
) -> int:
    """Watch until all have ended; gives the exit code."""
    shown = session.looked_at() and not called.json
    logs = shown and not called.no_logs and len(runs) <= _MOST_WHOLE
    watched = [Watched(run, lines=max(3, _LINES // len(runs))) for run in runs]
    if shown:
        await _on_screen(client, watched, logs=logs, appear=appear)
    else:
        teller = _json_teller() if called.json else _plain_teller()
        async with asyncio.TaskGroup() as tasks:
            for one in watched:
                tasks.create_task(
                    follow(client, one, teller, logs=False, estimate=not called.json, appear=appear)
                )
    problems = {str(one.problem): one.problem for one in watched if one.problem is not None}
    codes = [session.complain(problem) for problem in problems.values()]
    if called.wait:
        codes += [exits.of_status(one.status) for one in watched if one.problem is None]
    return exits.gravest(codes)


async def _on_screen(client: Client, watched: list[Watched], *, logs: bool, appear: float) -> None:
    console = session.terminal()
    news = asyncio.Event()

    def screen(height: int) -> RenderableType:
        return draw(client, watched, console.width, height, time.monotonic())

    async def paint(live: Live) -> None:
        while not all(one.over for one in watched):
            live.update(screen(console.height - 1), refresh=True)
            await asyncio.sleep(_FRAME)
            pulsing = any(_pulses(one) for one in watched)
            try:
                async with asyncio.timeout((_PULSE if pulsing else _IDLE) - _FRAME):
                    await news.wait()
            except TimeoutError:
                continue
            finally:
                news.clear()

    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        async with asyncio.TaskGroup() as tasks:
            for one in watched:
                tasks.create_task(
                    follow(client, one, lambda _: news.set(), logs=logs, appear=appear)
                )
            tasks.create_task(paint(live))
        live.update(screen(_LAST))


def draw(
    client: Client, watched: list[Watched], width: int, height: int, pulse: float
) -> RenderableType:
    """All that is watched, each with its share of the height."""
    if len(watched) > _MOST_WHOLE:
        return _as_rows(client, watched, width, height, pulse)
    parts: list[RenderableType] = []
    share = height // len(watched) - (1 if len(watched) > 1 else 0)
    for one in watched:
        if parts:
            parts.append(Rule(style="dim"))
        if one.state is None:
            if one.problem is None:
                parts.append(waiting_screen(one.run, one.lost_for, one.reason))
            continue
        look = Look(
            now=client.now(),
            width=width,
            height=share,
            pulse=pulse,
            estimate=one.estimate,
            lines=tuple(one.lines),
            lost_for=None if one.over else one.lost_for,
            reason=one.reason,
        )
        parts.append(run_screen(one.state, look))
    return Group(*parts)


def _as_rows(
    client: Client, watched: list[Watched], width: int, height: int, pulse: float
) -> RenderableType:
    """More runs than a screen holds: a line of each, those that have ended last."""
    known = [one for one in watched if one.state is not None]
    known.sort(key=lambda one: one.status in TERMINAL)
    cut = next((one for one in watched if one.lost_for is not None and not one.over), None)
    return rows_screen(
        [one.state or {} for one in known[: max(3, height - 5)]],
        Counter(one.status or "" for one in known),
        now=client.now(),
        width=width,
        pulse=pulse,
        lost_for=cut.lost_for if cut else None,
        reason=cut.reason if cut else "",
    )


def _pulses(one: Watched) -> bool:
    """Whether something of it moves though nothing happens."""
    if one.state is None or one.status != "running":
        return False
    steps = one.state.get("steps", {}).values()
    return "fraction" not in one.state.get("progress", {}) or any(
        step.get("status") == "running" and not step.get("total") for step in steps
    )


def _json_teller() -> Callable[[Watched], None]:
    told: dict[str, object] = {}

    def tell(one: Watched) -> None:
        cursor = (one.state or {}).get("cursor")
        if cursor is not None and told.get(one.run) != cursor:
            told[one.run] = cursor
            session.emit_json(one.state)

    return tell


def _plain_teller() -> Callable[[Watched], None]:
    narrations: dict[str, Narration] = {}
    cut: set[str] = set()

    def tell(one: Watched) -> None:
        if one.lost_for is not None and one.run not in cut and not one.over:
            cut.add(one.run)
            session.say(f"{safe(one.run)}: connection lost ({safe(one.reason)}), retrying")
        elif one.lost_for is None and one.run in cut:
            cut.discard(one.run)
            session.say(f"{safe(one.run)}: connected again")
        if one.state is not None:
            narration = narrations.setdefault(one.run, Narration(one.run))
            for line in narration.tell(one.state, one.estimate):
                session.emit(line)

    return tell
