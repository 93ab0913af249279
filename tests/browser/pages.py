"""A page of ours in a real Chromium, driven by Playwright.

The page is served from an origin of its own, as frontends are; `broker` must allow that origin.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

from aiohttp import web
from playwright.async_api import Page

from tests.apps import served_app
from tests.dashboard.browsing import PATIENCE, browsing
from tests.gateway.serving import Broker, broker
from tests.producer.conftest import Link

FOLDER = Path(__file__).parent


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """Serve the pages of this folder; gives their origin."""
    app = web.Application()
    app.router.add_static("/", FOLDER)
    async with served_app(app) as origin:
        yield origin


@asynccontextmanager
async def opened(
    origin: str, name: str, *, width: int = 1024, height: int = 768, **query: str
) -> AsyncIterator[Page]:
    """Open `<name>.html` in a browser of its own, which ends with the block.

    What the page throws fails the test.
    """
    thrown: list[str] = []
    async with browsing() as browser:
        page = await browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: thrown.append(str(error)))
        await page.goto(f"{origin}/{name}.html?{urlencode(query)}")
        yield page
    assert not thrown, thrown


@asynccontextmanager
async def frontend(folder: Path) -> AsyncIterator[tuple[Broker, str]]:
    """A gateway that lets the pages read, and their origin."""
    async with served() as origin, broker(folder, allowed_origins=origin) as b:
        yield b, origin


@asynccontextmanager
async def way_to(b: Broker) -> AsyncIterator[tuple[Link, str]]:
    """A way to the gateway that can be cut, and its URL."""
    way = Link(b.url.removeprefix("http://"))
    async with way.opened() as url:
        yield way, url.replace("nats:", "http:")
