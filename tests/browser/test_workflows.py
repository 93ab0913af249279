"""A workflow dashboard in Chromium, while real runs go by: it ends with the right picture."""

from pathlib import Path

from playwright.async_api import Page, expect

from broker.producer import Worker
from examples.workflows_worker import SCHEMA, register, schema_of
from tests.browser.pages import frontend, opened
from tests.compat.test_workflows import began, ended, step
from tests.producer.conftest import Link
from tests.producer.test_worker import working


async def shows(page: Page, percent: int, *steps: str) -> None:
    """Wait until the page shows so many percent, and how each step stands."""
    await expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", str(percent))
    await expect(page.locator("#percent")).to_have_text(f"{percent}%")
    assert list(steps) == await page.locator("#steps li").evaluate_all(
        "steps => steps.map((step) => step.dataset.status)"
    )


async def bar(page: Page) -> list[int]:
    """Every percentage that the bar has shown, in turn."""
    seen: list[int] = await page.evaluate("window.seen")
    return seen


async def test_a_workflow_is_executed_from_the_page(tmp_path: Path) -> None:
    """Inputs in, a real worker, and the bar never stays at 0 while steps complete."""
    async with frontend(tmp_path) as (b, origin), opened(origin, "workflows", api=b.url) as page:
        worker = Worker(b.nats.url)
        register(worker, schema_of(SCHEMA.read_bytes()), pace=0.05)
        async with working(worker):
            await page.get_by_role("button", name="Execute Risk report").click()
            await page.get_by_role("button", name="Execute Workflow").click()
            await expect(page.get_by_role("status")).to_have_text("Workflow completed")
        await shows(page, 100, "completed", "completed", "completed")
        assert [0, 33, 66, 100] == await bar(page)
        await expect(page.locator("#steps")).to_contain_text("2. Score the rows")
        await expect(page.locator("#text")).to_have_text("3 of 3 steps succeeded")
        await expect(page.locator("#result")).to_have_text("Risk score 40, needs approval")
        await page.wait_for_function("window.closedWith === 1000")
        assert 1 == await page.evaluate("window.connections")


async def test_inputs_that_are_wrong_show_which_step_failed(tmp_path: Path) -> None:
    async with frontend(tmp_path) as (b, origin), opened(origin, "workflows", api=b.url) as page:
        worker = Worker(b.nats.url)
        register(worker, schema_of(SCHEMA.read_bytes()))
        async with working(worker):
            await page.get_by_role("button", name="Execute Risk report").click()
            await page.get_by_label("Table").fill("name,amount")
            await page.get_by_role("button", name="Execute Workflow").click()
            await expect(page.get_by_role("status")).to_have_text("Workflow failed")
        await shows(page, 33, "failed")
        await expect(page.get_by_role("alert")).to_have_text(
            "Read the table: inputs.table: it has no rows"
        )


async def test_every_step_is_seen_as_it_happens(tmp_path: Path) -> None:
    async with frontend(tmp_path) as (b, origin):
        await b.publish("r1", began())
        async with opened(origin, "workflows", api=b.url, run="r1") as page:
            await expect(page.get_by_role("status")).to_have_text("Running")
            for number, percent in ((1, 33), (2, 66), (3, 100)):
                start, end = step(number)
                await b.publish("r1", start)
                await expect(page.locator("#text")).to_contain_text(f"Executing step {number} of 3")
                await b.publish("r1", end)
                await shows(page, percent, *["completed"] * number)
            await b.publish("r1", *ended())
            await expect(page.get_by_role("status")).to_have_text("Workflow completed")


async def test_it_goes_on_where_the_connection_was_cut(tmp_path: Path) -> None:
    """What happened meanwhile is there, too, and nothing twice."""
    async with frontend(tmp_path) as (b, origin):
        way = Link(b.url.removeprefix("http://"))
        await b.publish("r1", began(), *step(1))
        async with way.opened() as url:
            api = url.replace("nats:", "http:")
            async with opened(origin, "workflows", api=api, run="r1") as page:
                await shows(page, 33, "completed")
                way.shut()
                await page.wait_for_function("window.closedWith === 1006")
                await b.publish("r1", *step(2, fails=True), *step(3))
                await way.open()
                await shows(page, 100, "completed", "failed", "completed")
                await b.publish("r1", *ended())
                await expect(page.get_by_role("status")).to_have_text("Workflow completed")
                await page.wait_for_function("window.closedWith === 1000")
                assert 2 == await page.evaluate("window.connections")


async def test_it_comes_before_the_execution_and_after_its_end(tmp_path: Path) -> None:
    async with frontend(tmp_path) as (b, origin):
        async with opened(origin, "workflows", api=b.url, run="r1") as page:
            await page.wait_for_function("window.connections === 1")
            await expect(page.get_by_role("status")).to_have_text("Waiting")
            await b.publish("r1", began(), *step(1), *step(2), *step(3), *ended())
            await shows(page, 100, "completed", "completed", "completed")
        async with opened(origin, "workflows", api=b.url, run="r1") as page:
            await expect(page.get_by_role("status")).to_have_text("Workflow completed")
            await shows(page, 100, "completed", "completed", "completed")
            assert [0, 33, 66, 100] == await bar(page)


async def test_a_cancelled_execution_says_so(tmp_path: Path) -> None:
    async with frontend(tmp_path) as (b, origin):
        await b.publish("r1", began(), *step(1), {"type": "run.cancelled", "by": "ann"})
        async with opened(origin, "workflows", api=b.url, run="r1") as page:
            await expect(page.get_by_role("status")).to_have_text("Workflow failed")
            await expect(page.get_by_role("alert")).to_have_text("cancelled by ann")
            await shows(page, 33, "completed")
