"""Runs that go on after their end: whoever watches one hears of it without asking again."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.dashboard.browsing import HIDE, NOTES, Dashboard, dashboard
from tests.dashboard.test_embed import hosted, opened

RUN = "import-7"
STARTED: dict[str, Any] = {"type": "run.started", "pipeline": "import", "plan": [{"step": "read"}]}
FAILED = {"type": "run.failed", "error": {"message": "no room"}}
NEXT = {"type": "run.queued", "attempt": 2}, {**STARTED, "attempt": 2}


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[Dashboard]:
    async with dashboard(tmp_path) as d:
        yield d


async def log_line(d: Dashboard, text: str, attempt: int) -> None:
    line = {"type": "log.appended", "attempt": attempt, "lines": [{"text": text}]}
    await d.broker.post(f"/v1/runs/{RUN}/events", line)


def status(page: Page) -> Any:
    return page.locator(".run-status")


async def test_all_that_show_an_ended_run_hear_of_its_next_attempt(shown: Dashboard) -> None:
    context = await shown.context()
    notes = asyncio.Queue[str]()
    await context.expose_function("noted", notes.put_nowait)
    await context.add_init_script(NOTES)
    publish = shown.broker.publish
    await publish(RUN, STARTED)
    await log_line(shown, "first line", 1)
    belled, other, log, events, shared = [
        await shown.open(f"/{path}", context=context)
        for path in (
            f"runs/{RUN}",
            f"runs/{RUN}",
            f"runs/{RUN}?tab=logs",
            f"runs/{RUN}?tab=events",
            f"share/{RUN}",
        )
    ]
    await belled.get_by_role("button", name="Tell me when it ends").click()
    await expect(log.get_by_text("first line")).to_be_visible()
    await belled.evaluate(HIDE, True)
    await publish(RUN, FAILED)
    assert await notes.get() == "Failed: import-7 (no room)"
    for page in (other, log, events, shared):
        await expect(status(page)).to_contain_text("Failed")
    await expect(log.get_by_text("The log ends here")).to_be_visible()

    await publish(RUN, *NEXT)
    await log_line(shown, "second line", 2)
    for page in (other, log, events, shared):
        await expect(status(page)).to_contain_text("Running")
    await expect(log.get_by_text("second line")).to_be_visible()
    await expect(log.get_by_text("Following the end")).to_be_visible()
    await expect(events.get_by_role("button", name="run.queued")).to_be_visible()
    await expect(belled).to_have_title(re.compile(r"^0 % · import-7"))
    await publish(RUN, {"type": "run.completed", "attempt": 2})
    assert await notes.get() == "Completed: import-7 (import)"
    await expect(other.get_by_text("100 %", exact=True)).to_be_visible()


async def test_a_run_that_two_tabs_wait_for_comes_in_both(shown: Dashboard) -> None:
    context = await shown.context()
    pages = [await shown.open("/runs/late", context=context) for _ in range(2)]
    for page in pages:
        await expect(page.get_by_role("heading", name="Not known yet")).to_be_visible()
    await shown.broker.publish("late", {**STARTED, "name": "At last"})
    for page in pages:
        await expect(page.get_by_role("heading", name="At last")).to_be_visible()


async def test_elements_of_other_pages_hear_of_it(tmp_path: Path) -> None:
    body = (
        '<progress-run run="import-7"></progress-run><progress-log run="import-7"></progress-log>'
    )
    async with hosted(tmp_path, body) as (d, host):
        await d.broker.publish(RUN, STARTED)
        await log_line(d, "first line", 1)
        page = await opened(d, host)
        await page.evaluate("""addEventListener("progress-end", ({ target, detail }) => {
          if (target.localName === "progress-run") document.title += `, ${detail.status}`;
        })""")
        await expect(page.get_by_text("first line")).to_be_visible()
        await d.broker.publish(RUN, FAILED)
        await expect(page.get_by_text("no room")).to_be_visible()
        await d.broker.publish(RUN, *NEXT)
        await log_line(d, "second line", 2)
        await expect(page.locator("progress-run").get_by_text("Running")).to_be_visible()
        await expect(page.get_by_text("second line")).to_be_visible()
        await d.broker.publish(RUN, {"type": "run.completed", "attempt": 2})
        await expect(page).to_have_title("Host, failed, completed")
