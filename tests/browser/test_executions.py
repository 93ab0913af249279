"""The execution monitor in Chromium: asked for every second and told over a WebSocket, the same."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from broker.producer import Producer
from broker.producer.run import Run
from tests.browser.pages import opened, served
from tests.dashboard.browsing import PATIENCE
from tests.faults import Link, link
from tests.gateway.serving import Broker, broker

PANELS = ("#rest", "#socket")
STEPS = ("load", "clean", "report")

Picture = dict[str, str]


@asynccontextmanager
async def pipeline(b: Broker) -> AsyncIterator[tuple[Run, Producer]]:
    """A run of three steps that has begun."""
    async with Producer.connect(b.nats.url) as producer:
        run = producer.run("import", "exec 1", plan=list(STEPS))
        run.start()
        await producer.flush()
        yield run, producer


@asynccontextmanager
async def monitor(folder: Path, width: int = 1024) -> AsyncIterator[tuple[Broker, Link, str]]:
    """A gateway, a way to it that can be cut, and the origin of the page."""
    async with (
        served() as origin,
        broker(folder, allowed_origins=origin) as b,
        link(b.url) as way,
    ):
        yield b, way, origin


async def shows(page: Page, panel: str, **texts: str) -> None:
    """Wait until a panel shows these."""
    for name, text in texts.items():
        await expect(page.locator(f"{panel} .{name}")).to_have_text(text, timeout=PATIENCE)


async def picture(page: Page, panel: str) -> Picture:
    """Everything that a panel shows."""
    names = ("status", "percentage", "step", "result", "connection")
    shown = {name: await page.locator(f"{panel} .{name}").inner_text() for name in names}
    bar = await page.locator(f"{panel} progress").get_attribute("value")
    return {**shown, "bar": bar or ""}


async def final(page: Page) -> Picture:
    """The picture at the end, which both panels show."""
    for panel in PANELS:
        await shows(page, panel, connection="done")
    asked, told = [await picture(page, panel) for panel in PANELS]
    assert asked == told
    return told


def done(run: Run, *steps: str) -> None:
    for name in steps:
        step = run.step(name)
        step.start()
        step.complete()


async def test_both_ways_show_a_run_to_its_end(tmp_path: Path) -> None:
    async with (
        monitor(tmp_path) as (b, way, origin),
        pipeline(b) as (run, _),
        opened(origin, "executions", api=way.url, run="exec 1") as page,
    ):
        for panel in PANELS:
            await shows(page, panel, status="running", percentage="0.0 %", step="0 of 3")
        done(run, "load")
        run.step("clean").start()
        for panel in PANELS:
            await shows(page, panel, percentage="33.3 %", step="1 of 3: clean")
        run.step("clean").complete()
        done(run, "report")
        run.complete({"rows": 3})
        assert {
            "status": "completed",
            "percentage": "100.0 %",
            "step": "3 of 3",
            "result": '{"rows":3}',
            "connection": "done",
            "bar": "100",
        } == await final(page)


async def test_a_cut_in_the_middle(tmp_path: Path) -> None:
    """What happens while nothing comes through is seen afterwards."""
    async with (
        monitor(tmp_path) as (b, way, origin),
        pipeline(b) as (run, _),
        opened(origin, "executions", api=way.url, run="exec 1") as page,
    ):
        done(run, "load")
        for panel in PANELS:
            await shows(page, panel, step="1 of 3")
        await way.close()
        await shows(page, "#socket", connection="broken")
        await shows(page, "#rest", connection="no answer")
        done(run, "clean")
        await way.open()
        for panel in PANELS:
            await shows(page, panel, step="2 of 3")
        run.fail(ValueError("no rows"))
        shown = await final(page)
        assert ("failed", "66.7 %") == (shown["status"], shown["percentage"])
        assert "ValueError: no rows" == shown["result"]


@pytest.mark.parametrize("ended", [False, True])
async def test_who_comes_late(tmp_path: Path, ended: bool) -> None:
    """In the middle, or when all is over."""
    async with monitor(tmp_path) as (b, way, origin), pipeline(b) as (run, producer):
        done(run, "load")
        if ended:
            run.cancel(reason="wrong month")
        await producer.flush()
        async with opened(origin, "executions", api=way.url, run="exec 1") as page:
            if not ended:
                for panel in PANELS:
                    await shows(page, panel, status="running", step="1 of 3")
                run.cancel(reason="wrong month")
            shown = await final(page)
        assert ("cancelled", "33.3 %", "1 of 3") == tuple(
            shown[name] for name in ("status", "percentage", "step")
        )


async def test_nobody(tmp_path: Path) -> None:
    async with (
        monitor(tmp_path) as (_, way, origin),
        opened(origin, "executions", api=way.url, run="nobody") as page,
    ):
        await shows(page, "#rest", connection="not found")
        await shows(page, "#socket", connection="Execution not found")


async def test_a_phone_shows_one_below_the_other(tmp_path: Path) -> None:
    async with (
        monitor(tmp_path) as (b, way, origin),
        pipeline(b) as (run, _),
        opened(origin, "executions", width=375, height=812, api=way.url, run="exec 1") as page,
    ):
        done(run, "load")
        run.step("a step whose name is too long for one line of a narrow page").start()
        await shows(page, "#socket", status="running")
        asked, told = [await page.locator(panel).bounding_box() for panel in PANELS]
        assert asked is not None
        assert told is not None
        assert asked["y"] + asked["height"] <= told["y"]
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
