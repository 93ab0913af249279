"""A page in Chromium that watches a run by `EventSource`, and tells what it sees."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.proxy.proxies import tool

PAGE = Path(__file__).with_name("page.html")
PATIENCE = 25.0
"""Seconds for one thing to happen: Chromium starts in two, and comes back after five at most."""


class Page:
    """What the page says, in order."""

    def __init__(self) -> None:
        self.url = ""
        self.said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.heard: list[dict[str, Any]] = []

    async def until(self, event: str, **fields: object) -> dict[str, Any]:
        """Wait until the page says that something happened."""
        async with asyncio.timeout(PATIENCE):
            while True:
                what = await self.said.get()
                self.heard.append(what)
                if event == what["event"] and fields.items() <= what.items():
                    return what

    async def state_at(self, seqs: list[int]) -> Any:
        """Wait until the page has the state after the last of these; gives that."""
        async with asyncio.timeout(PATIENCE):
            while True:
                what = await self.said.get()
                self.heard.append(what)
                if what.get("id", "").endswith(f"-{seqs[-1]}"):
                    return what["state"]

    def count(self, event: str) -> int:
        """How often it happened, as far as that was heard."""
        return sum(event == what["event"] for what in self.heard)


@asynccontextmanager
async def page() -> AsyncIterator[Page]:
    """Serve the page, from an origin of its own."""
    found = Page()

    async def hear(request: web.Request) -> web.Response:
        found.said.put_nowait(await request.json())
        return web.Response()

    async def show(request: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE)

    app = web.Application(client_max_size=2**24)
    app.router.add_get("/", show)
    app.router.add_post("/said", hear)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        found.url = f"http://{host}:{port}"
        yield found
    finally:
        await runner.cleanup()


@asynccontextmanager
async def showing(page: Page, stream: str, folder: Path) -> AsyncIterator[None]:
    """Show the page in a browser of its own, which ends with the block."""
    process = await asyncio.create_subprocess_exec(
        tool("chromium-headless-shell", "chromium"),
        "--headless",
        "--no-sandbox",  # in a container there is no privilege for one; the page is ours
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--remote-debugging-port=0",  # else it would end when the page is loaded
        f"--user-data-dir={folder}",
        f"{page.url}/?stream={stream}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        # The group: what Debian starts under this name may be a script that starts the browser.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
