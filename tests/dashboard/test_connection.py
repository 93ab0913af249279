"""One connection for all tabs, which breaks, rests and comes back."""

import asyncio
import re
from contextlib import suppress
from pathlib import Path

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import expect

from tests.browser.pages import way_to
from tests.dashboard.browsing import HIDE, Dashboard, browsing, dashboard
from tests.dashboard.no_websockets import no_websockets
from tests.faults import until
from tests.gateway.serving import Broker, gateway
from tests.stream.serving import nats

RUN = "import-7"
STARTED = {"type": "run.started", "pipeline": "import"}


async def progress(d: Dashboard, current: int, total: int = 10) -> None:
    event = {"type": "run.progress", "current": current, "total": total, "unit": "files"}
    await d.broker.publish(RUN, event)


async def test_what_happened_while_the_connection_was_cut_is_there_when_it_is_back(
    tmp_path: Path,
) -> None:
    async with dashboard(tmp_path) as d, way_to(d.broker) as (way, url):
        await d.broker.publish(RUN, STARTED)
        await progress(d, 1)
        page = await d.open(f"/runs/{RUN}", url=url)
        await expect(page.locator(".overall-line")).to_contain_text("1 of 10 files")
        way.shut()
        band = page.locator(".band")
        await expect(band).to_contain_text("Connection lost")
        elapsed = page.locator(".facts dd").first
        stood = await elapsed.inner_text()
        await progress(d, 7)
        await expect(band).to_contain_text(re.compile(r"[2-9] s ago"))
        assert await elapsed.inner_text() == stood  # nobody knows here whether it still runs
        await way.open()
        await band.get_by_role("button", name="Try now").click()
        await expect(page.locator(".overall-line")).to_contain_text("7 of 10 files")
        await expect(band).to_have_count(0)


async def test_a_gateway_that_is_replaced_is_hardly_noticed(tmp_path: Path) -> None:
    async with nats(tmp_path / "nats") as server, browsing() as browser:
        async with gateway(server.url) as first:
            d = Dashboard(Broker(first, server), browser)
            await d.broker.publish(RUN, STARTED)
            page = await d.open(f"/runs/{RUN}")
            await expect(page.locator(".run-header .status").first).to_have_text("Running")
            port = first.url.rsplit(":", 1)[1]
        async with gateway(server.url, listen=f"127.0.0.1:{port}"):
            await d.broker.publish(RUN, {"type": "run.completed"})
            await expect(page.locator(".run-header .status").first).to_have_text("Completed")
        assert not d.faults


async def test_all_tabs_share_one_connection(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as d:
        await d.broker.publish(RUN, STARTED)
        context = await d.context()
        pages = [await d.open(f"/runs/{RUN}", context=context) for _ in range(4)]
        pages.append(await d.open("/", context=context))
        for page in pages[:4]:
            await expect(page.locator(".run-header .status").first).to_have_text("Running")
        assert await d.broker.metric("websockets") == 1
        await progress(d, 3)
        for page in pages[:4]:
            await expect(page.locator(".overall-line")).to_contain_text("3 of 10 files")
        assert await d.broker.metric("clients") == 1
        for page in pages[:3]:
            await page.close()
        await progress(d, 4)
        await expect(pages[3].locator(".overall-line")).to_contain_text("4 of 10 files")


async def test_it_is_one_again_after_it_broke_and_after_its_first_tab_was_closed(
    tmp_path: Path,
) -> None:
    async with dashboard(tmp_path) as d, way_to(d.broker) as (way, url):
        await d.broker.publish(RUN, STARTED)
        context = await d.context()
        paths = (f"/runs/{RUN}", f"/runs/{RUN}", "/", f"/runs/{RUN}?tab=logs")
        pages = [await d.open(path, url=url, context=context) for path in paths]

        async def all_live() -> bool:
            signs = [await page.locator(".sign").inner_text() for page in pages]
            return signs == ["Live"] * len(pages) and await d.broker.metric("websockets") == 1

        await until(all_live)
        await pages.pop(0).close()
        for current in (3, 4):
            way.cut()
            await progress(d, current)
            await expect(pages[0].locator(".overall-line")).to_contain_text(f"{current} of 10")
            await until(all_live)


async def test_a_computer_that_is_told_another_time_asks_for_the_right_one(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as d:
        await d.broker.publish(RUN, STARTED)
        page = await d.open(f"/runs/{RUN}")
        elapsed = page.locator(".facts dd").first
        await expect(elapsed).to_contain_text(re.compile(r"\d s$"))
        await page.evaluate(
            "{ const before = Date.now; Date.now = () => before.call(Date) + 3600e3; }"
        )
        async with page.expect_request(lambda request: request.method == "HEAD"):
            pass
        await expect(elapsed).to_contain_text(re.compile(r"^[\d.]+ s$"))


async def test_hidden_tabs_rest(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as d:
        await d.broker.publish(RUN, STARTED)
        page = await d.open(f"/runs/{RUN}")
        await expect(page.locator(".run-header .status").first).to_have_text("Running")
        await page.evaluate(HIDE, True)

        async def nobody() -> bool:
            return await d.broker.metric("clients") == 0

        await until(nobody)
        await progress(d, 5)
        await page.evaluate(HIDE, False)
        await expect(page.locator(".overall-line")).to_contain_text("5 of 10 files")


async def test_a_tab_that_is_closed_is_forgotten(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as d:
        await d.broker.publish(RUN, STARTED)
        await d.broker.publish("other", STARTED)
        context = await d.context()
        staying = await d.open("/runs/other", context=context)
        page = await d.open(f"/runs/{RUN}", context=context)
        await expect(page.locator(".run-header .status").first).to_have_text("Running")
        await expect(staying.locator(".run-header .status").first).to_have_text("Running")
        await page.close()

        async def alone() -> bool:
            return await d.broker.metric("clients") == 1

        await until(alone)


async def test_a_worker_that_dies_with_its_first_tab_is_replaced(tmp_path: Path) -> None:
    """Browsers end it with the process of the tab that began it, and tell no other tab."""
    async with dashboard(tmp_path) as d:
        await d.broker.publish(RUN, STARTED)
        context = await d.context()
        first = await d.open(f"/runs/{RUN}", context=context)
        await expect(first.locator(".run-header .status").first).to_have_text("Running")
        others = [await d.open(f"/runs/{RUN}", context=context) for _ in range(2)]
        for page in others:
            await expect(page.locator(".run-header .status").first).to_have_text("Running")
        crashed = asyncio.Event()
        first.on("crash", lambda _: crashed.set())
        with suppress(PlaywrightError):
            await first.goto("chrome://crash")
        await crashed.wait()
        await progress(d, 3)
        for page in others:
            await expect(page.locator(".overall-line")).to_contain_text("3 of 10 files")
        assert await d.broker.metric("websockets") == 1


async def test_event_streams_take_over_where_no_websocket_passes(tmp_path: Path) -> None:
    async with dashboard(tmp_path) as d, no_websockets(d.broker.url) as url:
        await d.broker.publish(RUN, STARTED)
        page = await d.open(f"/runs/{RUN}", url=url)
        await expect(page.locator(".run-header .status").first).to_have_text("Running")
        await progress(d, 2)
        await expect(page.locator(".overall-line")).to_contain_text("2 of 10 files")
        await d.broker.publish(RUN, {"type": "run.completed"})
        await expect(page.locator(".run-header .status").first).to_have_text("Completed")
        await page.goto(f"{url}/runs/{RUN}?tab=events")
        await expect(page.locator(".event-row")).to_have_count(3)
