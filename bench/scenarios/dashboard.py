"""`dashboard`: a run's page in Chromium while 200 events a second arrive for the run.

Told by the browser itself: how long its main thread was ever taken by one task (a trace), and what
its memory grows by once everything has been seen (the heap after a collection, every tenth of the
time; the middle of the measurement beside its end).
"""

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from playwright.async_api import CDPSession, Page, async_playwright

from bench.harness import Figure, quantile
from bench.processes import Server, gateway
from broker.stream.connection import Connection

RATE: Final = 200
STEPS: Final = 200
SECONDS: Final = 300.0
SUBJECT: Final = "progress.default.watched"
TABS: Final = ("steps", "timeline", "events")


async def measure(smoke: bool) -> list[Figure]:
    seconds = 4.0 if smoke else SECONDS
    figures = []
    for tab in TABS[:1] if smoke else TABS:
        async with gateway() as server:
            figures += await _watched(server, tab, seconds)
    return figures


async def _watched(server: Server, tab: str, seconds: float) -> list[Figure]:
    """Figures of one part of the page."""
    async with Connection.connect(server.nats_url, name="bench") as nats:
        plan = [{"step": f"s{n}", "name": f"Step {n}", "index": n} for n in range(STEPS)]
        started = {"type": "run.started", "pipeline": "bench", "plan": plan}
        await nats.request(SUBJECT, json.dumps(started).encode())
        async with _page(f"http://{server.host}:{server.port}/runs/watched?tab={tab}") as page:
            await page.get_by_role("tabpanel").wait_for()
            browser = await page.context.new_cdp_session(page)
            traced = _Trace(browser)
            await traced.begin()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_publish(nats, seconds))
                heap = await _heap(browser, seconds)
            tasks_ms = await traced.end()
            counted = await page.evaluate("document.getElementsByTagName('*').length")
    middle, last = heap[len(heap) // 2], heap[-1]
    return [
        Figure(f"{tab}: longest task", max(tasks_ms), "ms", "<=", 100),
        Figure(f"{tab}: tasks, p99.9", quantile(tasks_ms, 0.999), "ms"),
        Figure(f"{tab}: main thread busy", sum(tasks_ms) / seconds / 10, "%"),
        Figure(f"{tab}: heap in the middle", middle / 1e6, "MB"),
        Figure(f"{tab}: heap at the end", last / 1e6, "MB"),
        Figure(f"{tab}: elements of the page", counted, ""),
    ]


@asynccontextmanager
async def _page(url: str) -> AsyncIterator[Page]:
    """The page in a browser of its own."""
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if path is None:
        raise RuntimeError("Chromium is not installed: run tools/apt-test.sh as root")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            page = await chromium.new_page(viewport={"width": 1440, "height": 900})
            await page.goto(url)
            yield page
        finally:
            await chromium.close()


async def _publish(nats: Connection, seconds: float) -> None:
    """Send what a run tells, evenly: its steps one after another, each by hundredths."""
    began = time.monotonic()
    for n in range(int(seconds * RATE)):
        step, part = divmod(n, 100)
        name = f"s{step % STEPS}"
        event = {"type": "step.progress", "step": name, "current": part + 1, "total": 100}
        if part == 0:
            event = {"type": "step.started", "step": name}
        if part == 99:
            event = {"type": "step.completed", "step": name}
        await nats.publish(SUBJECT, json.dumps(event).encode())
        await asyncio.sleep(max(0.0, began + n / RATE - time.monotonic()))


async def _heap(browser: CDPSession, seconds: float) -> list[float]:
    """Bytes that the page's scripts hold, after a collection, at even times until the end."""
    told = []
    for _ in range(10):
        await asyncio.sleep(seconds / 10)
        await browser.send("HeapProfiler.collectGarbage")
        told.append((await browser.send("Runtime.getHeapUsage"))["usedSize"])
    return told


class _Trace:
    """How long each task of the page's main thread took, by the browser's own tracing."""

    def __init__(self, browser: CDPSession) -> None:
        self._browser = browser
        self._events: list[dict[str, Any]] = []
        self._complete = asyncio.Event()

    async def begin(self) -> None:
        """Trace from now on."""
        self._browser.on("Tracing.dataCollected", lambda told: self._events.extend(told["value"]))
        self._browser.on("Tracing.tracingComplete", lambda told: self._complete.set())
        wanted = {"includedCategories": ["toplevel", "__metadata"], "excludedCategories": ["*"]}
        await self._browser.send("Tracing.start", {"traceConfig": wanted})

    async def end(self) -> list[float]:
        """Milliseconds of every task, those of collections that we asked for left out."""
        await self._browser.send("Tracing.end")
        await self._complete.wait()
        mains = {
            (event["pid"], event["tid"])
            for event in self._events
            if event.get("name") == "thread_name" and event["args"]["name"] == "CrRendererMain"
        }
        return [
            event["dur"] / 1e3
            for event in self._events
            if event.get("name", "").endswith("RunTask")
            and event.get("ph") == "X"
            and (event["pid"], event["tid"]) in mains
            and not _asked_for(event)
        ]


def _asked_for(event: dict[str, Any]) -> bool:
    """Whether a task carried out a command of ours, such as a collection."""
    source = json.dumps(event.get("args", {}))
    return "devtools" in source.lower() or "inspector" in source.lower()
