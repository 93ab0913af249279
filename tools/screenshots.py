"""Pictures of every page of the dashboard, over a real gateway with real runs.

Written to docs/screenshots/ for a telephone, a tablet and a desk, in light and dark. They are made
to be looked at; nothing compares them, since times in them go on.
"""

import argparse
import asyncio
import re
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from playwright.async_api import Page, expect

from tests.dashboard.browsing import WIDTHS, Dashboard, dashboard

FOLDER: Final = Path(__file__).parents[1] / "docs/screenshots"
THEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
PIPELINE: Final = [
    ("fetch", "Fetch the files", [], 24.0),
    ("parse", "Parse", ["fetch"], 41.0),
    ("weather", "Add the weather", ["fetch"], 18.0),
    ("check", "Check the rows", ["parse", "weather"], 33.0),
    ("load", "Load", ["check"], 52.0),
    ("report", "Write the report", ["load"], 9.0),
]
PAGES: Final = {
    "list": "/",
    "list-failed": "/?q=status:failed",
    "run": "/runs/readings-march",
    "run-failed": "/runs/readings-february",
    "run-timeline": "/runs/readings-february?tab=timeline",
    "run-graph": "/runs/readings-march?tab=graph",
    "run-logs": "/runs/readings-march?tab=logs",
    "run-artefacts": "/runs/readings-january?tab=artefacts",
    "run-events": "/runs/readings-february?tab=events",
    "compare": "/compare?a=readings-january&b=readings-february",
    "share": "/share/readings-march",
}


class Story:
    """The events of one run, told at times of the past."""

    def __init__(self, begun: datetime) -> None:
        self.at = begun
        self.events: list[dict[str, Any]] = []

    def tell(self, type: str, after: float = 0.0, /, **fields: Any) -> None:
        """Add an event, so many seconds after the one before."""
        self.at += timedelta(seconds=after)
        time = self.at.isoformat().replace("+00:00", "Z")
        self.events.append({"type": type, "time": time, **fields})


def story(name: str, begun: datetime, *, pace: float = 1.0, until: str, fails: str = "") -> Story:
    """A run of the pipeline: it fails at a step, or stands in the middle of `until`."""
    told = Story(begun)
    plan = [
        {"step": step, "name": title, "index": index, "after": after}
        for index, (step, title, after, _) in enumerate(PIPELINE)
    ]
    labels = {"team": "meters", "env": "prod"}
    told.tell("run.queued", name=name, pipeline="readings", labels=labels, plan=plan)
    told.tell("run.started", 3.0, worker="worker-2", metadata={"rows": 36_000, "source": "made up"})
    for step, _, _, seconds in PIPELINE:
        told.tell("step.started", 0.4, step=step)
        for part in range(1, 5):
            size = {"current": part * 9_000, "total": 36_000, "unit": "rows"}
            told.tell("step.progress", seconds * pace / 5, step=step, **size)
            if step == until and part == 3:
                told.tell("run.progress", 0.1, current=96, total=150, unit="files")
                return told
        if step == fails:
            error = {"type": "ValueError", "message": "row 17,204 of 12.csv has no date"}
            told.tell("step.failed", 1.0, step=step, error={**error, "stack": STACK})
            told.tell("run.failed", 0.2, error={**error, "stack": STACK}, kind="application")
            return told
        told.tell("step.completed", seconds * pace / 5, step=step, outputs={"rows": 36_000})
    link = {"uri": "https://reports.example/readings.html", "media_type": "text/html"}
    told.tell("artifact.added", 0.1, name="Report", kind="report", **link)
    told.tell("run.completed", 0.2, outputs={"rows": 36_000, "peak_kwh": 14.2})
    return told


STACK: Final = """Traceback (most recent call last):
  File "report.py", line 88, in check
    day = int(row["day"])
ValueError: row 17,204 of 12.csv has no date"""


async def fill(shown: Dashboard) -> None:
    """Store some weeks of work."""
    now = datetime.now(UTC)
    for days in range(9, 1, -1):
        told = story(f"Readings of day {days}", now - timedelta(days=days), until="", pace=0.8)
        await store(shown, f"readings-day-{days}", told)
    january = story("Readings of January", now - timedelta(hours=5), until="")
    await store(shown, "readings-january", january)
    february = story("Readings of February", now - timedelta(hours=2), until="", fails="check")
    await store(shown, "readings-february", february)
    march = story("Readings of March", now - timedelta(seconds=150), until="check")
    await store(shown, "readings-march", march)
    queued = {"type": "run.queued", "pipeline": "train", "name": "Forecast, wide"}
    await shown.broker.post("/v1/runs/train-7/events", [queued])
    lines = [
        {"text": f"\x1b[36mparse\x1b[0m {n}.csv: 600 rows", "level": "info", "step": "parse"}
        for n in range(60)
    ]
    lines.append({"text": "12.csv: 3 rows twice, kept once", "level": "warning", "step": "check"})
    lines.append({"text": "36,000 rows so far", "level": "success", "step": "check"})
    body = {"type": "log.appended", "lines": lines}
    await shown.broker.post("/v1/runs/readings-march/events", body)


async def store(shown: Dashboard, run: str, told: Story) -> None:
    """Store a run's events."""
    answer = await shown.broker.post(f"/v1/runs/{run}/events", told.events)
    assert answer.status == 202, answer.body


async def settled(page: Page) -> None:
    """Wait until a page shows what it asked for, and nothing moves in."""
    await expect(page.get_by_role("main")).to_contain_text(re.compile(".{80}", re.DOTALL))
    await page.wait_for_timeout(1_000)  # a picture has no signal for "all is drawn"


async def take(shown: Dashboard, folder: Path) -> None:
    """Take every picture."""
    for theme in THEMES:
        for width in WIDTHS:
            size = {"width": width, "height": 812 if width < 500 else 900}
            context = await shown.context(
                viewport=size, color_scheme=theme, reduced_motion="reduce"
            )
            for name, path in PAGES.items():
                page = await shown.open(path, context=context)
                await settled(page)
                await page.screenshot(path=folder / f"{name}-{width}-{theme}.png")
                await page.close()
            await context.close()


async def main(folder: Path) -> None:
    """Fill a broker of its own and take the pictures."""
    with tempfile.TemporaryDirectory() as scratch:
        async with dashboard(Path(scratch)) as shown:
            await fill(shown)
            await take(shown, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: docs/screenshots")
    chosen = parser.parse_args().folder
    chosen.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(chosen))
