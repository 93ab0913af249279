"""Clocks of producers that are ahead: no page says that something ends that has ended."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.dashboard.browsing import Dashboard, dashboard

RUN = "early-1"


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[Dashboard]:
    async with dashboard(tmp_path) as d:
        yield d


def ahead(seconds: float, kind: str, step: str | None = None, **more: Any) -> dict[str, Any]:
    """An event of now, by a clock that is an hour ahead and some seconds."""
    time = (datetime.now(UTC) + timedelta(hours=1, seconds=seconds)).isoformat()
    return {"type": kind, "time": time, **({"step": step} if step else {}), **more}


async def test_times_to_come_are_said_to_be_so(shown: Dashboard) -> None:
    plan = [{"step": "read"}, {"step": "check"}]
    await shown.broker.publish(
        RUN,
        ahead(0, "run.started", plan=plan),
        ahead(1, "step.started", "read"),
        ahead(9, "step.completed", "read"),
        ahead(9, "step.started", "check"),
        ahead(10, "command.pause", id="p", by="ada"),
    )
    page = await shown.open(f"/runs/{RUN}")
    facts = page.locator(".facts")
    await expect(facts.locator(".ahead")).to_contain_text("clock ahead")
    await expect(facts.locator(".ahead")).to_have_attribute("title", re.compile("in 1 h|in 59 min"))
    await expect(page.locator(".stage").nth(0)).to_contain_text("8.0 s")
    await expect(page.locator(".stage").nth(1)).to_contain_text("clock ahead")
    receipt = page.get_by_role("region", name="What was asked of this run")
    await expect(receipt).to_contain_text(re.compile("asked clock ahead.*not answered yet"))
    await expect(page.get_by_text(re.compile(r"\b0\.0 s"))).to_have_count(0)
    await page.get_by_role("tab", name="Timeline").click()
    await expect(page.get_by_text("how long it has run cannot be told")).to_be_visible()
    await expect(page.get_by_text("Following now")).to_have_count(0)
    # There is room for what began last: its bar would else stand outside of the chart.
    assert (await page.locator(".chart-axis > span").count()) > 1
    await shown.broker.publish(RUN, ahead(12, "run.paused"))
    await expect(page.locator(".sign-box")).to_contain_text("Paused · clock ahead")
    await page.goto(f"{shown.broker.url}/compare?a={RUN}&b={RUN}")
    await expect(page.locator(".compare-took .ahead").first).to_be_visible()


async def test_what_has_ended_did_not_end_now(shown: Dashboard) -> None:
    await shown.broker.publish(RUN, ahead(0, "run.started"), ahead(20, "run.completed"))
    page = await shown.open("/")
    row = page.get_by_role("listitem").filter(has_text=RUN)
    await expect(row).to_contain_text(re.compile("ended in (1 h|59 min)"))
    await page.goto(f"{shown.broker.url}/runs/{RUN}")
    await expect(page.locator(".facts")).to_contain_text("20 s")
