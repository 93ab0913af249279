"""A run with thousands of steps on its page, while it goes on."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.dashboard.browsing import Dashboard, dashboard

RUN = "map"
STEPS = 5000
ROWS_MOST = 60
"""Rows that exist at a time, whatever the number of steps."""
BUSY_MOST = 0.1
"""Seconds of processor time that one task of the page may take."""


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[Dashboard]:
    async with dashboard(tmp_path) as d:
        plan = [{"step": f"p{n}", "name": f"Part {n:04d}", "index": n} for n in range(STEPS)]
        await d.broker.publish(RUN, {"type": "run.started"})
        for start in range(0, STEPS, 1000):
            await d.broker.publish(RUN, {"type": "run.queued", "plan": plan[start : start + 1000]})
        begun = [{"type": "step.started", "step": f"p{n}"} for n in range(200)]
        done = [{"type": "step.completed", "step": f"p{n}"} for n in range(100)]
        wrong = {"type": "step.failed", "step": "p7", "error": {"message": "no space left"}}
        await d.broker.publish(RUN, *begun, wrong, *done)
        yield d


def row(page: Page, name: str) -> Any:
    return page.get_by_role("treeitem", name=re.compile(name))


async def test_what_needs_a_look_comes_first_and_only_what_is_in_sight_exists(
    shown: Dashboard,
) -> None:
    page = await shown.open(f"/runs/{RUN}")
    await expect(page.get_by_role("treeitem").nth(0)).to_have_text(re.compile("Failed *1"))
    await expect(page.get_by_role("treeitem").nth(1)).to_contain_text("no space left")
    await expect(page.get_by_role("treeitem").nth(2)).to_have_text(re.compile("Running *100"))
    assert await page.get_by_role("treeitem").count() < ROWS_MOST
    tree = page.get_by_role("tree", name="Steps")
    await tree.focus()
    await page.keyboard.press("End")
    done = row(page, r"^Done")
    await expect(done).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await page.keyboard.press("End")
    await expect(row(page, "Part 0099")).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("complementary", name="Part 0099")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.get_by_label("Filter steps").fill("part p4242")
    await expect(page.get_by_text("1 step", exact=True)).to_be_visible()
    await expect(page.get_by_role("treeitem")).to_have_text(
        [re.compile("Pending"), re.compile("Part 4242")]
    )


@pytest.mark.parametrize(("tab", "surface"), [("steps", ".steps-virtual"), ("timeline", ".chart")])
async def test_it_stays_smooth_while_200_events_a_second_come(
    shown: Dashboard, tab: str, surface: str
) -> None:
    page = await shown.open(f"/runs/{RUN}?tab={tab}")
    await expect(page.locator(surface)).to_be_visible()
    await page.hover(surface)
    traced = await shown.browser.new_browser_cdp_session()
    events: list[dict[str, Any]] = []
    complete = asyncio.Event()
    traced.on("Tracing.dataCollected", lambda told: events.extend(told["value"]))
    traced.on("Tracing.tracingComplete", lambda _: complete.set())
    await traced.send("Tracing.start", {"traceConfig": {"includedCategories": ["toplevel"]}})
    for n in range(1, 41):
        going = [f"p{100 + (n * 20 + k) % 100}" for k in range(20)]
        await shown.broker.publish(
            RUN,
            *({"type": "step.progress", "step": p, "current": n, "total": 50} for p in going),
        )
        await page.mouse.wheel(0, 300)
        await asyncio.sleep(0.1)  # twenty events each tenth of a second are two hundred a second
    await traced.send("Tracing.end")
    await complete.wait()
    main = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    # What the thread used, not what it waited for: the machine may be busy with other things.
    tasks = [
        event.get("tdur", 0) / 1e6
        for event in events
        if event["ph"] == "X" and (event["pid"], event["tid"]) in main and "Task" in event["name"]
    ]
    assert len(tasks) > 100
    assert max(tasks) < BUSY_MOST
