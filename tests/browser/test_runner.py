"""A page with the stepper of seven layers, in a real Chromium in front of the real gateway."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from broker.dialects.runner import LAYERS, PLAN
from broker.model.decode import encode
from broker.model.events import RunStarted
from broker.producer import Worker
from broker.producer.langgraph import plan_of
from examples.job_match.graph import build
from examples.runner_worker import PIPELINE, process
from tests.browser.pages import frontend, opened, way_to
from tests.gateway.lines import batch, store
from tests.producer.test_worker import working

STARTED = encode(RunStarted(plan=PLAN))
FAILED = {"type": "run.failed", "error": {"message": "no credit"}}
COMPLETED = {"type": "run.completed"}

Event = dict[str, Any]


def step(layer: str, kind: str, **fields: Any) -> Event:
    return {"type": f"step.{kind}", "step": layer, **fields}


def layers(begin: int, end: int) -> list[Event]:
    """Events of some layers, each from its beginning to its end."""
    return [
        step(layer, kind, **more)
        for layer in LAYERS[begin:end]
        for kind, more in (("started", {}), ("completed", {"duration": 2.5}))
    ]


async def statuses(page: Page) -> list[str]:
    """What the stepper shows."""
    return await page.locator("ol .status").all_inner_texts()


async def shows(page: Page, layer: str, status: str) -> None:
    """Wait until the stepper shows this."""
    await expect(page.locator(f'[data-layer="{layer}"] .status')).to_have_text(status)


async def ends(page: Page, outcome: str, percent: int) -> None:
    """Wait until the page shows the end; its bar has not gone back on the way."""
    await expect(page.locator("#outcome")).to_have_text(outcome)
    await expect(page.locator("#percent")).to_have_text(str(percent))
    percents = await page.evaluate("seen.percents")
    assert sorted(percents) == percents
    assert (100 in percents) == ("completed" == outcome)


async def test_the_button_starts_a_run_that_is_watched_to_its_end(tmp_path: Path) -> None:
    async with frontend(tmp_path) as (b, origin):
        worker = Worker(b.nats.url)
        work = partial(process, output=tmp_path / "output")
        worker.pipeline(PIPELINE, plan=plan_of(build()))(work)
        job = "quarrystone-ml-engineer"
        async with working(worker), opened(origin, "runner", base=b.url, job=job) as page:
            await page.get_by_role("button", name="Process job").click()
            await ends(page, "completed", 100)
            assert ["success"] * 7 == await statuses(page)
            await expect(page.locator("#log")).to_contain_text(f"posting {job}")
            await expect(page.locator("#log")).to_contain_text("— completed —")
            assert 0 == await page.evaluate("seen.polls")


async def test_a_run_that_fails_keeps_its_progress(tmp_path: Path) -> None:
    async with frontend(tmp_path) as (b, origin):
        await b.publish("r1", STARTED, *layers(0, 2), step("company_research", "started"))
        async with opened(origin, "runner", base=b.url, run="r1") as page:
            await shows(page, "company_research", "executing")
            failed = step("company_research", "failed", error={"message": "blocked"}, duration=1.2)
            await b.publish("r1", failed)
            await shows(page, "company_research", "failed")
            await expect(page.locator("#outcome")).to_have_text("running")
            await b.publish("r1", FAILED)
            await ends(page, "failed", 29)
            assert ["success"] * 2 + ["failed"] + ["pending"] * 4 == await statuses(page)
            await expect(page.locator("#error")).to_have_text("no credit")
            await expect(page.locator("li.failed .error")).to_have_text("blocked")
            await expect(page.locator("li.failed .duration")).to_have_text("1.2 s")


@pytest.mark.parametrize("watch", ["stream", "poll"])
async def test_a_page_that_comes_late_shows_the_same(tmp_path: Path, watch: str) -> None:
    async with frontend(tmp_path) as (b, origin):
        await b.publish("r1", STARTED, *layers(0, 4), step("fit_scoring", "started"))
        await store(b.nats, "r1", batch("4 layers", "and a half"))
        async with opened(origin, "runner", base=b.url, run="r1", watch=watch) as page:
            await shows(page, "fit_scoring", "executing")
            assert ["success"] * 4 + ["executing"] + ["pending"] * 2 == await statuses(page)
            await expect(page.locator("#log > div")).to_have_text(["4 layers", "and a half"])
            await b.publish("r1", step("fit_scoring", "completed"), *layers(5, 7), COMPLETED)
            await ends(page, "completed", 100)
            assert ["success"] * 7 == await statuses(page)
        async with opened(origin, "runner", base=b.url, run="r1", watch=watch) as page:
            await ends(page, "completed", 100)
            assert ["success"] * 7 == await statuses(page)


@pytest.mark.parametrize("watch", ["stream", "patient"])
async def test_a_page_whose_stream_is_cut_comes_to_the_right_end(
    tmp_path: Path, watch: str
) -> None:
    """It polls from then on, or the browser connects again and goes on where it was."""
    async with frontend(tmp_path) as (b, origin), way_to(b) as (way, url):
        await b.publish("r1", STARTED, *layers(0, 1), step("pain_points", "started"))
        async with opened(origin, "runner", base=url, run="r1", watch=watch) as page:
            await shows(page, "pain_points", "executing")
            way.cut()
            await page.wait_for_function("seen.errors > 0")
            await b.publish("r1", step("pain_points", "completed"), *layers(2, 5))
            await shows(page, "fit_scoring", "success")
            await b.publish("r1", *layers(5, 7), COMPLETED)
            await ends(page, "completed", 100)
            assert ["success"] * 7 == await statuses(page)
            assert (watch == "stream") == (await page.evaluate("seen.polls") > 0)


async def test_a_run_that_is_not_there_leaves_the_page_waiting(tmp_path: Path) -> None:
    """The stream is refused, so that the page polls: and finds the run as soon as it is there."""
    async with (
        frontend(tmp_path) as (b, origin),
        opened(origin, "runner", base=b.url, run="r1") as page,
    ):
        await expect(page.locator("#by")).to_have_text("by polls")
        await b.publish("r1", STARTED, *layers(0, 7), COMPLETED)
        await ends(page, "completed", 100)


async def test_on_a_telephone_nothing_is_cut_off(tmp_path: Path) -> None:
    async with frontend(tmp_path) as (b, origin):
        long = "a very long error without any spaces: " + "x" * 200
        await b.publish("r1", STARTED, *layers(0, 2), step("company_research", "started"))
        await b.publish("r1", step("company_research", "failed", error={"message": long}))
        await store(b.nats, "r1", batch("y" * 200))
        async with opened(origin, "runner", width=375, height=812, base=b.url, run="r1") as page:
            await shows(page, "company_research", "failed")
            await expect(page.locator("#log > div")).to_have_count(1)
            assert 375 >= await page.evaluate("document.documentElement.scrollWidth")
