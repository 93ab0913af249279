"""What the gateway's headers allow a real Chromium to do, and what they forbid."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page

from broker.gateway import app
from broker.gateway.http.static_files import read_files
from tests.apps import served_app
from tests.dashboard.browsing import PATIENCE, browsing
from tests.gateway.runs import started
from tests.gateway.serving import Broker, broker
from tests.sse import path

INDEX = """<!doctype html><title>dashboard</title><link rel="icon" href="data:,">
<script>document.title = "inline"</script>
<script type="module" src="{{assets}}/app.js"></script><p onclick="x" style="color:red">text</p>
"""
APP = """
import { late } from "./late.js";
const told = (name, value) => { document.body.dataset[name] = value; };
const socket = new WebSocket(`ws://${location.host}/v1/ws`);
socket.onmessage = () => told("socket", "open");
const worker = new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module" });
worker.port.onmessage = (event) => told("worker", event.data);
fetch("/v1/runs/r1").then((answer) => told("fetched", answer.status));
told("late", late);
window.again = (version) => import(`/assets/${version}/later.js`).then((later) => later.url);
"""
WORKER = """
onconnect = (event) => {
  const socket = new WebSocket(`ws://${location.host}/v1/ws`);
  socket.onmessage = () => event.ports[0].postMessage("open");
};
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page that does what the dashboard does, served in its place."""
    web = tmp_path / "web"
    web.mkdir()
    for name, text in {
        "index.html": INDEX,
        "app.js": APP,
        "worker.js": WORKER,
        "late.js": 'export const late = "yes";',
        "later.js": 'import "./late.js"; export const url = import.meta.url;',
    }.items():
        (web / name).write_text(text)
    monkeypatch.setattr(app, "packaged", lambda: read_files(web))
    return web


@asynccontextmanager
async def host(text: str) -> AsyncIterator[str]:
    """A page of another origin; gives its URL."""

    async def show(request: web.Request) -> web.Response:
        return web.Response(text=text, content_type="text/html")

    foreign = web.Application()
    foreign.router.add_get("/", show)
    async with served_app(foreign) as url:
        yield url


async def told(page: Page, name: str, value: str) -> None:
    """Wait until the page tells this of itself."""
    await page.wait_for_selector(f'body[data-{name}="{value}"]', timeout=PATIENCE)


async def test_the_policy_lets_the_dashboard_work_and_nothing_else(
    tmp_path: Path, folder: Path
) -> None:
    """Sockets and workers of its own are `'self'`; what stands in the page is not run."""
    async with broker(tmp_path) as b, browsing() as browser:
        await b.publish("r1", started())
        page = await browser.new_page()
        refused: list[str] = []
        page.on("console", lambda said: refused.append(said.text))
        await page.goto(f"{b.url}/runs/r1")
        for name, value in (
            ("socket", "open"),
            ("worker", "open"),
            ("fetched", "200"),
            ("late", "yes"),
        ):
            await told(page, name, value)
        assert "dashboard" == await page.title()
        colour = await page.eval_on_selector("p", "text => getComputedStyle(text).color")
        assert "rgb(0, 0, 0)" == colour
        assert [] == [text for text in refused if "Content Security Policy" not in text]
        with pytest.raises(Exception, match="Failed to fetch"):
            await page.evaluate("fetch('https://elsewhere.invalid/')")


async def test_an_open_page_goes_on_over_an_upgrade(tmp_path: Path, folder: Path) -> None:
    """A module that it loads only now comes from the present version, with what that imports."""
    async with broker(tmp_path) as b, browsing() as browser:
        page = await browser.new_page()
        await page.goto(b.url)
        await told(page, "late", "yes")
        url = await page.evaluate("again('0123456789abcdef')")
        assert f"/assets/{read_files(folder).version}/later.js" == url.removeprefix(b.url)


async def test_who_may_frame(tmp_path: Path, folder: Path) -> None:
    """Allowed origins a shared run; nobody anything else."""

    async def framed(b: Broker, browser: Browser, target: str, origin: str) -> bool:
        page = await browser.new_page()
        await page.goto(origin)
        await page.evaluate(
            """source => new Promise((done) => {
              const frame = document.createElement("iframe");
              frame.onload = done;
              frame.src = source;
              document.body.append(frame);
            })""",
            b.url + target,
        )
        return await page.frames[1].title() == "dashboard"

    async with (
        host("<p>allowed") as friend,
        host("<p>other") as other,
        broker(tmp_path, allowed_origins=friend) as b,
        browsing() as browser,
    ):
        assert await framed(b, browser, "/share/r1", friend)
        assert not await framed(b, browser, "/share/r1", other)
        assert not await framed(b, browser, "/runs/r1", friend)


async def test_a_badge_is_shown_on_any_page_even_of_an_unknown_run(tmp_path: Path) -> None:
    """Although its status is 404: an image is its body."""
    async with broker(tmp_path) as b, browsing() as browser:
        await b.publish("r1", started())
        pictures = "".join(
            f'<img src="{b.url}{path(run, "/badge.svg")}" alt="">' for run in ("r1", "nobody")
        )
        async with host(pictures) as other:
            page = await browser.new_page()
            await page.goto(other)
            sizes = await page.eval_on_selector_all(
                "img", "images => images.map((image) => [image.naturalWidth, image.naturalHeight])"
            )
        assert [20, 20] == [height for _, height in sizes]
        assert all(width > 60 for width, _ in sizes)
