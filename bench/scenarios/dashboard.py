"""`dashboard`: a run's page in Chromium while 200 events a second arrive for the run on screen, and
somebody scrolls in it.

Told by the browser itself: how long its main thread was ever taken by one task (a trace of the
whole time; the browser collects garbage as it likes, and that counts), and what page and worker
hold in memory at the end, beside what they hold where the same is opened then: a run's state grows
with what is known of it, and only what is beyond that was never given back. At the end the run is
completed: the time until the page says so shows that it had kept up.
"""

import asyncio
import json
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from playwright.async_api import Browser, Page

from bench.browser import SIZE, Held, Trace, chromium, held, traced
from bench.harness import Figure, quantile
from bench.processes import Server, gateway
from broker.stream.connection import Connection

RATE: Final = 200
SECONDS: Final = 300.0
SUBJECT: Final = "progress.default.watched"
TOGETHER: Final = 20
"""Steps that run at a time."""
LEAST: Final = 20
"""Events of a step, at least."""
PLANNED: Final = 1_000
"""Steps that one event plans."""
PATIENCE: Final = 60_000.0
"""Milliseconds for a page to say that its run has ended."""
GROWTH: Final = 1.5
"""MB that a page may hold beyond one that was just opened: code that has run often is one of it."""
GROWTH_OF_STEP: Final = 0.0004
"""MB more for each step: objects that were changed take more room than such that were just read."""
SETTLED: Final = 3.0
"""Seconds in which a page that was opened has read what it shows."""


class Case(NamedTuple):
    """What is looked at."""

    tab: str
    steps: int

    def __str__(self) -> str:
        return f"{self.tab}, {self.steps:,} steps"


CASES: Final = (
    Case("steps", 200),
    Case("steps", 5_000),
    Case("timeline", 5_000),
    Case("events", 200),
)


async def measure(smoke: bool) -> list[Figure]:
    seconds = 3.0 if smoke else SECONDS
    figures: list[Figure] = []
    for case in CASES[1:2] if smoke else CASES:
        async with gateway() as server:
            figures += await _watched(server, case, seconds)
    return figures


async def _watched(server: Server, case: Case, seconds: float) -> list[Figure]:
    async with Connection.connect(server.nats_url, name="bench") as nats, chromium() as browser:
        for event in _planned(case.steps):
            await nats.request(SUBJECT, json.dumps(event).encode())
        page = await _opened(browser, server, case)
        async with traced(browser) as trace:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_publish(nats, case.steps, seconds))
                tasks.create_task(_scroll(page, seconds))
            began = time.monotonic()
            await nats.request(SUBJECT, b'{"type":"run.completed"}')
            status = page.locator(".run-status", has_text="Completed")
            await status.wait_for(timeout=PATIENCE)
            late = (time.monotonic() - began) * 1000
        count = await page.evaluate("document.getElementsByTagName('*').length")
        worn = await held(page)
        await page.context.close()
        fresh = await _opened(browser, server, case)
        await asyncio.sleep(min(SETTLED, seconds / 3))
        return list(_figures(case, trace, seconds, (worn, await held(fresh)), late, count))


async def _opened(browser: Browser, server: Server, case: Case) -> Page:
    """The run's page in a profile of its own, which has a worker of its own."""
    context = await browser.new_context(viewport=SIZE)
    page = await context.new_page()
    await page.goto(f"http://{server.host}:{server.port}/runs/watched?tab={case.tab}")
    await page.get_by_role("tabpanel").wait_for()
    return page


def _figures(
    case: Case, trace: Trace, seconds: float, memory: tuple[Held, Held], late: float, count: int
) -> Iterable[Figure]:
    worn, fresh = memory
    beyond = (worn.page - fresh.page) / 1e6
    most = GROWTH + GROWTH_OF_STEP * case.steps
    behind = (worn.worker - fresh.worker) / 1e6
    yield Figure(f"{case}: longest task", trace.longest, "ms", "<=", 100)
    yield Figure(f"{case}: most processor time of a task", trace.hardest, "ms", "<=", 100)
    yield Figure(f"{case}: p99.9", quantile([task.wall for task in trace.tasks], 0.999), "ms")
    yield Figure(f"{case}: main thread busy", trace.busy(seconds), "%")
    yield Figure(f"{case}: last event to page", late, "ms", "<=", 1_000)
    yield Figure(f"{case}: heap", worn.page / 1e6, "MB")
    yield Figure(f"{case}: heap beyond a fresh page", beyond, "MB", "<=", most)
    yield Figure(f"{case}: worker's heap", worn.worker / 1e6, "MB")
    yield Figure(f"{case}: worker's heap beyond a fresh one", behind, "MB", "<=", GROWTH)
    yield Figure(f"{case}: detached nodes", worn.detached, "", "<=", 100)
    yield Figure(f"{case}: listeners beyond", worn.listeners - fresh.listeners, "", "<=", 50)
    yield Figure(f"{case}: elements of the page", count, "", "<=", 2_000)


def _planned(steps: int) -> Iterator[dict[str, Any]]:
    yield {"type": "run.started", "pipeline": "bench"}
    for begin in range(0, steps, PLANNED):
        some = range(begin, min(steps, begin + PLANNED))
        plan = [{"step": f"s{n}", "name": f"Step {n}", "index": n} for n in some]
        yield {"type": "run.queued", "plan": plan}


async def _publish(nats: Connection, steps: int, seconds: float) -> None:
    """Send what a run tells, evenly: some steps at a time, a part of one with each event."""
    count = int(seconds * RATE)
    parts = max(LEAST, count // steps)
    began = time.monotonic()
    for n in range(count):
        row, at = divmod(n, TOGETHER * parts)
        part, one = divmod(at, TOGETHER)
        step = f"s{row * TOGETHER + one}"
        event: dict[str, Any] = {"type": "step.progress", "step": step}
        event |= {"current": part, "total": parts, "message": f"part {part} of {parts}"}
        if part == 0:
            event = {"type": "step.started", "step": step}
        elif part == parts - 1:
            event = {"type": "step.completed", "step": step}
        await nats.publish(SUBJECT, json.dumps(event).encode())
        await asyncio.sleep(max(0.0, began + n / RATE - time.monotonic()))


async def _scroll(page: Page, seconds: float) -> None:
    """Scroll down and up again, as who looks for something does."""
    await page.mouse.move(SIZE["width"] / 2, SIZE["height"] - 150)
    until = time.monotonic() + seconds
    down = True
    while time.monotonic() < until:
        for _ in range(5):
            await page.mouse.wheel(0, 400 if down else -400)
            await asyncio.sleep(0.1)  # as fast as a hand turns
        down = not down
        await asyncio.sleep(1.0)
