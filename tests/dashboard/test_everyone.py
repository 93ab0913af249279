"""Every page for everyone: all themes, zoomed, without a mouse, by finger, without motion."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page, Route, expect

from tests.dashboard.browsing import Dashboard, dashboard, violations, widest

RUN: Final = "import-7"
PAGES: Final = {
    "/": ".runs-name",
    f"/runs/{RUN}": ".problem",
    f"/runs/{RUN}?tab=timeline": "[aria-label='Collapse idle time'], .lane, canvas",
    f"/runs/{RUN}?tab=graph": "#tab-shown svg, #tab-shown button",
    f"/runs/{RUN}?tab=logs": ".log-line",
    f"/runs/{RUN}?tab=artefacts": ".artefacts",
    f"/runs/{RUN}?tab=events": ".event-row",
    f"/compare?a={RUN}&b=other": ".compare-row",
    "/compare": ".compare-choice",
    f"/share/{RUN}": ".overall",
    "/runs/nobody-knows": ".run-watching",
    "/nowhere": "main .empty",
}
"""Every page, and what it shows once it is there."""

LONGEST_WALK: Final = 120
"""Steps by Tab after which a page counts as a trap."""

CONTRAST: Final = """async () => (await axe.run(document, { runOnly: ["color-contrast"] }))
  .violations
  .flatMap(({ nodes }) => nodes.map((node) => `${node.html} ${node.any[0]?.message}`))"""
MOVING: Final = """() => document.getAnimations()
  .filter((one) => one.playState === "running" && one.effect.getComputedTiming().duration > 1)
  .map((one) => one.effect.target.className)"""
SMALL: Final = """() => {
  const targets = "a[href], button, input, select, textarea, summary, [role=button], [role=tab]";
  // A picture is zoomed, and a line of a log is as high as its text.
  const free = ".skip, .hidden, #tab-shown svg, .log-line";
  const inText = (el) => el.matches("a") && getComputedStyle(el).display === "inline"
    && el.parentElement.innerText.trim() !== el.innerText.trim();
  return [...document.querySelectorAll(targets)]
    .filter((el) => el.checkVisibility({ visibilityProperty: true }))
    .filter((el) => !el.closest(free) && !inText(el))
    .map((el) => [el, (el.matches("[type=checkbox]") && el.closest("label") || el)])
    .map(([el, touched]) => [el, touched.getBoundingClientRect()])
    .filter(([, { width, height }]) => width > 0 && (width < 43.5 || height < 43.5))
    .map(([el, { width, height }]) => `${width}x${height} ${el.outerHTML.slice(0, 110)}`);
}"""
FOCUSED: Final = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const { outlineStyle, outlineWidth } = getComputedStyle(at);
  const { left, top, right, bottom } = at.getBoundingClientRect();
  const shape = at.querySelector("rect"); // of a picture, which has no outline
  const seen = outlineStyle !== "none" && parseFloat(outlineWidth) > 0
    || at.closest("svg") && shape && parseFloat(getComputedStyle(shape).strokeWidth) >= 3;
  const within = right > 0 && left < innerWidth && bottom > 0 && top < innerHeight;
  window.met ??= new Map();
  if (!window.met.has(at)) window.met.set(at, window.met.size);
  return { number: window.met.get(at), seen: seen && within, html: at.outerHTML.slice(0, 120) };
}"""


@asynccontextmanager
async def told(folder: Path) -> AsyncIterator[Dashboard]:
    """A dashboard with a run that has something for each of its tabs."""
    async with dashboard(folder) as d:
        plan = [
            {"step": "fetch"},
            {"step": "check", "after": ["fetch"]},
            {"step": "load", "after": ["check"]},
        ]
        started = {"type": "run.started", "pipeline": "import", "plan": plan}
        for run in ("other", RUN):
            await d.broker.publish(
                run,
                {**started, "labels": {"team": "data"}, "worker": "w1"},
                {"type": "step.started", "step": "fetch"},
                {"type": "step.completed", "step": "fetch"},
                {"type": "step.started", "step": "check"},
                {"type": "step.progress", "step": "check", "current": 3, "total": 9},
                {"type": "artifact.added", "name": "report", "uri": "https://example.test/report"},
                {"type": "command.cancel", "id": "c1", "by": "ada"},
            )  # fmt: skip
            lines = [
                {"text": f"row {n}", "level": level}
                for n, level in enumerate(("info", "warning", "error"))
            ]
            await d.broker.post(f"/v1/runs/{run}/events", {"type": "log.appended", "lines": lines})
        error = {
            "type": "ValueError",
            "message": "no room",
            "stack": "line 7",
            "details": {"disk": "full"},
        }
        await d.broker.publish(
            RUN,
            {"type": "step.failed", "step": "check", "error": error},
            {"type": "run.failed", "error": error, "kind": "infrastructure", "retryable": True},
        )
        yield d


async def each(d: Dashboard, page: Page) -> AsyncIterator[str]:
    """Go to every page, one after another."""
    for path, shown in PAGES.items():
        await page.goto(d.broker.url + path)
        await expect(page.locator(shown).first).to_be_visible()
        yield path


async def opened(d: Dashboard, **how: Any) -> Page:
    context = await d.context(**how)
    return await context.new_page()


