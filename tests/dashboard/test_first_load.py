"""What a browser has to load before a page shows itself."""

import re
from pathlib import Path

from playwright.async_api import BrowserContext, Page, Route, expect

from tests.dashboard.browsing import Dashboard, dashboard

BYTES_MOST = 150_000
"""Of a first visit, as they are sent."""
PAGES = (
    ("/", ".runs-name"),
    ("/runs/r1", ".stepper"),
    ("/runs/r1?tab=timeline", ".chart"),
    ("/runs/r1?tab=logs", "[role=log] >> text=begun"),
    ("/runs/r1?tab=events", "[role=tabpanel] [role=listitem]"),
    ("/compare?a=r1&b=r2", ".compare-row"),
    ("/share/r1", ".stepper"),
)
LOADED = """() => performance.getEntriesByType("resource").map(({ name, transferSize }) =>
  [new URL(name).pathname, transferSize])"""
PRELOADED = """() => [...document.querySelectorAll("link[rel=modulepreload]")].map(({ href }) =>
  new URL(href).pathname)"""
ARRIVED = """() => [...document.querySelectorAll("link[rel=modulepreload]")].every(({ href }) =>
  performance.getEntriesByName(href).length)"""


def scripts(names: list[str]) -> set[str]:
    """The modules among them: `early.js` is none."""
    return {name for name in names if name.endswith(".js") and not name.endswith("/core/early.js")}


async def without_preloads(context: BrowserContext) -> None:
    """Let documents name no script but the first, so that all others are found by import."""

    async def strip(route: Route) -> None:
        if route.request.resource_type != "document":
            await route.continue_()
            return
        answer = await route.fetch()
        body = re.sub(r'<link rel="modulepreload"[^>]*>', "", await answer.text())
        await route.fulfill(response=answer, body=body)

    await context.route(re.compile(r"/(runs/.*|share/.*|compare\?.*)?$"), strip)


async def loaded(page: Page, sign: str) -> dict[str, int]:
    """The bytes that were sent of each file, once the page shows a sign of itself."""
    await expect(page.locator(sign).first).to_be_visible()
    await page.wait_for_function(ARRIVED)
    return dict(await page.evaluate(LOADED))


async def asked(d: Dashboard) -> float:
    """How many files the gateway has sent, whoever asked: the pages, or their worker."""
    route = {"endpoint": "/assets/{version}/{path}", "method": "GET"}
    return await d.broker.metric("http_requests_total", code="200", **route)


async def test_it_is_little_and_all_of_it_is_named_at_once(tmp_path: Path) -> None:
    """No script is learned of from another one, none is named that is not used, none sent twice."""
    async with dashboard(tmp_path) as d:
        started = {"type": "run.started", "pipeline": "p", "plan": [{"step": "a"}, {"step": "b"}]}
        line = {"type": "log.appended", "lines": [{"text": "begun"}]}
        for run in ("r1", "r2"):
            await d.broker.post(f"/v1/runs/{run}/events", [started, line])
        plain = await d.context()
        await without_preloads(plain)
        for path, sign in PAGES:
            before = await asked(d)
            page = await d.open(path)
            files = await loaded(page, sign)
            sent = await asked(d) - before
            named = set(await page.evaluate(PRELOADED))
            found = await loaded(await d.open(path, context=plain), sign)
            (worker,) = (name for name in named if name.endswith("/core/worker.js"))
            assert scripts(list(files)) == named, path
            assert scripts(list(found)) == named - {worker}, path
            assert len([name for name in files if name.startswith("/assets/")]) == sent, path
            assert sum(files.values()) < BYTES_MOST, path
