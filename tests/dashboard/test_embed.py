"""The elements for other pages, on a page of another origin with a strict policy of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from playwright.async_api import Page, expect

from tests.apps import served_app
from tests.browser.pages import way_to
from tests.dashboard.browsing import Dashboard, browsing, violations, widest
from tests.faults import until
from tests.gateway.serving import broker

STARTED = {
    "type": "run.started",
    "pipeline": "import",
    "name": "March",
    "plan": [{"step": "fetch"}],
}


class Host:
    """A site that embeds progress: one page, whose body a test chooses."""

    def __init__(self) -> None:
        self.origin = ""
        self.gateway = ""
        self.body = ""

    async def page(self, request: web.Request) -> web.Response:
        socket = self.gateway.replace("http", "ws")
        policy = f"default-src 'none'; script-src {self.gateway}; connect-src {socket}"
        text = (
            '<!doctype html><html lang="en"><title>Host</title><main><h1>Host</h1>'
            f'<script type="module" src="{self.gateway}/embed.js"></script>'
            f"{self.body}</main></html>"
        )
        headers = {"Content-Security-Policy": policy}
        return web.Response(text=text, content_type="text/html", headers=headers)


@asynccontextmanager
async def hosted(folder: Path, body: str, **settings: Any) -> AsyncIterator[tuple[Dashboard, Host]]:
    """A gateway, and a site whose origin it allows."""
    host = Host()
    app = web.Application()
    app.router.add_get("/", host.page)
    async with served_app(app) as host.origin:
        allowed = {"allowed_origins": host.origin, **settings}
        async with broker(folder, **allowed) as served, browsing() as browser:
            host.gateway, host.body = served.url, body
            d = Dashboard(served, browser)
            yield d, host
        assert not d.faults, d.faults


async def opened(d: Dashboard, host: Host, **how: Any) -> Page:
    return await d.open("/", url=host.origin, **how)


async def test_a_run_goes_on_in_a_foreign_page(tmp_path: Path) -> None:
    body = '<progress-run run="import-7" steps></progress-run>'
    async with hosted(tmp_path, body) as (d, host):
        await d.broker.publish("import-7", STARTED, {"type": "step.started", "step": "fetch"})
        page = await opened(d, host)
        element = page.locator("progress-run")
        await expect(element.get_by_text("March")).to_be_visible()
        half = {"type": "step.progress", "step": "fetch", "current": 1, "total": 2}
        await d.broker.publish("import-7", half)
        bar = element.get_by_role("progressbar", name="March")
        await expect(bar).to_have_attribute("aria-valuenow", "50")
        await page.evaluate(
            "addEventListener('progress-end', event => { document.title = event.detail.status })"
        )
        await d.broker.publish("import-7", {"type": "run.failed", "error": {"message": "no room"}})
        await expect(element.get_by_text("no room")).to_be_visible()
        await expect(page).to_have_title("failed")
        assert await violations(page) == []


async def test_lists_and_logs_share_the_connection_of_the_page(tmp_path: Path) -> None:
    body = """<progress-list query="pipeline=import" limit="3"></progress-list>
      <progress-log run="a" tail="5"></progress-log><progress-run run="a"></progress-run>"""
    async with hosted(tmp_path, body) as (d, host):
        await d.broker.publish("a", STARTED)
        lines = [{"text": f"line {n} \x1b[31m<b>red</b>"} for n in range(20)]
        await d.broker.post("/v1/runs/a/events", {"type": "log.appended", "lines": lines})
        page = await opened(d, host, width=375)
        log = page.locator("progress-log").get_by_role("log")
        await expect(log.locator("div")).to_have_count(5)
        await expect(log.locator("div").last).to_have_text("line 19 <b>red</b>")
        await expect(page.locator("progress-list li")).to_have_count(1)
        await d.broker.publish("b", STARTED)
        await expect(page.locator("progress-list li")).to_have_count(2)
        link = page.locator("progress-list li a").first
        await expect(link).to_have_attribute("href", f"{host.gateway}/runs/b")
        assert await d.broker.metric("websockets") == 1
        assert await widest(page) <= 375
        assert await violations(page) == []


async def test_an_element_can_be_changed_and_taken_out(tmp_path: Path) -> None:
    async with hosted(tmp_path, '<progress-run run="a"></progress-run>') as (d, host):
        await d.broker.publish("a", {**STARTED, "name": "First"})
        await d.broker.publish("b", {**STARTED, "name": "Second"})
        page = await opened(d, host)
        element = page.locator("progress-run")
        await expect(element.get_by_text("First")).to_be_visible()
        await element.evaluate("element => element.setAttribute('run', 'b')")
        await expect(element.get_by_text("Second")).to_be_visible()
        await element.evaluate("element => element.remove()")
        await page.wait_for_function("document.querySelector('progress-run') === null")

        async def closed() -> bool:
            return await d.broker.metric("websockets") == 0

        await until(closed)


async def test_an_element_that_is_put_elsewhere_goes_on(tmp_path: Path) -> None:
    """Frameworks move elements, and set attributes to what they are."""
    body = '<progress-log run="a"></progress-log><p></p>'
    async with hosted(tmp_path, body) as (d, host):
        await d.broker.publish("a", STARTED)
        line = {"type": "log.appended", "lines": [{"text": "first line"}]}
        await d.broker.post("/v1/runs/a/events", line)
        page = await opened(d, host)
        await expect(page.get_by_text("first line")).to_be_visible()
        before = await d.broker.metric("clients_total")
        await page.evaluate("""async () => {
          const element = document.querySelector("progress-log");
          for (let n = 0; n < 20; n++) {
            document.querySelector(n % 2 ? "main" : "p").append(element);
            element.setAttribute("run", "a");
            await new Promise((resolve) => setTimeout(resolve));
            if (!element.state?.length) throw Error("it began anew");
          }
        }""")
        assert await d.broker.metric("clients_total") == before
        await expect(page.get_by_text("first line")).to_be_visible()


async def test_elements_that_come_and_go_leave_nothing_behind(tmp_path: Path) -> None:
    async with hosted(tmp_path, "") as (d, host):
        await d.broker.publish("a", STARTED)
        page = await opened(d, host)
        session = await page.context.new_cdp_session(page)

        async def left(rounds: int) -> int:
            await page.evaluate(
                """async (rounds) => {
                  for (let n = 0; n < rounds; n++) {
                    const elements = ["run", "list", "log"].map((name) => {
                      const element = document.createElement(`progress-${name}`);
                      element.setAttribute("run", n % 2 ? "a" : "nowhere");
                      return element;
                    });
                    document.body.append(...elements);
                    await new Promise((resolve) => setTimeout(resolve, n % 10 ? 0 : 50));
                    for (const element of elements) element.remove();
                  }
                }""",
                rounds,
            )
            await page.wait_for_function("document.querySelector('progress-run') === null")
            await session.send("HeapProfiler.collectGarbage")
            counted = await session.send("Memory.getDOMCounters")
            return int(counted["nodes"] + counted["jsEventListeners"])

        # Of 1,000 elements some have not been collected; each has ten nodes.
        assert await left(334) <= 2_000


async def test_where_there_is_no_gateway_it_says_so(tmp_path: Path) -> None:
    body = '<progress-run run="a" server="http://127.0.0.1:9"></progress-run>'
    async with hosted(tmp_path, body) as (d, host):
        page = await opened(d, host)
        element = page.locator("progress-run")
        await expect(element.get_by_role("status")).to_have_text("Connection lost.")
        d.faults.clear()


async def test_a_run_that_is_not_there_yet_comes(tmp_path: Path) -> None:
    body = '<progress-run run="late"></progress-run><progress-run></progress-run>'
    async with hosted(tmp_path, body) as (d, host):
        page = await opened(d, host)
        late, nameless = page.locator("progress-run").first, page.locator("progress-run").last
        await expect(nameless).to_contain_text("needs the attribute")
        await expect(late.get_by_role("alert")).to_be_visible()
        await d.broker.publish("late", STARTED)
        await expect(late.get_by_text("March")).to_be_visible()


async def test_a_lost_connection_is_said_and_mended(tmp_path: Path) -> None:
    async with hosted(tmp_path, "") as (d, host), way_to(d.broker) as (way, url):
        await d.broker.publish("a", STARTED)
        host.gateway, host.body = url, '<progress-run run="a"></progress-run>'
        page = await opened(d, host)
        element = page.locator("progress-run")
        await expect(element.get_by_text("March")).to_be_visible()
        way.shut()
        await expect(element.get_by_role("status")).to_contain_text("Connection lost")
        await d.broker.publish("a", {"type": "run.completed"})
        await way.open()
        await expect(element.get_by_text("Completed")).to_be_visible()
        await expect(element.get_by_role("status")).to_have_count(0)


async def test_a_page_whose_origin_is_not_allowed_sees_nothing(tmp_path: Path) -> None:
    body = '<progress-run run="a"></progress-run>'
    async with hosted(tmp_path, body, allowed_origins="http://elsewhere.example") as (d, host):
        await d.broker.publish("a", STARTED)
        page = await opened(d, host)
        await expect(page.locator("progress-run").get_by_role("status")).to_be_visible()
        await expect(page.get_by_text("March")).to_have_count(0)
        d.faults.clear()


async def test_a_shared_run_leads_nowhere_else(tmp_path: Path) -> None:
    async with hosted(tmp_path, "") as (d, _):
        await d.broker.publish("a", STARTED, {"type": "step.started", "step": "fetch"})
        page = await d.open("/share/a")
        for width in (1440, 375):
            await page.set_viewport_size({"width": width, "height": 900})
            await expect(page.get_by_role("heading", name="March")).to_be_visible()
            assert await page.get_by_role("button", name="Cancel").count() == 0
            assert await page.locator("a[href]:not(.skip)").count() == 0
            assert await widest(page) <= width
            assert await violations(page) == []
        await d.broker.publish("a", {"type": "run.failed", "error": {"message": "no room"}})
        await expect(page.get_by_text("no room", exact=True)).to_be_visible()


async def test_a_badge_is_a_picture_of_the_run(tmp_path: Path) -> None:
    async with hosted(tmp_path, "") as (d, _):
        await d.broker.publish("a", STARTED, {"type": "run.completed"})
        page = await d.open("/v1/runs/a/badge.svg")
        await expect(page.locator("svg")).to_have_attribute(
            "aria-label", "import / March: completed"
        )
