"""The events of a run on its page, and its past."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.dashboard.browsing import Dashboard, dashboard, violations, widest

RUN = "import-7"
STORY: list[dict[str, Any]] = [
    {"type": "run.started", "pipeline": "import", "plan": [{"step": "fetch"}, {"step": "load"}]},
    {"type": "step.started", "step": "fetch"},
    {"type": "step.progress", "step": "fetch", "current": 1, "total": 4, "unit": "files"},
    {"type": "step.completed", "step": "fetch"},
    {"type": "step.started", "step": "load"},
    {"type": "step.failed", "step": "load", "error": {"message": "no room"}},
    {"type": "run.failed", "error": {"message": "no room"}},
]


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[Dashboard]:
    async with dashboard(tmp_path) as d:
        await d.broker.publish(RUN, *STORY)
        yield d


async def test_every_event_is_there_and_those_to_come(shown: Dashboard) -> None:
    page = await shown.open(f"/runs/{RUN}?tab=events")
    rows = page.locator(".event-row")
    await expect(rows).to_have_count(len(STORY))
    await expect(rows.nth(2)).to_contain_text("1 / 4 files")
    again = {"type": "run.queued", "attempt": 2}
    await shown.broker.publish(RUN, again)
    other = await shown.open(f"/runs/{RUN}?tab=events")
    await expect(other.locator(".event-row")).to_have_count(len(STORY) + 1)


async def test_the_page_shows_the_run_as_it_was(shown: Dashboard) -> None:
    page = await shown.open(f"/runs/{RUN}?tab=events")
    await expect(page.locator(".run-header .status").first).to_have_text("Failed")
    await page.locator(".event-row", has_text="step.progress").get_by_role("button").click()
    await expect(page.locator(".past-band")).to_be_visible()
    await expect(page.locator(".run-header .status").first).to_have_text("Running")
    detail = page.locator(".event-detail")
    await expect(detail.locator("pre").first).to_contain_text('"unit": "files"')
    await expect(detail.locator("pre").nth(1)).to_contain_text('"current": 1')


async def test_a_moment_of_the_past_has_a_link(shown: Dashboard) -> None:
    page = await shown.open(f"/runs/{RUN}?tab=events")
    await expect(page.get_by_role("slider")).to_have_attribute("max", "6")
    await page.get_by_role("slider").focus()
    await page.keyboard.press("Home")
    await expect(page.get_by_role("slider")).to_have_attribute(
        "aria-valuetext", re.compile("^1 of 7: run.started")
    )
    await page.wait_for_url(re.compile("at="))
    other = await shown.open(page.url.removeprefix(shown.broker.url))
    await expect(other.locator(".past-band")).to_be_visible()
    await expect(other.locator(".run-header .status").first).to_have_text("Running")
    await other.get_by_role("button", name="Back to now").click()
    await expect(other.locator(".run-header .status").first).to_have_text("Failed")


async def test_keys_walk_through_the_past_and_play_it(shown: Dashboard) -> None:
    page = await shown.open(f"/runs/{RUN}?tab=events")
    await expect(page.locator(".event-row")).to_have_count(len(STORY))
    await page.locator(".events").click(position={"x": 2, "y": 2})
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator(".event-row button[aria-pressed=true]")).to_contain_text(
        "step.failed"
    )
    await page.keyboard.press("k")  # plays to the end, which is now
    await expect(page.locator(".past-band")).to_have_count(0)


async def test_a_step_to_the_end_keeps_the_focus(shown: Dashboard) -> None:
    page = await shown.open(f"/runs/{RUN}?tab=events")
    await expect(page.locator(".event-row")).to_have_count(len(STORY))
    await page.get_by_role("button", name="One event back").click()
    await expect(page.locator(".past-band")).to_be_visible()
    forward = page.get_by_role("button", name="One event forward")
    await forward.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".past-band")).to_have_count(0)
    await expect(forward).to_have_attribute("aria-disabled", "true")
    await expect(forward).to_be_focused()


async def test_the_list_is_one_stop_of_the_tab_key(shown: Dashboard) -> None:
    page = await shown.open(f"/runs/{RUN}?tab=events")
    rows = page.locator(".event-row button")
    await expect(rows).to_have_count(len(STORY))
    await page.get_by_role("list", name="Events").focus()
    await page.keyboard.press("ArrowDown")
    await expect(rows.first).to_be_focused()
    await page.keyboard.press("End")
    await expect(rows.last).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await expect(rows.nth(-2)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator(".event-detail")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.locator(".event-detail pre").first).to_be_focused()


async def test_events_are_found_by_kind_and_text(shown: Dashboard) -> None:
    page = await shown.open(f"/runs/{RUN}?tab=events")
    rows = page.locator(".event-row")
    await page.get_by_label("Kind of event").select_option("step.started")
    await expect(rows).to_have_count(2)
    await page.get_by_label("Kind of event").select_option("")
    await page.get_by_role("searchbox").fill("no room")
    await expect(rows).to_have_count(2)
    await page.get_by_role("searchbox").fill("nowhere")
    await expect(page.get_by_text("No event is like that.")).to_be_visible()


async def test_a_long_story_is_scrubbed_through(shown: Dashboard) -> None:
    steps = [f"s{n}" for n in range(1_000)]
    events = [{"type": tag, "step": s} for s in steps for tag in ("step.started", "step.completed")]
    await shown.broker.publish("long", {"type": "run.started"}, *events)
    page = await shown.open("/runs/long?tab=events")
    slider = page.get_by_role("slider")
    await expect(slider).to_have_attribute("max", "2000")
    await slider.fill("1000")
    await expect(page.locator(".past-band")).to_be_visible()
    await expect(page.locator(".overall-line")).to_contain_text("500")
    await slider.fill("200")
    await expect(page.locator(".overall-line")).to_contain_text("100")


async def test_nobody_is_left_out(shown: Dashboard) -> None:
    for width in (375, 1440):
        page = await shown.open(f"/runs/{RUN}?tab=events", width=width)
        await page.locator(".event-row", has_text="step.failed").get_by_role("button").click()
        await expect(page.locator(".event-detail")).to_be_visible()
        assert await widest(page) <= width
        assert await violations(page) == []
