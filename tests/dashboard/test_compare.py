"""Two runs side by side, while one of them still runs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.dashboard.browsing import Dashboard, ago, dashboard, violations, widest

STEPS = ("read", "check", "write")
NOTHING = "\N{EN DASH}"


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[Dashboard]:
    async with dashboard(tmp_path) as d:
        yield d


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_title(name, exact=True))


async def compared(shown: Dashboard) -> Page:
    """A run that has ended, and one that still runs: its second step has taken 50 s by now."""
    plan = [{"step": step} for step in STEPS]
    ended = [ago(2000, "run.started", plan=plan)]
    for step, begun, over in (("read", 2000, 1980), ("check", 1980, 1970), ("write", 1970, 403)):
        ended += [ago(begun, "step.started", step), ago(over, "step.completed", step)]
    await shown.broker.publish("old", *ended, ago(400, "run.completed"))
    await shown.broker.publish(
        "new",
        ago(80, "run.started", plan=plan),
        ago(80, "step.started", "read"),
        ago(50, "step.completed", "read"),
        ago(50, "step.started", "check"),
    )
    return await shown.open("/compare?a=old&b=new")


async def test_what_still_runs_has_run_so_far(shown: Dashboard) -> None:
    page = await compared(shown)
    far = row(page, "check").locator(".compare-took").nth(1)
    await expect(far).to_contain_text("so far")
    before = await far.inner_text()
    await expect(far).not_to_have_text(before)
    # It has taken longer than the other, and by how much at least is sure.
    await expect(row(page, "check").locator(".compare-by")).to_contain_text("≥")
    await expect(row(page, "check").locator(".compare-by")).to_contain_text("slower")
    await expect(row(page, "The whole run").locator(".compare-took").nth(1)).to_contain_text(
        "so far"
    )
    await expect(row(page, "The whole run").locator(".compare-by")).to_be_empty()
    await expect(row(page, "write")).to_contain_text("not started")
    assert await page.get_by_text(NOTHING, exact=True).count() == 0
    # What has not ended has no other outcome yet.
    await expect(page.locator(".compare-row[data-differs]")).to_have_count(0)
    await shown.broker.publish("new", {"type": "run.paused"})
    await expect(far).to_contain_text("paused")
    stands = await far.inner_text()
    await shown.broker.publish("new", {"type": "run.cancelled"})
    await expect(far).to_contain_text("no end")
    assert stands.split("\n")[0].strip()


async def test_bars_are_drawn_to_one_scale(shown: Dashboard) -> None:
    page = await compared(shown)
    await expect(row(page, "check")).to_contain_text("so far")
    tracks = page.locator(".compare-steps .compare-bar")
    widths = [await tracks.nth(at).evaluate("el => el.offsetWidth") for at in range(6)]
    assert len(set(widths)) == 1, widths


async def test_everyone_can_compare(shown: Dashboard) -> None:
    page = await compared(shown)
    for width in (375, 1440):
        await page.set_viewport_size({"width": width, "height": 900})
        await expect(row(page, "check")).to_contain_text("so far")
        assert await violations(page) == []
        assert await widest(page) == width
    await page.goto(f"{shown.broker.url}/compare?a=old&b=nobody")
    await expect(page.get_by_role("alert").filter(has_text="nobody")).to_be_visible()