async def test_every_page_in_every_theme(tmp_path: Path) -> None:
    found = []
    async with told(tmp_path) as d:
        page = await opened(d, viewport={"width": 720, "height": 450})  # 1440 by 900 at 200 %
        async for path in each(d, page):
            assert await widest(page) <= 720, path
            assert await page.title() not in ("", "Progress"), path
            found += [f"{path}: {fault}" for fault in await violations(page)]
            await page.emulate_media(color_scheme="dark")
            found += [f"{path} (dark): {fault}" for fault in await page.evaluate(CONTRAST)]
            await page.emulate_media(color_scheme="light", forced_colors="active")
            found += [f"{path} (forced): {fault}" for fault in await page.evaluate(CONTRAST)]
            await page.emulate_media(forced_colors="none")
    assert found == []


async def test_nothing_moves_for_who_asked_for_that(tmp_path: Path) -> None:
    async with told(tmp_path) as d:
        await d.broker.publish("on", {"type": "run.started"}, {"type": "step.started", "step": "a"})
        page = await opened(d, viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
        async for path in each(d, page):
            assert await page.evaluate(MOVING) == [], path
        await page.goto(f"{d.broker.url}/runs/on")
        await expect(page.locator(".overall")).to_be_visible()
        assert await page.evaluate(MOVING) == []
        await page.emulate_media(reduced_motion="no-preference")
        assert await page.evaluate(MOVING) != []  # what runs is seen to run


async def test_everything_is_large_enough_for_a_finger(tmp_path: Path) -> None:
    found = []
    async with told(tmp_path) as d:
        page = await opened(
            d, viewport={"width": 375, "height": 700}, has_touch=True, is_mobile=True
        )
        async for path in each(d, page):
            found += [f"{path}: {small}" for small in await page.evaluate(SMALL)]
    assert found == [], "\n".join(found)


async def test_all_is_reached_by_tab_and_the_focus_is_seen(tmp_path: Path) -> None:
    found = []
    async with told(tmp_path) as d:
        page = await opened(d, viewport={"width": 1440, "height": 900})
        async for path in each(d, page):
            numbers: list[int] = []
            for _ in range(LONGEST_WALK):
                await page.keyboard.press("Tab")
                at = await page.evaluate(FOCUSED)
                if at is None or (numbers and at["number"] == 0):
                    break
                assert at["number"] not in numbers, (path, at["html"])
                numbers.append(at["number"])
                if not at["seen"]:
                    found.append(f"{path}: {at['html']}")
            else:
                found.append(f"{path}: a trap")
            assert len(numbers) > 3, path
    assert found == []


async def test_another_page_gets_the_focus_and_says_its_title(tmp_path: Path) -> None:
    async with told(tmp_path) as d:
        page = await opened(d, viewport={"width": 1440, "height": 900})
        await page.goto(f"{d.broker.url}/")
        await page.get_by_role("link", name=RUN).first.click()
        await expect(page.locator("main")).to_be_focused()
        said = page.locator("[role=status]").filter(has_text=f"{RUN} · Progress")
        await expect(said).to_have_count(1)
        await expect(page.locator(".problem")).to_be_visible()
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.closest('main') !== null")
        await page.keyboard.press("g")
        await expect(page).to_have_title("Runs · Progress")
        await expect(page.locator("main")).to_be_focused()


async def test_the_first_link_leads_past_the_header(tmp_path: Path) -> None:
    async with told(tmp_path) as d:
        page = await opened(d, viewport={"width": 1440, "height": 900})
        await page.goto(f"{d.broker.url}/runs/{RUN}?tab=logs")
        await expect(page.locator(".log-line").first).to_be_visible()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator("main")).to_be_focused()
        assert page.url == f"{d.broker.url}/runs/{RUN}?tab=logs"


async def test_back_leads_to_where_one_was(tmp_path: Path) -> None:
    async with told(tmp_path) as d:
        for n in range(60):
            await d.broker.publish(f"r{n:02}", {"type": "run.started"})
        page = await opened(d, viewport={"width": 1440, "height": 600})
        await page.goto(f"{d.broker.url}/")
        await expect(page.locator("[role=listitem][aria-setsize='62']").first).to_be_visible()
        await page.evaluate("scrollTo(0, 2200)")
        link = page.get_by_role("link", name="r27", exact=True)
        await expect(link).to_be_in_viewport()
        await link.click()
        await expect(page.get_by_role("heading", name="r27", level=1)).to_be_visible()
        assert await page.evaluate("scrollY") == 0
        await page.go_back()
        await expect(link).to_be_in_viewport()
        assert await page.evaluate("scrollY") == 2200


async def test_a_page_whose_gateway_was_upgraded_begins_anew(tmp_path: Path) -> None:
    async with told(tmp_path) as d:
        context = await d.context()
        page = await context.new_page()

        async def older(route: Route) -> None:
            response = await route.fetch()
            text = re.sub(r"/assets/[0-9a-f]+/", "/assets/older/", await response.text())
            await route.fulfill(response=response, body=text)

        await page.route(re.compile(r"/nowhere$|/assets/older/"), older)
        await page.goto(f"{d.broker.url}/nowhere")
        link = page.get_by_role("link", name="All runs")
        await expect(link).to_be_visible()
        assert await page.evaluate("document.documentElement.dataset.version") == "older"
        await page.unroute_all()
        await link.click()
        await expect(page.locator(".runs-name").first).to_be_visible()
        assert await page.evaluate("document.documentElement.dataset.version") != "older"
