"""Watching every job on one socket, as a page does that keeps what it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.sse import PATIENCE

Said = dict[str, Any]


class Watcher:
    """The page: its jobs, the stages of its subjects, and the lines of its logs."""

    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws
        self.told: list[Said] = []
        self.jobs: dict[str, Said] = {}
        self.stages: dict[str, dict[str, str]] = {}
        self.lines: dict[str, list[str]] = {}

    async def next(self) -> Said:
        """Take the next message."""
        async with asyncio.timeout(PATIENCE):
            said: Said = json.loads(await self.ws.recv())
        self.told.append(said)
        payload = said.get("payload", said)
        if said["type"] in ("job_status", "job_progress"):
            self.jobs[payload["id"]] = payload
        elif said["type"] == "subject_stage_status":
            self.stages.setdefault(payload["subjectId"], {})[payload["stageId"]] = payload["status"]
        elif said["type"] == "job_log":
            self.lines.setdefault(payload["jobId"], []).append(payload["message"])
        return said

    async def until(self, seen: Callable[[Self], object]) -> None:
        """Take messages until the page shows something."""
        while not seen(self):
            await self.next()

    async def until_status(self, job: str, status: str, attempt: int = 1) -> None:
        await self.until(lambda page: (status, attempt) == page.status(job))

    def status(self, job: str) -> tuple[str, int] | None:
        found = self.jobs.get(job)
        return None if found is None else (found["status"], found["attempt"])

    def statuses(self, job: str) -> list[str]:
        """The statuses that the job was told to have, in order."""
        return [
            said["payload"]["status"]
            for said in self.told
            if said["type"] == "job_status" and said["payload"]["id"] == job
        ]

    async def pong(self) -> None:
        """Ask for a pong, and take what comes before it: everything that was written till then."""
        await self.ws.send('{"type":"ping"}')
        while {"type": "pong"} != await self.next():
            pass

    async def closed(self) -> int | None:
        """What the socket is closed with, whatever comes before."""
        try:
            while True:
                await self.next()
        except ConnectionClosed:
            return self.ws.close_code


@asynccontextmanager
async def watching(url: str, path: str = "/ws", **query: Any) -> AsyncIterator[Watcher]:
    """Open the socket of all jobs."""
    address = url.replace("http", "ws", 1) + path + (f"?{urlencode(query)}" if query else "")
    async with connect(address, proxy=None) as ws:
        yield Watcher(ws)
