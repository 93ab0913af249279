"""The dashboard as a new user meets it: what `progress-broker demo` says, and a browser."""

import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from broker.demo import checksum
from tests.cli.shell import running
from tests.dashboard.browsing import PATIENCE, browsing
from tests.sse import ask

FAILS_WITHIN = 60_000.0
"""Milliseconds until a pipeline of the demo has failed: its third run does."""
TABS = 8
FILES, FILE = 4_000, 100
"""Of the pipeline that can be looked at: so many files of so many bytes."""
RATE = 0.005
"""MiB that it reads in a second: a run takes more than two minutes."""


@asynccontextmanager
async def demo(folder: Path) -> AsyncIterator[str]:
    """The demo as a person starts it; gives the address that it says to open first.

    A pipeline more is part of it, whose runs take so long that one can be looked at in peace.
    """
    tree = folder / "tree"
    tree.mkdir()
    for number in range(FILES):
        (tree / f"{number}.txt").write_bytes(b"." * FILE)
    flags = ("--listen=127.0.0.1:0", "--nats-port=0", f"--data-dir={folder / 'data'}")
    slow = f"{checksum.__file__} {tree} --rate={RATE} --pause=1"
    async with running("", "demo", *flags, slow) as command:
        said = re.fullmatch(r"Open (\S+) in a browser", await command.line())
        assert said
        yield said[1]
        command.process.send_signal(signal.SIGINT)
        assert (await command.result()).code == 0


class Person:
    """Somebody at a browser, whose clicks are counted."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.clicks = 0

    async def click(self, target: Locator) -> None:
        """Click once something is there."""
        await target.click()
        self.clicks += 1


async def context(browser: Browser) -> BrowserContext:
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    return context


def going(page: Page) -> Locator:
    """The row of the run that takes its time."""
    row = page.locator('.runs-row[data-status="running"]')
    return row.filter(has=page.get_by_role("link", name="Checksums of tree"))


async def cancelled_from_the_list(page: Page) -> None:
    """Its row shows how it is told, and that it has ended."""
    row = going(page)
    name = await row.locator(".runs-name").get_attribute("href")
    row = page.locator(".runs-row", has=page.locator(f'.runs-name[href="{name}"]'))
    await row.get_by_role("button", name=re.compile("^Details of")).click()
    await row.get_by_role("button", name="Cancel").click()
    asked = page.get_by_role("dialog", name="Cancel 1 run?")
    await asked.get_by_label("Reason").fill("only looking")
    await asked.get_by_role("button", name="Cancel 1 run").click()
    await expect(page.locator(".toast")).to_have_text("Cancel: 1 told")
    await expect(row).to_have_attribute("data-status", "cancelled")
    await row.get_by_role("button", name=re.compile("^Details of")).click()


async def cancelled_from_its_page(page: Page) -> None:
    """The page says what became of the command: asked, accepted, in effect."""
    await going(page).locator(".runs-name").click()
    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="Cancel the run").click()
    receipt = page.get_by_role("region", name="What was asked of this run")
    await expect(receipt).to_contain_text(re.compile("Cancel.*asked"))
    await expect(receipt).to_contain_text(re.compile("accepted by the producer.*cancelled"))
    await expect(page.locator(".run-status")).to_contain_text("Cancelled")


async def test_from_the_demo_to_why_a_run_failed_in_two_clicks(tmp_path: Path) -> None:
    async with demo(tmp_path) as url, browsing() as browser:
        person = Person(await (await context(browser)).new_page())
        page = person.page
        await page.goto(url)
        amount = going(page).locator(".runs-far .numbers")
        before = await amount.inner_text()
        await expect(amount).not_to_have_text(before)
        await cancelled_from_the_list(page)

        failed = page.get_by_role("navigation", name="Overview").get_by_role(
            "link", name=re.compile("Failed, lost 1")
        )
        await expect(failed).to_be_visible(timeout=FAILS_WITHIN)
        await person.click(failed)
        await expect(page.locator(".runs-name")).to_have_count(1)
        await person.click(page.locator(".runs-name"))
        why = page.get_by_role("region", name="Why it failed")
        await expect(why).to_contain_text("IntegrityError")
        await expect(why).to_contain_text("UNIQUE constraint failed")
        await expect(why.get_by_role("button", name="import")).to_be_visible()
        assert person.clicks == 2

        await page.get_by_role("button", name="Retry").click()
        await page.get_by_role("button", name="Run it again").click()
        await expect(page.locator(".run-status")).to_contain_text("Queued")
        await expect(page.get_by_label("Attempt")).to_contain_text(re.compile("2 . latest"))

        await page.get_by_role("link", name="Progress").click()
        await cancelled_from_its_page(page)


async def test_many_tabs_of_the_demo_are_one_client(tmp_path: Path) -> None:
    """All of them go on; browsers allow six connections to a host, which no tab uses up."""
    async with demo(tmp_path) as url, browsing() as browser:
        profile = await context(browser)
        tabs = [await profile.new_page() for _ in range(TABS)]
        for page in tabs:
            await page.goto(url)
        for page in tabs:
            await expect(going(page)).to_be_visible()
        metrics = (await ask(url.rstrip("/"), "/metrics")).body.decode()
        assert "\nprogress_broker_websockets 1.0" in metrics
        await cancelled_from_the_list(tabs[0])
        for page in tabs[1:]:
            cancelled = page.locator('.runs-row[data-status="cancelled"]')
            await expect(cancelled).to_contain_text("only looking")
