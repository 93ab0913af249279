"""The steps of a run and the details of one, without a mouse."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.dashboard.browsing import Dashboard, dashboard

RUN = "import-7"
THERE = """([x, y]) => {
  const found = document.elementFromPoint(x, y);
  return found?.classList[0];
}"""
"""What is seen at a place of the page."""


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[Dashboard]:
    async with dashboard(tmp_path) as d:
        yield d


def started(count: int) -> dict[str, Any]:
    plan = [{"step": f"s{n}"} for n in range(count)]
    return {"type": "run.started", "plan": plan}


async def test_the_focus_stays_where_a_step_was_chosen(shown: Dashboard) -> None:
    await shown.broker.publish(RUN, started(3))
    page = await shown.open(f"/runs/{RUN}")
    stage = page.get_by_role("button", name="s1")
    details = page.get_by_role("complementary", name="s1")
    await stage.focus()
    await page.keyboard.press("Enter")
    await expect(details).to_be_visible()
    await expect(stage).to_be_focused()
    await details.get_by_role("button", name="Close").focus()
    await page.keyboard.press("Enter")
    await expect(details).to_have_count(0)
    await expect(stage).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(details).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(details).to_have_count(0)
    await expect(stage).to_be_focused()


async def test_details_leave_the_list_as_it_was(shown: Dashboard) -> None:
    await shown.broker.publish(RUN, started(30))
    page = await shown.open(f"/runs/{RUN}")
    tree = page.get_by_role("tree", name="Steps")
    await page.get_by_label("Filter steps").fill("s2")
    await expect(page.get_by_text("11 steps")).to_be_visible()
    await tree.focus()
    for _ in range(3):
        await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    details = page.get_by_role("complementary", name="s20")
    await expect(details).to_be_visible()
    await expect(tree).to_be_focused()
    await expect(page.get_by_label("Filter steps")).to_have_value("s2")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("complementary", name="s21")).to_be_visible()
    await page.get_by_role("button", name="Close").focus()
    await page.keyboard.press("Enter")
    await expect(tree).to_be_focused()
    await expect(page.get_by_label("Filter steps")).to_have_value("s2")


async def test_a_shared_address_of_a_step_can_be_closed_by_keys(shown: Dashboard) -> None:
    await shown.broker.publish(RUN, started(30))
    page = await shown.open(f"/runs/{RUN}?step=s3")
    await page.get_by_role("button", name="Close").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("complementary")).to_have_count(0)
    await expect(page.get_by_role("tree", name="Steps")).to_be_focused()


async def test_a_name_stays_in_its_box(shown: Dashboard) -> None:
    plan: list[dict[str, Any]] = [{"step": "a", "name": "W" * 5000}]
    plan.append({"step": "b", "name": "m\u200b" * 90, "after": ["a"]})
    await shown.broker.publish(RUN, {"type": "run.started", "plan": plan})
    page = await shown.open(f"/runs/{RUN}?tab=graph")
    for at in range(2):
        node = page.locator(".node").nth(at)
        box = await node.locator(".node-box").bounding_box()
        assert box is not None
        inside, beyond = [
            await page.evaluate(THERE, [x, box["y"] + 20])
            for x in (box["x"] + 60, box["x"] + box["width"] + 8)
        ]
        assert inside == "node-name"
        assert beyond != "node-name"


async def test_why_it_was_cancelled_is_said_once(shown: Dashboard) -> None:
    cancelled = {"type": "run.cancelled", "by": "ada", "reason": "wrong file"}
    await shown.broker.publish(RUN, started(3), cancelled)
    page = await shown.open(f"/runs/{RUN}")
    await expect(page.get_by_text("Cancelled by ada: wrong file")).to_be_visible()
    await expect(page.get_by_text("wrong file", exact=True)).to_have_count(1)
