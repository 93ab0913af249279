"""The timeline of a run, and the graph of its steps."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.dashboard.browsing import Dashboard, dashboard

RUN = "train-3"
BEGAN = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[Dashboard]:
    async with dashboard(tmp_path) as d:
        yield d


def at(seconds: float, kind: str, step: str | None = None, **more: Any) -> dict[str, Any]:
    """An event, so many seconds after the run was queued."""
    time = (BEGAN + timedelta(seconds=seconds)).isoformat()
    return {"type": kind, "time": time, **({"step": step} if step else {}), **more}


def story() -> list[dict[str, Any]]:
    """Fetched in two attempts, then an hour of nothing, then fitted."""
    plan = [{"step": "fetch"}, {"step": "fit", "after": ["fetch"]}]
    plan.append({"step": "report", "after": ["fit", "fetch"]})
    return [
        at(0, "run.queued", plan=plan),
        at(20, "run.started"),
        at(20, "step.started", "fetch"),
        at(30, "step.retrying", "fetch", step_attempt=2, error={"message": "no answer"}),
        at(35, "step.started", "fetch"),
        at(60, "step.completed", "fetch"),
        at(3660, "step.started", "fit"),
        at(3720, "step.completed", "fit"),
        at(3720, "step.skipped", "report"),
        at(3725, "run.completed"),
    ]


def lane(page: Page, name: str) -> Any:
    return page.get_by_role("treeitem", name=re.compile(f"^{name}:"))


async def ticks(page: Page) -> list[str]:
    return await page.locator(".chart-axis > span").all_text_contents()


async def test_lanes_say_when_each_step_waited_and_worked(shown: Dashboard) -> None:
    await shown.broker.publish(RUN, *story())
    page = await shown.open(f"/runs/{RUN}?tab=timeline")
    await expect(lane(page, "The whole run")).to_have_accessible_name(
        re.compile("Completed · started 0:20 · waited 20 s")
    )
    await expect(lane(page, "fetch")).to_have_accessible_name(
        re.compile(r"started 0:20 · waited 5\.0 s · took 35 s · 2 attempts")
    )
    await expect(lane(page, "fit")).to_have_accessible_name(
        re.compile(r"started 1:01:00 · waited 1 h 00 min · took 1 min 00 s")
    )
    await page.get_by_label("As a table").check()
    fetch = page.get_by_role("row").filter(has_text="fetch")
    await expect(fetch.get_by_role("cell").nth(4)).to_have_text("35 s")
    await expect(fetch.get_by_role("cell").nth(5)).to_have_text("2")


async def test_it_is_zoomed_walked_and_searched_by_keys(shown: Dashboard) -> None:
    await shown.broker.publish(RUN, *story())
    page = await shown.open(f"/runs/{RUN}?tab=timeline")
    await expect(lane(page, "fit")).to_be_visible()
    whole = await ticks(page)
    assert whole[0] == "0:00"
    await page.get_by_role("tree").focus()
    for _ in range(8):
        await page.keyboard.press("+")
    await expect(page.locator(".chart-axis")).to_contain_text("1:01:")
    assert "0:00" not in await ticks(page)
    await page.keyboard.press("0")
    await expect(page.locator(".chart-axis > span").first).to_have_text("0:00")
    assert await ticks(page) == whole
    await page.get_by_label("Collapse idle time").check()
    await expect(page.locator(".chart-axis > span").nth(1)).to_have_text("0:30")
    await page.get_by_role("tree").focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await expect(page.locator(".chart-told")).to_contain_text("fetch Completed")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("complementary", name="fetch")).to_be_visible()
    await page.get_by_label("Filter lanes").fill("fit")
    await expect(page.get_by_role("treeitem")).to_have_count(2)


async def test_it_follows_now_only_at_the_right_edge(shown: Dashboard) -> None:
    start = {"type": "run.started"}
    await shown.broker.publish(RUN, start, {"type": "step.started", "step": "fetch"})
    page = await shown.open(f"/runs/{RUN}?tab=timeline")
    await expect(page.get_by_text("Following now")).to_be_visible()
    await expect(lane(page, "fetch")).to_have_accessible_name(re.compile("running for"))
    await page.get_by_role("button", name="Zoom in").click()
    await expect(page.get_by_text("Following now")).to_be_visible()
    await page.get_by_role("button", name="Earlier").click()
    await expect(page.get_by_text("Following now")).to_have_count(0)
    await page.get_by_role("button", name="Go to now").click()
    await expect(page.get_by_text("Following now")).to_be_visible()


async def test_a_click_on_a_bar_shows_its_step_and_a_drag_moves_in_time(shown: Dashboard) -> None:
    await shown.broker.publish(RUN, *story())
    page = await shown.open(f"/runs/{RUN}?tab=timeline")
    canvas = page.locator(".chart-canvas")
    await expect(lane(page, "report")).to_be_visible()
    await canvas.hover(position={"x": 300, "y": 28 * 2 + 14})
    await expect(page.locator(".chart-told")).to_contain_text("fit Completed")
    await canvas.click(position={"x": 300, "y": 28 * 2 + 14})
    await expect(page.get_by_role("complementary", name="fit")).to_be_visible()
    await page.get_by_role("button", name="Zoom in").click()
    later = (await ticks(page))[0]
    box = await canvas.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + 100, box["y"] + 40)
    await page.mouse.down()
    await page.mouse.move(box["x"] + 2000, box["y"] + 40, steps=4)
    await page.mouse.up()
    await expect(page.locator(".chart-axis > span").first).to_have_text("0:00")
    assert later != "0:00"


async def test_the_graph_shows_what_waits_for_what(shown: Dashboard) -> None:
    plan = [{"step": "fetch"}, *({"step": f"fit-{n}", "after": ["fetch"]} for n in range(3))]
    plan.append({"step": "report", "after": ["fit-0", "fit-1", "fit-2", "no such step"]})
    plan += [{"step": "ring-a", "after": ["ring-b"]}, {"step": "ring-b", "after": ["ring-a"]}]
    await shown.broker.publish(
        RUN,
        {"type": "run.started", "plan": plan},
        {"type": "step.completed", "step": "fetch"},
        {"type": "step.started", "step": "fit-1"},
    )
    page = await shown.open(f"/runs/{RUN}")
    await page.get_by_role("tab", name="Graph").click()
    nodes = page.locator(".node")
    await expect(nodes).to_have_count(len(plan))
    await expect(page.locator(".arrow[data-flow]")).to_have_count(1)
    running = page.get_by_role("button", name="fit-1, Running")
    await page.get_by_role("button", name="To what runs").click()
    await expect(running).to_be_focused()
    await page.keyboard.press("ArrowLeft")
    await expect(page.get_by_role("button", name="fetch, Completed")).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("button", name="report, Pending")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("complementary", name="report")).to_be_visible()
    left, right = await running.bounding_box(), await nodes.first.bounding_box()
    assert left is not None
    assert right is not None
    assert left["x"] > right["x"] + right["width"]


async def test_a_run_without_dependencies_has_no_graph(shown: Dashboard) -> None:
    await shown.broker.publish(RUN, {"type": "run.started", "plan": [{"step": "fetch"}]})
    page = await shown.open(f"/runs/{RUN}?tab=graph")
    await expect(page.get_by_role("tab", name="Steps")).to_have_attribute("aria-selected", "true")
    await expect(page.get_by_role("tab", name="Graph")).to_have_count(0)
