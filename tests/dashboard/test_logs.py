"""The log of a run on its page."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.dashboard.browsing import Dashboard, dashboard, violations, widest

RUN = "import-7"
BATCH = 500


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[Dashboard]:
    async with dashboard(tmp_path) as d:
        await d.broker.publish(RUN, {"type": "run.started", "pipeline": "import"})
        yield d


async def log(shown: Dashboard, lines: Sequence[dict[str, Any] | str]) -> None:
    """Store lines of the run's log."""
    items = [{"text": line} if isinstance(line, str) else line for line in lines]
    for start in range(0, len(items), BATCH):
        batch = {"type": "log.appended", "lines": items[start : start + BATCH]}
        answer = await shown.broker.post(f"/v1/runs/{RUN}/events", batch)
        assert answer.status == 202, answer.body


async def opened(shown: Dashboard, query: str = "", **how: Any) -> Page:
    return await shown.open(f"/runs/{RUN}?tab=logs{query}", **{"height": 2000, **how})


def line(page: Page, text: str) -> Any:
    return page.locator(".log-line", has_text=re.compile(f"{re.escape(text)}$"))


async def test_lines_come_as_they_are_logged_and_the_end_stays_in_sight(shown: Dashboard) -> None:
    await log(shown, [f"old {n}" for n in range(100)])
    page = await opened(shown)
    await expect(line(page, "old 99")).to_be_in_viewport()
    await log(shown, [f"new {n}" for n in range(200)])
    await expect(line(page, "new 199")).to_be_in_viewport()


async def test_who_reads_further_up_is_left_in_peace_and_told_how_much_came(
    shown: Dashboard,
) -> None:
    await log(shown, [f"old {n}" for n in range(300)])
    page = await opened(shown)
    await expect(line(page, "old 299")).to_be_in_viewport()
    await page.get_by_role("log").evaluate("box => { box.scrollTop = 2000 }")
    await expect(line(page, "old 110")).to_be_in_viewport()
    await log(shown, [f"new {n}" for n in range(132)])
    pill = page.get_by_role("button", name="132 new lines")
    await expect(pill).to_be_visible()
    await expect(line(page, "old 110")).to_be_in_viewport()
    await pill.click()
    await expect(line(page, "new 131")).to_be_in_viewport()
    await expect(pill).to_have_count(0)


async def test_colours_and_levels_are_kept_and_other_commands_are_not(shown: Dashboard) -> None:
    await log(
        shown,
        [
            {"text": "\x1b[1;31mbad\x1b[0m row\x1b[2K\x1b]0;title\x07", "level": "error"},
            {"text": "10 %\r100 %", "level": "warning"},
        ],
    )
    page = await opened(shown)
    bad = page.locator(".log-line[data-level=error]")
    await expect(bad.locator(".log-text")).to_have_text("bad row")
    await expect(bad.get_by_text("bad", exact=True)).to_have_css("font-weight", "700")
    await expect(page.locator(".log-line[data-level=warning] .log-text")).to_have_text("100 %")


async def test_markup_in_a_line_is_text(shown: Dashboard) -> None:
    hostile = '<img src=x onerror="document.title=1"><script>alert(1)</script>'
    await log(shown, [hostile, "\u202egnp.exe", "a\u200bb", "x" * 20_000])
    page = await opened(shown)
    await expect(page.locator(".log-text").first).to_have_text(hostile)
    assert await page.locator(".log-text img, .log-text script").count() == 0
    assert await widest(page) <= 1440


