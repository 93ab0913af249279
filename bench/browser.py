"""Chromium as a meter: how long tasks took a page's main thread, and what stays in memory."""

import asyncio
import json
import shutil
from bisect import bisect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from playwright.async_api import Browser, CDPSession, Page, ViewportSize, async_playwright

SIZE: Final[ViewportSize] = {"width": 1440, "height": 900}
_CATEGORIES: Final = ("toplevel", "__metadata")
_INSPECTOR: Final = "DevToolsSession"
"""Who tells a page what we ask of it."""
_BUFFER: Final = 1_000_000
"""KiB that a trace may have; one that ran over would lack tasks."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser that ends with the block."""
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if path is None:
        raise RuntimeError("Chromium is not installed: run tools/apt-test.sh as root")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            await browser.close()


class Task(NamedTuple):
    """A task of a page's main thread, in milliseconds."""

    wall: float
    """With what others on the machine took meanwhile."""
    processor: float


class Trace:
    """The tasks of the pages' main threads while the block ran."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    @property
    def longest(self) -> float:
        return max(task.wall for task in self.tasks)

    @property
    def hardest(self) -> float:
        """The most processor time of one task."""
        return max(task.processor for task in self.tasks)

    def busy(self, seconds: float) -> float:
        """Percent of the time that the thread used the processor."""
        return sum(task.processor for task in self.tasks) / seconds / 10


@asynccontextmanager
async def traced(browser: Browser) -> AsyncIterator[Trace]:
    """Have the browser note every task; those that carry out what we ask of it do not count.

    Raises RuntimeError where the browser had no room for all.
    """
    trace = Trace()
    session = await browser.new_browser_cdp_session()
    events: list[dict[str, Any]] = []
    complete: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    session.on("Tracing.dataCollected", lambda told: events.extend(told["value"]))
    session.on("Tracing.tracingComplete", lambda told: complete.set_result(told))
    wanted = {
        "includedCategories": _CATEGORIES,
        "excludedCategories": ["*"],
        "traceBufferSizeInKb": _BUFFER,
    }
    await session.send("Tracing.start", {"traceConfig": wanted})
    yield trace
    await session.send("Tracing.end")
    if (await complete).get("dataLossOccurred"):
        raise RuntimeError("the browser lost a part of its trace")
    await session.detach()
    trace.tasks = _tasks(events)


def _tasks(events: list[dict[str, Any]]) -> list[Task]:
    """The tasks of threads that run pages; there must be some."""
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    spans = [
        event
        for event in events
        if event["ph"] == "X" and (event["pid"], event["tid"]) in mains and "tdur" in event
    ]
    asked = sorted(event["ts"] for event in spans if _INSPECTOR in json.dumps(event["args"]))
    own = [
        Task(event["dur"] / 1e3, event["tdur"] / 1e3)
        for event in spans
        if event["name"].endswith("RunTask")
        and bisect(asked, event["ts"]) == bisect(asked, event["ts"] + event["dur"])
    ]
    if not own:
        raise RuntimeError("the browser traced no task")
    return own


class Held(NamedTuple):
    """What is in memory after a collection."""

    page: float
    """Bytes of the page's scripts."""
    worker: float
    """Bytes of the worker that has the connection."""
    detached: int
    """Elements that are in no document, and held by a script."""
    listeners: int


async def held(page: Page) -> Held:
    """Collect what nobody holds, and look at what is left."""
    session = await page.context.new_cdp_session(page)
    await session.send("HeapProfiler.collectGarbage")
    used = (await session.send("Runtime.getHeapUsage"))["usedSize"]
    counters = await session.send("Memory.getDOMCounters")
    await session.send("DOM.enable")
    found = (await session.send("DOM.getDetachedDomNodes"))["detachedNodes"]
    await session.detach()
    browser = page.context.browser
    if browser is None:
        raise RuntimeError("the page has no browser")
    worker = await _worker_heap(await browser.new_browser_cdp_session())
    return Held(used, worker, len(found), counters["jsEventListeners"])


async def _worker_heap(browser: CDPSession) -> float:
    """Bytes that the SharedWorker's scripts hold, after a collection."""
    targets = (await browser.send("Target.getTargets"))["targetInfos"]
    (worker,) = (target for target in targets if target["type"] == "shared_worker")
    answers: dict[int, asyncio.Future[Any]] = {}

    def heard(told: dict[str, Any]) -> None:
        message = json.loads(told["message"])
        if message.get("id") in answers:
            answers[message["id"]].set_result(message["result"])

    browser.on("Target.receivedMessageFromTarget", heard)
    where = {"targetId": worker["targetId"], "flatten": False}
    attached = await browser.send("Target.attachToTarget", where)

    async def ask(number: int, method: str) -> Any:
        answers[number] = asyncio.get_running_loop().create_future()
        message = json.dumps({"id": number, "method": method})
        await browser.send(
            "Target.sendMessageToTarget", {"sessionId": attached["sessionId"], "message": message}
        )
        return await answers[number]

    await ask(1, "HeapProfiler.collectGarbage")
    used = (await ask(2, "Runtime.getHeapUsage"))["usedSize"]
    await browser.detach()
    return float(used)
