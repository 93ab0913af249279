"""The usual way with aiohttp: a queue per client, and `await response.write()` for each event.

Events come by POST. They are framed once and not looked at: no fold, no state, no resume, no
limits, so it does less than the broker. `python -m bench.baselines.aiohttp_queue PORT`.
"""

import asyncio
import sys

import uvloop
from aiohttp import web

HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}


class Channel:
    """One run and the queues of those who watch it."""

    def __init__(self) -> None:
        self.queues: set[asyncio.Queue[bytes]] = set()
        self.number = 0

    async def publish(self, request: web.Request) -> web.Response:
        """Take an event."""
        self.number += 1
        frame = b"id: %d\nevent: run.progress\ndata: %b\n\n" % (self.number, await request.read())
        for queue in self.queues:
            queue.put_nowait(frame)
        return web.Response(status=204)

    async def subscribe(self, request: web.Request) -> web.StreamResponse:
        """Send every event from now on."""
        response = web.StreamResponse(headers=HEADERS)
        await response.prepare(request)
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.queues.add(queue)
        try:
            while True:
                await response.write(await queue.get())
        finally:
            self.queues.remove(queue)


async def serve(port: int) -> None:
    """Serve until killed."""
    channel = Channel()
    app = web.Application()
    app.router.add_post("/events", channel.publish)
    app.router.add_get("/events", channel.subscribe)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    print(f"at http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