async def test_lines_are_chosen_by_level_step_and_text_and_the_address_says_so(
    shown: Dashboard,
) -> None:
    await shown.broker.publish(RUN, {"type": "step.started", "step": "fit"})
    await log(
        shown,
        [
            {"text": "row 1", "level": "info", "step": "fit"},
            {"text": "row 2 skipped", "level": "warning", "step": "fit"},
            {"text": "row 3 broken", "level": "error"},
        ],
    )
    page = await opened(shown)
    await expect(page.locator(".log-line")).to_have_count(3)
    await page.get_by_label("Level").select_option("warning")
    await expect(page.locator(".log-line")).to_have_count(2)
    await page.get_by_label("Step", exact=True).select_option("fit")
    await expect(page.locator(".log-line")).to_have_count(1)
    await page.reload()
    await expect(line(page, "row 2 skipped")).to_be_visible()
    await page.get_by_label("Level").select_option("debug")
    await page.get_by_role("searchbox", name="Find in the log").fill("SKIPPED")
    await expect(page.locator("mark")).to_have_text("skipped")
    await page.get_by_role("searchbox", name="Find in the log").fill("nowhere")
    await page.get_by_role("button", name="Show all lines").click()
    await expect(page.locator(".log-line")).to_have_count(3)


async def test_a_link_leads_to_a_line_far_back(shown: Dashboard) -> None:
    await log(shown, [f"line {n}" for n in range(5_000)])
    page = await opened(shown)
    await page.get_by_role("button", name="To the beginning").click()
    await line(page, "line 7").get_by_role("link").click()
    link = page.url
    assert "#" in link
    other = await shown.open(link.removeprefix(shown.broker.url), height=2000)
    await expect(line(other, "line 7")).to_be_in_viewport()
    await expect(line(other, "line 7")).to_have_attribute("aria-current", "true")
    await other.keyboard.press("]")
    await expect(line(other, "line 8")).to_have_attribute("aria-current", "true")


async def test_fifty_thousand_lines_from_end_to_end(shown: Dashboard) -> None:
    await log(shown, [f"line {n}" for n in range(50_000)])
    page = await opened(shown)
    await expect(line(page, "line 49999")).to_be_in_viewport()
    box = page.get_by_role("log")
    for _ in range(4):  # what is above is read as it comes into sight
        await box.evaluate("box => { box.scrollTop = 0 }")
        await expect(page.locator(".log-note")).to_have_count(0)
    assert await page.locator(".log-line").count() < 200
    await page.keyboard.press("b")
    await expect(line(page, "line 0")).to_be_in_viewport()
    await page.keyboard.press("f")
    await expect(line(page, "line 49999")).to_be_in_viewport()
    await log(shown, ["one more"])
    await expect(line(page, "one more")).to_be_in_viewport()


async def test_the_log_is_saved_as_a_file(shown: Dashboard) -> None:
    await log(shown, ["first", "second"])
    page = await opened(shown)
    await page.get_by_text("Download").click()
    async with page.expect_download() as coming:
        await page.get_by_role("button", name="As text").click()
    download = await coming.value
    assert download.suggested_filename == f"{RUN}.log"
    saved = await asyncio.to_thread(Path(await download.path()).read_text)
    assert "second" in saved


async def test_the_menu_is_left_by_keys(shown: Dashboard) -> None:
    page = await opened(shown)
    menu = page.locator("details.menu")
    await menu.locator("summary").focus()
    await page.keyboard.press("Enter")
    await expect(menu).to_have_attribute("open", "")
    await page.keyboard.press("Tab")
    await expect(menu.get_by_role("button").first).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(menu).not_to_have_attribute("open", "")
    await expect(menu.locator("summary")).to_be_focused()


async def test_long_lines_wrap_where_asked(shown: Dashboard) -> None:
    await log(shown, ["word " * 400, "last"])
    page = await opened(shown, width=768)
    first = page.locator(".log-line").first
    await expect(first).to_be_visible()
    before = await first.bounding_box()
    await page.keyboard.press("w")
    await expect(page.get_by_role("button", name="Wrap lines")).to_have_attribute(
        "aria-pressed", "true"
    )
    after = await first.bounding_box()
    assert before is not None
    assert after is not None
    assert after["height"] > 5 * before["height"]
    await expect(line(page, "last")).to_be_in_viewport()


async def test_nobody_is_left_out(shown: Dashboard) -> None:
    await log(shown, [{"text": f"line {n}", "level": "warning"} for n in range(50)])
    for width in (375, 1440):
        page = await opened(shown, width=width)
        await expect(line(page, "line 49")).to_be_in_viewport()
        assert await widest(page) <= width
        assert await violations(page) == []
