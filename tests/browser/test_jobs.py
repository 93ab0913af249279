"""The job monitor in a real Chromium in front of the real gateway, while real jobs go by."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, expect

from broker.producer import Run, Worker
from tests.browser.pages import frontend, opened, way_to
from tests.gateway.lines import batch, store
from tests.gateway.runs import completed, started, step_completed, step_progress, step_started
from tests.gateway.serving import Broker

FAILED = {"type": "run.failed", "error": {"message": "no space left"}}


def begun(subject: str, **more: Any) -> dict[str, Any]:
    return started() | {"labels": {"subject": subject}, "name": f"Scan of {subject}"} | more


class Studio:
    """A worker with a pipeline of two steps; each job waits to be let go on."""

    def __init__(self, b: Broker) -> None:
        self._b = b
        self._worker = Worker(b.nats.url, name="w1", concurrency=8)
        self._gates: dict[str, asyncio.Event] = {}
        self.attempts: dict[str, int] = {}

        @self._worker.pipeline("scan", plan=["read", "fit"])
        async def scan(run: Run, inputs: dict[str, Any]) -> None:
            attempt = self.attempts[run.id] = self.attempts.get(run.id, 0) + 1
            async with run.step("read") as step:
                for n in range(1, 5):
                    step.progress(n, 4, unit="volumes")
                    run.log(f"volume {n}", level="progress")
            async with run.step("fit"):
                await self.gate(run.id).wait()
                if attempt <= inputs.get("failures", 0):
                    run.log("it does not fit", level="error")
                    raise ValueError("it does not fit")
            run.log("all well", level="success")

    def gate(self, job: str) -> asyncio.Event:
        return self._gates.setdefault(job, asyncio.Event())

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        task = asyncio.ensure_future(self._worker.run())
        try:
            yield
        finally:
            for gate in self._gates.values():
                gate.set()
            self._worker.stop()
            await task

    async def start(self, job: str, subject: str, **inputs: Any) -> None:
        body = {"run": job, "labels": {"subject": subject}, "name": job, "inputs": inputs}
        answer = await self._b.post("/v1/pipelines/scan/runs", body)
        assert 202 == answer.status, answer.body


def card(page: Page, job: str) -> Locator:
    return page.locator(f'#jobs > [data-job="{job}"]')


async def shows(page: Page, job: str, status: str, percent: int | None = None) -> None:
    """Wait until the page shows a job like that."""
    await expect(card(page, job).locator(".badge")).to_have_text(status)
    if percent is not None:
        await expect(card(page, job).locator(".percent")).to_have_text(f"{percent} %")


async def counts(page: Page, **wanted: int) -> None:
    """Wait until the cards show so many jobs."""
    for status, count in wanted.items():
        await expect(page.locator(f"#count-{status}")).to_have_text(str(count))


async def stage(page: Page, subject: str, stage: str, status: str) -> None:
    """Wait until the dashboard shows a stage like that."""
    where = page.locator(f'[data-subject="{subject}"] [data-stage="{stage}"]')
    await expect(where).to_have_text(f"{stage}: {status}")


async def connected(page: Page) -> None:
    await expect(page.locator("#connection")).to_have_text("Connected")


async def test_a_pipeline_for_several_subjects(tmp_path: Path) -> None:
    """Scenario 1: the dashboard follows each subject, from the first stage to the last."""
    async with frontend(tmp_path) as (b, origin), opened(origin, "jobs", api=b.url) as page:
        studio = Studio(b)
        await connected(page)
        async with studio.working():
            for n in range(3):
                await studio.start(f"j{n}", f"s-{n}")
            for n in range(3):
                await stage(page, f"s-{n}", "read", "done")
                await stage(page, f"s-{n}", "fit", "running")
            await counts(page, running=3, completed=0)
            await expect(page.locator("#active")).to_have_text("3")
            for n in range(3):
                studio.gate(f"j{n}").set()
            for n in range(3):
                await stage(page, f"s-{n}", "fit", "done")
                await shows(page, f"j{n}", "completed", 100)
            await counts(page, running=0, completed=3)
            await expect(page.locator("#active")).to_have_text("0")


async def test_progress_bars_and_logs(tmp_path: Path) -> None:
    """Scenario 2: who opens the monitor late sees how far the job is, and its log."""
    async with frontend(tmp_path) as (b, origin):
        studio = Studio(b)
        async with studio.working():
            await studio.start("j1", "s-1")
            async with opened(origin, "jobs", api=b.url) as page:
                await shows(page, "j1", "running", 50)
                await expect(card(page, "j1").locator(".step")).to_have_text("fit")
                bar = card(page, "j1").get_by_role("progressbar")
                await expect(bar).to_have_attribute("aria-valuenow", "50")
                await card(page, "j1").locator(".head").click()
                log = card(page, "j1").locator(".log div")
                await expect(log).to_have_text([f"PROGRESS volume {n}" for n in range(1, 5)])
                studio.gate("j1").set()
                await expect(log.last).to_have_text("SUCCESS all well")
                await expect(log.last).to_have_class("SUCCESS")
                await shows(page, "j1", "completed", 100)
                assert [] == await page.evaluate("seen.back")


async def test_a_running_job_is_cancelled(tmp_path: Path) -> None:
    """Scenario 3: it stops at once, and so does its stage."""
    async with frontend(tmp_path) as (b, origin), opened(origin, "jobs", api=b.url) as page:
        studio = Studio(b)
        async with studio.working():
            await studio.start("j1", "s-1")
            await stage(page, "s-1", "fit", "running")
            await card(page, "j1").get_by_role("button", name="Cancel", exact=True).click()
            await shows(page, "j1", "cancelled", 50)
            await stage(page, "s-1", "fit", "not_run")
            await expect(
                card(page, "j1").get_by_role("button", name="Cancel", exact=True)
            ).to_be_hidden()
            await expect(
                card(page, "j1").get_by_role("button", name="Retry", exact=True)
            ).to_be_visible()


async def test_a_failed_job_is_retried(tmp_path: Path) -> None:
    """Scenario 4: another execution, told on the same page."""
    async with frontend(tmp_path) as (b, origin), opened(origin, "jobs", api=b.url) as page:
        studio = Studio(b)
        async with studio.working():
            await studio.start("j1", "s-1", failures=1)
            studio.gate("j1").set()
            await shows(page, "j1", "failed", 50)
            await expect(card(page, "j1").locator(".error").first).to_have_text("it does not fit")
            await stage(page, "s-1", "fit", "failed")
            await card(page, "j1").get_by_role("button", name="Retry", exact=True).click()
            await shows(page, "j1", "completed", 100)
            await stage(page, "s-1", "fit", "done")
            await card(page, "j1").locator(".head").click()
            await expect(card(page, "j1").locator(".log .ERROR")).to_have_count(1)
            await expect(card(page, "j1").locator(".log div")).to_have_count(10)
            assert 2 == studio.attempts["j1"]


async def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    """A job that names no pipeline has nobody to run it again."""
    async with frontend(tmp_path) as (b, origin), opened(origin, "jobs", api=b.url) as page:
        await b.publish("j1", {"type": "run.started"}, FAILED)
        await shows(page, "j1", "failed")
        await card(page, "j1").get_by_role("button", name="Retry", exact=True).click()
        await expect(page.locator("#notice")).to_contain_text("no pipeline")


async def test_the_tabs(tmp_path: Path) -> None:
    """Scenario 5: each shows the jobs of its status, and how many these are, as they change."""
    async with frontend(tmp_path) as (b, origin), opened(origin, "jobs", api=b.url) as page:
        await b.publish("j1", {"type": "run.queued", "pipeline": "scan"})
        await b.publish("j2", begun("s-2"))
        await b.publish("j3", begun("s-3"), completed())
        await b.publish("j4", begun("s-4"), FAILED)
        await b.publish("j5", begun("s-5"), {"type": "run.cancelled"})
        shown = page.locator("#jobs > li:visible .badge")
        tabs = {"All": 5, "Running": 1, "Queued": 1, "Completed": 1, "Failed": 1}
        for name, count in tabs.items():
            tab = page.get_by_role("tab", name=name)
            await expect(tab).to_have_text(f"{name} {count}")
            await tab.click()
            await expect(tab).to_have_attribute("aria-selected", "true")
            await expect(shown).to_have_count(count)
            if name != "All":
                assert [name.lower()] == await shown.all_inner_texts()
        await b.publish("j2", FAILED)
        await expect(page.get_by_role("tab", name="Failed")).to_have_text("Failed 2")
        await expect(shown).to_have_text(["failed", "failed"])
        await page.get_by_role("tab", name="Running").click()
        await expect(shown).to_have_count(0)


async def test_an_expanded_job_stays_open(tmp_path: Path) -> None:
    """Scenario 6: through messages, polls and tabs; the log of an ended one is read, too."""
    async with frontend(tmp_path) as (b, origin):
        await b.publish("old", begun("s-0"), FAILED)
        await store(b.nats, "old", batch({"text": "why", "level": "error"}))
        async with opened(origin, "jobs", api=b.url, pause="50", poll="300") as page:
            await shows(page, "old", "failed")
            await card(page, "old").locator(".head").click()
            await expect(card(page, "old").locator(".log")).to_have_text("ERROR why")
            await expect(card(page, "old").locator(".meta")).to_contain_text("s-0")
            await b.publish("j1", begun("s-1"))
            await card(page, "j1").locator(".head").click()
            polls = await page.evaluate("seen.polls")
            await b.publish("j1", step_started("fetch"), step_progress("fetch", 5))
            await shows(page, "j1", "running", 16)
            await page.wait_for_function("([n]) => seen.polls > n + 1", arg=[polls])
            await page.get_by_role("tab", name="Failed").click()
            await page.get_by_role("tab", name="All").click()
            for job in ("old", "j1"):
                await expect(card(page, job).locator(".details")).to_be_visible()
            await card(page, "j1").locator(".head").click()
            await expect(card(page, "j1").locator(".details")).to_be_hidden()
            await expect(card(page, "old").locator(".details")).to_be_visible()


async def test_many_jobs_end_at_once(tmp_path: Path) -> None:
    """Scenario 7: each is shown with its own end."""
    async with frontend(tmp_path) as (b, origin), opened(origin, "jobs", api=b.url) as page:
        names = [f"j{n}" for n in range(40)]
        for job in names:
            await b.publish(job, begun(job))
        await counts(page, running=40)
        ends = [completed() if n % 4 else FAILED for n in range(40)]
        await asyncio.gather(*[b.publish(job, end) for job, end in zip(names, ends, strict=True)])
        await counts(page, running=0, completed=30, failed=10)
        for n in (0, 1, 39):
            await shows(page, names[n], "completed" if n % 4 else "failed")
        assert 40 == await page.locator("#jobs > li").count()


async def test_the_log_follows_unless_somebody_reads_it(tmp_path: Path) -> None:
    async with frontend(tmp_path) as (b, origin), opened(origin, "jobs", api=b.url) as page:
        await b.publish("j1", begun("s-1"))
        await card(page, "j1").locator(".head").click()
        log = card(page, "j1").locator(".log")
        at_end = "log => log.scrollHeight - log.scrollTop - log.clientHeight < 8"

        async def told(begin: int) -> None:
            await store(b.nats, "j1", batch(*[f"line {n}" for n in range(begin, begin + 40)]))
            await expect(log.locator("div")).to_have_count(begin + 40)

        await told(0)
        assert await log.evaluate(at_end)
        await log.evaluate("log => { log.scrollTop = 0; }")
        await told(40)
        assert 0 == await log.evaluate("log => log.scrollTop")
        await log.evaluate("log => { log.scrollTop = log.scrollHeight; }")
        await told(80)
        assert await log.evaluate(at_end)


async def test_the_connection_is_cut_and_comes_back(tmp_path: Path) -> None:
    """In the middle of a job: nothing is missing, and no line is shown twice."""
    async with (
        frontend(tmp_path) as (b, origin),
        way_to(b) as (way, url),
        opened(origin, "jobs", api=url, pause="50", poll="600000") as page,
    ):
        await b.publish("j1", begun("s-1"), step_started("fetch"), step_progress("fetch", 5))
        await store(b.nats, "j1", batch("one", "two"))
        await shows(page, "j1", "running", 16)
        await page.wait_for_function("seen.lines === 2")
        way.shut()
        await expect(page.locator("#connection")).to_have_text("Disconnected")
        await b.publish("j1", step_completed("fetch"), step_started("clean"))
        await store(b.nats, "j1", batch("three"))
        await b.publish("j2", begun("s-2"))
        await way.open()
        await connected(page)
        await shows(page, "j1", "running", 33)
        await stage(page, "s-1", "fetch", "done")
        await shows(page, "j2", "running")
        await b.publish("j1", completed())
        await shows(page, "j1", "completed", 100)
        await card(page, "j1").locator(".head").click()
        told = card(page, "j1").locator(".log div")
        await expect(told).to_have_text([f"INFO {text}" for text in ("one", "two", "three")])
        assert 2 <= await page.evaluate("seen.sockets")
        assert [] == await page.evaluate("seen.back")


async def test_what_ended_while_the_connection_was_cut(tmp_path: Path) -> None:
    """The socket tells of that too, as long as it is not long ago; then the poll does."""
    async with (
        frontend(tmp_path) as (b, origin),
        way_to(b) as (way, url),
        opened(origin, "jobs", api=url, pause="50", poll="600000") as page,
    ):
        await b.publish("j1", begun("s-1"), step_started("fetch"))
        await shows(page, "j1", "running")
        await connected(page)
        way.shut()
        await expect(page.locator("#connection")).to_have_text("Disconnected")
        await b.publish("j1", FAILED)
        await way.open()
        await connected(page)
        await shows(page, "j1", "failed")


async def test_without_a_socket_the_page_polls(tmp_path: Path) -> None:
    """Where a proxy lets no WebSocket through."""
    async with frontend(tmp_path) as (b, origin):
        await b.publish("j1", begun("s-1"))
        async with opened(origin, "page", stream="/nothing") as page:
            await page.route_web_socket("**/ws*", lambda ws: ws.close())
            await page.goto(f"{origin}/jobs.html?api={b.url}&poll=100&pause=50")
            await shows(page, "j1", "running")
            await expect(page.locator("#connection")).to_have_text("Disconnected")
            await b.publish("j1", step_completed("fetch"))
            await shows(page, "j1", "running", 33)
            await b.publish("j1", completed())
            await shows(page, "j1", "completed", 100)
            assert 0 == await page.evaluate("seen.lines")


async def test_a_narrow_page(tmp_path: Path) -> None:
    """Nothing is wider than the screen of a telephone."""
    async with frontend(tmp_path) as (b, origin):
        name = "segmentation-of-the-left-hemisphere-with-a-name-that-has-no-end"
        await b.publish("j1", begun("s-1", name=name), step_started("fetch"))
        await b.publish("j2", begun("s-2"), FAILED)
        await store(b.nats, "j1", batch("x" * 300))
        async with opened(origin, "jobs", width=375, height=667, api=b.url) as page:
            await shows(page, "j1", "running")
            await shows(page, "j2", "failed")
            await card(page, "j1").locator(".head").click()
            await expect(card(page, "j1").locator(".log div")).to_have_count(1)
            assert 375 >= await page.evaluate("document.documentElement.scrollWidth")
            buttons = page.locator("button:visible")
            for n in range(await buttons.count()):
                box = await buttons.nth(n).bounding_box()
                assert box is not None
                assert 44 <= box["height"]
