"""The dashboard of a real gateway in a real Chromium, driven by Playwright."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.gateway.serving import Broker, broker
from tests.proxy.proxies import tool

PATIENCE = 20_000.0
"""Milliseconds for one thing to be seen on a page."""
WIDTHS = (375, 768, 1440)
"""A telephone, a tablet and a desk."""
_BEGAN = datetime.now(UTC)
AXE = Path(__file__).parents[2] / "tools/web/node_modules/axe-core/axe.min.js"

HIDE = """hidden => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
"""Evaluated in a page with True: its tab is one that nobody looks at; with False, it is seen."""
NOTES = """window.Notification = class {
  static requestPermission = async () => "granted";
  constructor(title, { body }) { window.noted(`${title} (${body})`); }
  close() {}
};"""
"""Run before a page's scripts: its notifications come to the test's function `noted`."""

Theme = Literal["light", "dark"]

_FIND = """async () => {
  const runOnly = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const { violations } = await axe.run(document, { runOnly });
  return violations.map(({ id, help, nodes }) =>
    `${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.html).join(" | ")}`);
}"""

expect.set_options(timeout=PATIENCE)


class Dashboard:
    """A browser at a gateway. What its pages throw, or what their policy stops, is collected."""

    def __init__(self, served: Broker, browser: Browser) -> None:
        self.broker = served
        self.browser = browser
        self.faults: list[str] = []

    async def context(self, **how: Any) -> BrowserContext:
        """A browser profile of its own, as of another person."""
        context = await self.browser.new_context(**how)
        context.set_default_timeout(PATIENCE)
        context.on("weberror", lambda fault: self.faults.append(str(fault.error)))
        context.on("console", self._heard)
        return context

    async def open(
        self,
        path: str,
        *,
        width: int = 1440,
        height: int = 900,
        theme: Theme = "light",
        context: BrowserContext | None = None,
        url: str | None = None,
    ) -> Page:
        """Open a page of the dashboard, in a tab of `context` or in a profile of its own."""
        if context is None:
            context = await self.context(
                viewport={"width": width, "height": height}, color_scheme=theme
            )
        page = await context.new_page()
        await page.goto((url or self.broker.url) + path)
        return page

    def _heard(self, message: Any) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            self.faults.append(message.text)


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """A browser that ends with the block."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=tool("chromium-headless-shell", "chromium"),
            args=["--no-sandbox", "--disable-dev-shm-usage"],  # in a container there is no room
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def dashboard(folder: Path, **settings: Any) -> AsyncIterator[Dashboard]:
    """A gateway, its NATS server, and a browser; fails where a page threw something."""
    async with broker(folder, **settings) as served, browsing() as browser:
        shown = Dashboard(served, browser)
        yield shown
    assert not shown.faults, shown.faults


def ago(seconds: float, kind: str, step: str | None = None, **more: Any) -> dict[str, Any]:
    """An event of so many seconds before these tests began."""
    time = (_BEGAN - timedelta(seconds=seconds)).isoformat()
    return {"type": kind, "time": time, **({"step": step} if step else {}), **more}


async def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with the page, for WCAG 2.2 AA and its best practices."""
    await page.evaluate(AXE.read_text())
    found = await page.evaluate(_FIND)
    return list(found)


async def widest(page: Page) -> int:
    """How many pixels wide the page lays out, to see whether it scrolls sideways."""
    return int(await page.evaluate("document.documentElement.scrollWidth"))


class Busiest:
    """The longest task that a page's main thread has had."""

    longest = 0.0
    """Seconds of processor time: what other processes take meanwhile is none of the page's."""


@asynccontextmanager
async def busiest(page: Page) -> AsyncIterator[Busiest]:
    """Measure the page's tasks while the block runs."""
    browser = page.context.browser
    assert browser is not None
    found = Busiest()
    await browser.start_tracing(
        page=page, categories=["disabled-by-default-devtools.timeline", "__metadata"]
    )
    try:
        yield found
    finally:
        events = json.loads(await browser.stop_tracing())["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        event["tdur"] / 1e6
        for event in events
        if event["name"].endswith("RunTask")
        and "tdur" in event
        and (event["pid"], event["tid"]) in mains
    ]
    assert tasks, "the browser traced no task"
    found.longest = max(tasks)
