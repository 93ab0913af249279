"""`progress-broker runs`: the list of runs, once or as it goes."""

import argparse
import asyncio
import time
from collections.abc import Mapping
from contextlib import aclosing, suppress
from typing import Any, Final

from rich.live import Live

from broker.cli import exits, session
from broker.cli.client import Client
from broker.cli.draw_rows import rows_screen
from broker.cli.plain import ROW, row_line
from broker.cli.stream import Stream, decoded
from broker.model.patch import merge

_EXAMPLES: Final = f"""\
  progress-broker runs
  progress-broker runs --status running --status lost --watch
  progress-broker runs --pipeline etl --label team=data -q customers
  progress-broker runs --status failed --json | jq -r .run | xargs progress-broker retry

piped, each run is one line with tabs between: {ROW}
"""

_STATUSES: Final = ("queued", "running", "paused", "completed", "failed", "cancelled", "lost")
_LARGEST_PAGE: Final = 200
_FRAME: Final = 0.1
_IDLE: Final = 1.0


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = session.add_command(commands, "runs", "list runs, the newest first", _EXAMPLES)
    parser.add_argument(
        "--status",
        action="append",
        type=_statuses,
        metavar="STATUS",
        help=f"only these (again, or with commas, for more): {', '.join(_STATUSES)}",
    )
    parser.add_argument("--pipeline", help="only runs of this pipeline")
    parser.add_argument(
        "--label",
        action="append",
        type=session.pair,
        metavar="KEY=VALUE",
        help="only runs with this label (again for more)",
    )
    parser.add_argument("-q", "--query", metavar="TEXT", help="only runs in which this is found")
    parser.add_argument(
        "--sort",
        metavar="FIELD",
        help="updated_at, began_at, queued_at, started_at, ended_at, duration, status, name or "
        "pipeline; downwards with a minus: --sort=-duration (default --sort=-updated_at)",
    )
    parser.add_argument(
        "--limit", type=_limit, default=20, metavar="N", help="so many at most (default 20)"
    )
    parser.add_argument("--watch", "-f", action="store_true", help="keep the list up to date")
    session.add_json(parser, "each run as a line of JSON; with --watch, after each change of it")
    parser.set_defaults(run=_run)


def _statuses(text: str) -> list[str]:
    found = ["cancelled" if word == "canceled" else word for word in text.split(",")]
    for word in found:
        if word not in _STATUSES:
            raise argparse.ArgumentTypeError(
                f"{word!r} is no status: it is one of {', '.join(_STATUSES)}"
            )
    return found


def _limit(text: str) -> int:
    digits = text.isascii() and text.isdigit() and len(text) <= 7
    if not digits or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 1000000")
    return int(text)


def _run(called: argparse.Namespace) -> int:
    return session.run(called, lambda client: _runs(client, called))


async def _runs(client: Client, called: argparse.Namespace) -> int:
    asked: dict[str, object] = {
        "status": ",".join(word for words in called.status or () for word in words) or None,
        "pipeline": called.pipeline,
        "label": [f"{key}:{value}" for key, value in called.label or ()],
        "q": called.query,
        "sort": called.sort,
        "limit": min(called.limit, _LARGEST_PAGE),
    }
    if called.watch:
        if session.looked_at() and not called.json:
            await _on_screen(client, asked)
        else:
            await _each_change(client, asked, as_json=called.json)
        return exits.DONE
    rows, counts = await _listed(client, asked, called.limit)
    if called.json:
        for row in rows:
            session.emit_json(row)
    elif session.looked_at():
        console = session.terminal()
        console.print(rows_screen(rows, counts, now=client.now(), width=console.width))
    else:
        for row in rows:
            session.emit(row_line(row))
    return exits.DONE


async def _listed(
    client: Client, asked: Mapping[str, object], limit: int
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    rows: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    async for page in client.pages("/v1/runs", asked, "page_token"):
        rows += page["items"]
        counts = counts or page.get("counts", {})
        if len(rows) >= limit:
            break
    return rows[:limit], counts


class _Listing:
    """The live list, as its stream tells it."""

    def __init__(self, client: Client, asked: Mapping[str, object]) -> None:
        self.state: dict[str, Any] = {}
        self.news = asyncio.Event()
        self.over = False
        self.stream = Stream(client, "/v1/runs", asked, on_link=self.news.set)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows in their order."""
        rows = self.state.get("rows", {})
        return [rows[run] for run in self.state.get("order", rows) if run in rows]

    async def read(self) -> None:
        """Keep up to date until the gateway says that no more comes."""
        async with aclosing(self.stream.events()) as events:
            async for event in events:
                if event.name == "snapshot":
                    self.state = decoded(event)
                elif event.name == "patch":
                    self.state = merge(self.state, decoded(event))
                self.news.set()
        self.over = True
        self.news.set()

    async def changed(self, seconds: float | None = None) -> None:
        """Wait until something has changed, or so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.news.wait()
        self.news.clear()


async def _on_screen(client: Client, asked: Mapping[str, object]) -> None:
    console = session.terminal()
    listing = _Listing(client, asked)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listing.read())
            await listing.changed()
            while not listing.over:
                room = max(3, console.height - 5)
                screen = rows_screen(
                    listing.rows[:room],
                    listing.state.get("counts", {}),
                    now=client.now(),
                    width=console.width,
                    pulse=time.monotonic(),
                    lost_for=listing.stream.lost_for,
                    reason=listing.stream.reason,
                )
                live.update(screen, refresh=True)
                await asyncio.sleep(_FRAME)
                await listing.changed(_IDLE - _FRAME)


async def _each_change(client: Client, asked: Mapping[str, object], *, as_json: bool) -> None:
    listing = _Listing(client, asked)
    told: dict[str, object] = {}
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(listing.read())
        while not listing.over:
            await listing.changed()
            rows = listing.rows
            for row in rows:
                if told.get(row["run"]) != row.get("cursor"):
                    session.emit_json(row) if as_json else session.emit(row_line(row))
            told = {row["run"]: row.get("cursor") for row in rows}
