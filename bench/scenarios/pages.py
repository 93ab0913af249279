"""`dashboard-pages`: what a browser that has never been here waits for, and how lists hold up.

The list of 1,000 runs in fresh profiles, from the navigation to the first row; the list of 100,000
runs, scrolled for a while and then thrown to row 80,000; and the log of 50,000 lines, opened.
"""

import asyncio
import json
import random
import time
from typing import Any, Final

from playwright.async_api import Browser, Page

from bench.browser import SIZE, chromium, traced
from bench.harness import Client, Figure, median
from bench.processes import Server, gateway, nats
from bench.scenarios.list import built, store
from broker.stream.connection import Connection

LOADS: Final = 5
SCROLLED: Final = 10.0
"""Seconds that the long list is scrolled for."""
AT_ONCE: Final = 500
"""Lines of a batch."""
FIRST_ROW: Final = """new MutationObserver((_, observer) => {
  if (!document.querySelector(".runs-name")) return;
  window.firstRow = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true })"""
SENT: Final = """() => performance.getEntries().reduce((sum, entry) =>
  sum + (entry.transferSize ?? 0), 0)"""
TO_ROW: Final = """(row) => new Promise((resolve) => {
  const began = performance.now();
  const rows = document.querySelector(".runs-rows .virtual").getBoundingClientRect();
  const all = Number(document.querySelector(".runs-row").getAttribute("aria-setsize"));
  window.scrollTo({ top: scrollY + rows.top + (rows.height * row) / all, behavior: "instant" });
  const look = () => document.querySelector(`[data-place="${row}"] .runs-name`)
    ? resolve(performance.now() - began) : requestAnimationFrame(look);
  look();
})"""


async def measure(smoke: bool) -> list[Figure]:
    runs, lines = (2_000, 5_000) if smoke else (100_000, 50_000)
    loads, seconds = (1, 1.0) if smoke else (LOADS, SCROLLED)
    async with nats() as url, chromium() as browser:
        async with Connection.connect(url, name="bench") as connection:
            await store(connection, random.Random(1), 1_000)
            async with gateway(nats_url=url) as server:
                first = await _loads(server, browser, loads)
            await store(connection, random.Random(2), runs)
            await _log(connection, lines)
        async with gateway(nats_url=url) as server:
            async with Client.connected(server) as client:
                await built(client)
            scrolled = await _scrolled(server, browser, seconds, runs)
            log = await _opened(server, browser, lines)
    return [*first, *scrolled, *log]


async def _loads(server: Server, browser: Browser, count: int) -> list[Figure]:
    """A first visit of the list, each with nothing in the browser's cache."""
    took, sent = [], []
    for _ in range(count):
        context = await browser.new_context(viewport=SIZE)
        page = await context.new_page()
        await page.add_init_script(FIRST_ROW)
        await page.goto(_at(server, "/"))
        await page.locator(".runs-name").first.wait_for()
        took.append(await page.evaluate("window.firstRow"))
        sent.append(await page.evaluate(SENT))
        await context.close()
    return [
        Figure("first visit: to the first row, median", median(took), "ms", "<=", 500),
        Figure("first visit: sent", max(sent) / 1e3, "KB", "<=", 150),
    ]


async def _scrolled(server: Server, browser: Browser, seconds: float, runs: int) -> list[Figure]:
    page = await browser.new_page(viewport=SIZE)
    await page.goto(_at(server, "/"))
    await page.locator(".runs-name").first.wait_for()
    await page.mouse.move(SIZE["width"] / 2, SIZE["height"] / 2)
    async with traced(browser) as trace:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await page.mouse.wheel(0, 600)
            await asyncio.sleep(0.05)  # as fast as a hand turns
    far = runs * 4 // 5
    async with traced(browser) as jump:
        there = await page.evaluate(TO_ROW, far)
    await page.close()
    return [
        Figure("list scrolled: longest task", trace.longest, "ms", "<=", 100),
        Figure("list scrolled: most processor time of a task", trace.hardest, "ms", "<=", 100),
        Figure("list scrolled: main thread busy", trace.busy(seconds), "%"),
        Figure(f"to row {far:,}", there, "ms", "<=", 500),
        Figure(f"to row {far:,}: longest task", jump.longest, "ms", "<=", 100),
    ]


async def _opened(server: Server, browser: Browser, lines: int) -> list[Figure]:
    page = await browser.new_page(viewport=SIZE)
    began = time.monotonic()
    async with traced(browser) as trace:
        await page.goto(_at(server, "/runs/long?tab=logs"))
        await page.get_by_text(f"line {lines - 1}:").wait_for()
        there = (time.monotonic() - began) * 1000
        beginning = await _beginning(page)
    await page.close()
    return [
        Figure(f"log of {lines:,} lines: to its last line", there, "ms", "<=", 1_000),
        Figure(f"log of {lines:,} lines: to its beginning", beginning, "ms", "<=", 1_000),
        Figure(f"log of {lines:,} lines: longest task", trace.longest, "ms", "<=", 100),
        Figure(f"log of {lines:,} lines: most processor time", trace.hardest, "ms", "<=", 100),
    ]


async def _beginning(page: Page) -> float:
    """Milliseconds until the first line is there that a person asks for."""
    began = time.monotonic()
    await page.get_by_role("button", name="To the beginning").click()
    await page.get_by_text("line 0:").wait_for()
    return (time.monotonic() - began) * 1000


async def _log(nats: Connection, count: int) -> None:
    """A run with so many lines."""
    started: dict[str, Any] = {"type": "run.started", "pipeline": "bench"}
    await nats.request("progress.default.long", json.dumps(started).encode())
    for begin in range(0, count, AT_ONCE):
        lines = [
            {"text": f"\x1b[36mimport\x1b[0m line {n}: 1000 rows read", "level": "info"}
            for n in range(begin, begin + AT_ONCE)
        ]
        body = {"type": "log.appended", "attempt": 1, "lines": lines}
        await nats.request("logs.default.long", json.dumps(body).encode())


def _at(server: Server, path: str) -> str:
    return f"http://{server.host}:{server.port}{path}"
