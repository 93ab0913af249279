"""Pages whose gateway is broken, is hostile, or is none: they say so, and recover by themselves."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from playwright.async_api import Page, expect

from tests.dashboard.browsing import Dashboard, dashboard, violations, widest
from tests.dashboard.spoiling import (
    Fault,
    Spoiler,
    answers,
    closing,
    dripping,
    problem,
    saying,
    silent,
    spoiler,
    truncated,
)

RUN = "import-7"
STARTED = {"type": "run.started", "pipeline": "import"}
STORM: Final = 25
"""Requests of one page in a second or two that are too many."""

ANSWERS: Final[dict[str, Fault]] = {
    "fails": answers(500, "Internal Server Error", "text/plain"),
    "is asked too often": problem(429, "open-rate", "wait", Retry_After="1"),
    "drains": problem(503, "draining", "this gateway stops", Retry_After="1"),
    "is another site": answers(200, "<!doctype html><h1>Please log in</h1>"),
    "breaks its JSON": answers(200, '{"items": [', "application/json"),
    "answers null": answers(200, "null", "application/json"),
    "breaks off": truncated,
    "drips": dripping,
}
COMES_BACK: Final = (1001, 1011, 1012, 4404, 4408)
FINAL: Final = {
    1002: "code 1002",
    1007: "code 1007",
    1009: "code 1009",
    4400: "could not make sense",
    4401: "not allowed",
    4429: "more than is allowed",
}


@asynccontextmanager
async def spoilt(folder: Path) -> AsyncIterator[tuple[Dashboard, Spoiler]]:
    async with dashboard(folder) as d, spoiler(d.broker.url) as way:
        await d.broker.publish(RUN, STARTED)
        yield d, way


async def hurry(page: Page) -> None:
    """Do not wait for the next try, which a test of many faults would make ever later."""
    await page.evaluate("document.querySelector('.band button')?.click()")


async def live(page: Page, d: Dashboard, current: int) -> None:
    """Wait until the page shows what is published now."""
    event = {"type": "run.progress", "current": current, "total": 1000, "unit": "rows"}
    await d.broker.publish(RUN, event)
    await expect(page.locator(".overall-line")).to_contain_text(f"{current} of 1,000 rows")
    await expect(page.locator(".band")).to_have_count(0)


async def test_a_gateway_that_fails_while_the_page_is_open(tmp_path: Path) -> None:
    async with spoilt(tmp_path) as (d, way):
        page = await d.open(f"/runs/{RUN}", url=way.url)
        for number, fault in enumerate(ANSWERS.values(), 1):
            await live(page, d, number)
            await way.spoil(fault)
            band = page.get_by_role("region", name="Connection")
            await expect(band).to_contain_text("Connection lost")
            await expect(band).to_contain_text(re.compile("Trying again"))
            await expect(page.get_by_role("heading", name=RUN)).to_be_visible()
            assert way.spoilt <= STORM
            way.heal()
            await hurry(page)
        await live(page, d, 100)


async def test_sockets_that_the_gateway_closes(tmp_path: Path) -> None:
    async with spoilt(tmp_path) as (d, way):
        page = await d.open(f"/runs/{RUN}", url=way.url)
        band = page.get_by_role("region", name="Connection")
        for number, code in enumerate(COMES_BACK, 1):
            await live(page, d, number)
            await way.spoil(closing(code))
            await expect(band).to_contain_text("Connection lost")
            assert way.spoilt <= STORM
            way.heal()
            await hurry(page)
        for number, (code, why) in enumerate(FINAL.items(), 100):
            await live(page, d, number)
            await way.spoil(closing(code))
            await expect(band).to_contain_text(why)
            before = way.spoilt
            await expect(band).to_contain_text("not tried again by itself")
            assert way.spoilt == before
            way.heal()
            await band.get_by_role("button", name="Try now").click()
        await live(page, d, 999)


async def test_sockets_that_speak_nonsense(tmp_path: Path) -> None:
    patch = '{"type":"patch","id":1,"data":[1,2]}'
    frames: list[str | bytes] = ["<html>", "null", b"\x00\xff", '{"type":7}', patch]
    async with spoilt(tmp_path) as (d, way):
        page = await d.open(f"/runs/{RUN}", url=way.url)
        band = page.get_by_role("region", name="Connection")
        for number, frame in enumerate(frames, 1):
            await live(page, d, number)
            await way.spoil(saying(frame))
            await expect(band).to_contain_text("does not speak as a gateway does")
            assert way.spoilt <= STORM
            way.heal()
            await hurry(page)
        await live(page, d, 100)


async def test_a_gateway_that_says_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    async with spoilt(tmp_path) as (d, way), spoiler(d.broker.url) as other:
        await way.spoil(silent)
        await other.spoil(saying())
        asking = await d.open(f"/runs/{RUN}", url=way.url)
        mute = await d.open(f"/runs/{RUN}", url=other.url)
        await expect(mute.locator(".sign")).to_contain_text("Connecting")
        for number, (page, to) in enumerate(((mute, other), (asking, way)), 1):
            await expect(page.get_by_role("heading", name=RUN)).to_be_visible()
            await expect(page.locator(".band")).to_contain_text("The gateway does not answer.")
            assert await violations(page) == []
            to.heal()
            await hurry(page)
            await live(page, d, number)


PAGES: Final = {
    "/": "Runs",
    f"/runs/{RUN}": RUN,
    f"/runs/{RUN}?tab=logs": RUN,
    f"/compare?a={RUN}&b=other": "Compare two runs",
    f"/share/{RUN}": RUN,
}


async def test_a_page_that_opens_while_the_gateway_is_broken(tmp_path: Path) -> None:
    async with spoilt(tmp_path) as (d, way):
        await way.spoil(ANSWERS["is another site"])
        context = await d.context(viewport={"width": 375, "height": 700})
        pages = {path: await d.open(path, url=way.url, context=context) for path in PAGES}
        for path, title in PAGES.items():
            page = pages[path]
            await expect(page.locator(".band")).to_contain_text("Connection lost")
            await expect(page.get_by_role("heading", name=title)).to_have_count(1)
            assert await widest(page) == 375
        assert way.spoilt <= STORM * 2  # of five pages
        way.heal()
        await live(pages[f"/runs/{RUN}"], d, 1)
        for page in pages.values():
            await expect(page.locator(".band")).to_have_count(0)


async def test_live_data_without_the_rest_of_the_api(tmp_path: Path) -> None:
    async with spoilt(tmp_path) as (d, way):
        await d.broker.publish(RUN, {"type": "step.started", "step": "fetch"})
        lines = [{"text": f"line {n}"} for n in range(900)]
        for start in (0, 450):
            batch = {"type": "log.appended", "lines": lines[start : start + 450]}
            await d.broker.post(f"/v1/runs/{RUN}/events", batch)
        page = await d.open(f"/runs/{RUN}", url=way.url)
        await live(page, d, 1)
        await way.spoil(ANSWERS["fails"], sockets=False)
        await live(page, d, 2)

        await page.get_by_role("tab", name="Logs").click()
        await expect(page.get_by_text("line 899", exact=True)).to_be_visible()
        await page.get_by_role("button", name="To the beginning").click()
        note = page.locator(".log-note")
        await expect(note).to_contain_text("The gateway failed to answer (500).")
        way.heal()
        await note.get_by_role("button", name="Try again").click()
        await expect(page.get_by_text("line 0", exact=True)).to_be_visible()

        await way.spoil(ANSWERS["is another site"], sockets=False)
        await page.get_by_role("tab", name="Events").click()
        await page.locator(".event-row").first.get_by_role("button").click()
        await expect(
            page.get_by_role("heading", name="This moment cannot be shown")
        ).to_be_visible()
        await expect(page.get_by_role("alert").first).to_contain_text("does not speak as a gateway")
        await page.get_by_role("button", name="Show what is now").click()
        await page.get_by_role("button", name="Cancel").first.click()
        await page.get_by_role("dialog").locator("button[type=submit]").click()
        await expect(page.get_by_role("dialog")).to_contain_text("does not speak as a gateway")


async def test_a_browser_that_lets_tabs_share_nothing(tmp_path: Path) -> None:
    async with spoilt(tmp_path) as (d, way):
        await way.spoil(answers(503, "", "text/plain"), paths="/core/worker.js$", sockets=False)
        await live(await d.open(f"/runs/{RUN}", url=way.url), d, 1)
        context = await d.context()
        await context.add_init_script("SharedWorker = class { constructor() { throw Error() } }")
        await live(await d.open(f"/runs/{RUN}", context=context), d, 2)


async def test_an_address_that_names_no_run_costs_no_other_tab_its_connection(
    tmp_path: Path,
) -> None:
    async with dashboard(tmp_path) as d:
        await d.broker.publish(RUN, STARTED)
        context = await d.context(viewport={"width": 375, "height": 700})
        page = await d.open("/", context=context)
        heading = page.get_by_role("heading", level=1)
        for run in ("x" * 20_000, "x" * 300, "%ff", "%00", "%E2%80%AE%20 "):
            # A document's address has a limit of its own, a step within the page has none.
            await page.evaluate("to => history.pushState(null, '', to)", f"/runs/{run}")
            await page.evaluate("dispatchEvent(new PopStateEvent('popstate'))")
            await expect(heading).to_be_visible()
            await expect(heading).not_to_have_text("Runs")
            assert await widest(page) == 375
        other = await d.open(f"/runs/{RUN}", context=context)
        await live(other, d, 1)
