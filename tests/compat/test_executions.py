"""Executions over HTTP and WebSocket, as their clients use them, against a real gateway."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.faults import link
from tests.gateway.runs import completed, started, step_completed, step_progress, step_started
from tests.gateway.serving import broker
from tests.sse import PATIENCE

PREFIXES = ("/api/v1", "")

FAILED = {"type": "run.failed", "error": {"type": "ValueError", "message": "Invalid input"}}
CANCELLED = {"type": "run.cancelled", "reason": "wrong month"}
LOST = {"type": "run.lost", "threshold": 30.0}

Said = dict[str, Any]


class Watcher:
    """A client of one execution's socket."""

    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws

    async def next(self) -> Said:
        async with asyncio.timeout(PATIENCE):
            said: Said = json.loads(await self.ws.recv())
        return said

    async def until(self, kind: str) -> list[Said]:
        """The messages up to the first of a type, that one included."""
        found = [await self.next()]
        while found[-1]["type"] != kind:
            found.append(await self.next())
        return found

    async def closed(self) -> int | None:
        """What the socket is closed with; nothing may come before that."""
        with pytest.raises(ConnectionClosed):
            await self.next()
        return self.ws.close_code


@asynccontextmanager
async def watching(url: str, run: str, prefix: str = "/api/v1") -> AsyncIterator[Watcher]:
    address = f"{url.replace('http', 'ws', 1)}{prefix}/executions/{run}/progress/ws"
    async with connect(address, proxy=None) as ws:
        yield Watcher(ws)


def kinds(messages: list[Said]) -> list[str]:
    return [message["type"] for message in messages]


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_run_by_every_route(tmp_path: Path, prefix: str) -> None:
    """The socket tells it from the start to the end, and the documents say the same."""
    async with broker(tmp_path) as b:
        await b.publish("exec_1", {"type": "run.queued", "pipeline": "import"})
        target = f"{prefix}/executions/exec_1"
        assert 204 == (await b.get(target + "/progress")).status
        document = (await b.get(target)).json()
        assert ("pending", "pipeline", "import") == tuple(
            document[name] for name in ("status", "type", "target_id")
        )
        assert not {"progress", "started_at", "ended_at", "outputs", "error"} & set(document)
        async with watching(b.url, "exec_1", prefix) as client:
            first = await client.next()
            assert ("status", "pending", False) == (
                first["type"],
                first["status"],
                "progress" in first,
            )
            await b.publish("exec_1", started(), step_started("fetch"))
            begun = [await client.next() for _ in range(3)]
            assert ["started", "progress", "progress"] == kinds(begun)
            answer = await b.get(target + "/progress")
            assert (200, begun[-1]["progress"]) == (answer.status, answer.json())
            assert "application/json" == answer.headers["content-type"]
            await b.publish("exec_1", step_completed("fetch"))
            told = (await client.next())["progress"]
            assert {"current_step": 1, "total_steps": 3, "percentage": 33.3333} == told
            await b.publish("exec_1", {"type": "run.completed", "outputs": {"rows": 3}})
            end = (await client.until("completed"))[-1]
            assert {"rows": 3} == end["outputs"]
            assert 1000 == await client.closed()
        document = (await b.get(target)).json()
        assert ("completed", {"rows": 3}) == (document["status"], document["outputs"])
        assert end["timestamp"] == document["ended_at"]
        assert 100.0 == document["progress"]["percentage"]
        answer = await b.get(target + "/progress")
        assert (200, document["progress"]) == (answer.status, answer.json())


@pytest.mark.parametrize(
    ("end", "word"), [(completed(), "completed"), (FAILED, "failed"), (CANCELLED, "cancelled")]
)
async def test_who_comes_after_the_end(tmp_path: Path, end: Said, word: str) -> None:
    """Gets the status, then how it ended, and the socket is closed."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), step_completed("fetch"), end)
        async with watching(b.url, "r1") as client:
            first, last = await client.next(), await client.next()
            assert 1000 == await client.closed()
        assert ("status", word, word) == (first["type"], first["status"], last["type"])
        assert 1 == first["progress"]["current_step"]
        document = (await b.get("/api/v1/executions/r1")).json()
        assert word == document["status"]
        assert last.get("error") == document.get("error")


async def test_who_comes_late_joins_where_the_run_is(tmp_path: Path) -> None:
    """From then on both get the same, made once."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), step_started("fetch"))
        async with watching(b.url, "r1") as early:
            await early.next()
            await b.publish("r1", step_progress("fetch", 5))
            before = await early.next()
            async with watching(b.url, "r1", prefix="") as late:
                first = await late.next()
                assert ("status", before["progress"]) == (first["type"], first["progress"])
                await b.publish("r1", step_completed("fetch"), FAILED)
                rest = await early.until("failed")
                assert ["progress", "failed"] == kinds(rest)
                assert rest == await late.until("failed")
                assert 1000 == await late.closed() == await early.closed()


async def test_who_comes_back_gets_what_stands_for_what_it_missed(tmp_path: Path) -> None:
    async with broker(tmp_path) as b, link(b.url) as way:
        url = way.url
        await b.publish("r1", started(), step_completed("fetch"))
        async with watching(url, "r1") as client:
            assert 1 == (await client.next())["progress"]["current_step"]
            way.cut()
            assert 1006 == await client.closed()
        await b.publish("r1", step_completed("clean"))
        async with watching(url, "r1") as client:
            assert 2 == (await client.next())["progress"]["current_step"]
            await b.publish("r1", completed())
            await client.until("completed")


async def test_a_lost_run_goes_on(tmp_path: Path) -> None:
    """It shows as running, and the socket stays open; the document says beside what it is."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), LOST)
        async with watching(b.url, "r1") as client:
            first = await client.next()
            assert ("running", "lost") == (first["status"], first["x_state"]["status"])
            document = (await b.get("/executions/r1")).json()
            assert ("running", "lost") == (document["status"], document["x_state"]["status"])
            await b.publish("r1", step_completed("fetch"), CANCELLED)
            assert ["progress", "cancelled"] == kinds(await client.until("cancelled"))


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_an_unknown_execution(tmp_path: Path, prefix: str) -> None:
    """The documents are 404; the socket is accepted, told, and closed."""
    async with broker(tmp_path) as b:
        for rest in ("", "/progress"):
            answer = await b.get(f"{prefix}/executions/nobody{rest}")
            assert 404 == answer.status
            assert "application/problem+json" == answer.headers["content-type"]
            assert "nobody" in answer.json()["detail"]
        async with watching(b.url, "nobody", prefix) as client:
            told = await client.next()
            assert ("error", "Execution not found") == (told["type"], told["message"])
            assert {"type", "message", "timestamp"} == set(told)
            assert datetime.fromisoformat(told["timestamp"]).tzinfo is not None
            assert 4404 == await client.closed()


async def test_an_id_that_cannot_be(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        assert 422 == (await b.get("/api/v1/executions/" + "x" * 300)).status


async def test_what_a_client_says_is_an_error_and_no_more(tmp_path: Path) -> None:
    """Until it has said too much."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        async with watching(b.url, "r1") as client:
            await client.next()
            await client.ws.send("ping")
            told = await client.next()
            assert ("error", True) == (told["type"], "takes no messages" in told["message"])
            await b.publish("r1", step_completed("fetch"))
            assert "progress" == (await client.next())["type"]
            for _ in range(9):
                await client.ws.send("{}")
                await client.next()
            assert 4400 == await client.closed()


@pytest.mark.parametrize(
    ("said", "is_text", "code"),
    [(b"{}", False, 1003), (b"\xff", True, 1007), (b"x" * 20_000, True, 1009)],
    ids=["binary", "not UTF-8", "too large"],
)
async def test_what_is_no_message_closes_the_socket(
    tmp_path: Path, said: bytes, is_text: bool, code: int
) -> None:
    """Of the one who sent it alone."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        async with watching(b.url, "r1") as other, watching(b.url, "r1") as client:
            await client.next()
            await client.ws.send(said, text=is_text)
            assert code == await client.closed()
            await b.publish("r1", completed())
            assert "completed" == (await other.until("completed"))[-1]["type"]


async def test_a_poll_that_has_the_answer_gets_304(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        answer = await b.get("/executions/r1/progress")
        tag = {"If-None-Match": answer.headers["etag"]}
        assert 304 == (await b.get("/executions/r1/progress", headers=tag)).status
        await b.publish("r1", step_completed("fetch"))
        await b.snapshot("r1")  # it has arrived
        again = await b.get("/executions/r1/progress", headers=tag)
        assert (200, 1) == (again.status, again.json()["current_step"])


async def test_who_polls_too_often_is_told_which_limit_that_is(tmp_path: Path) -> None:
    """Ten at once, and four a poll: as many as the existing clients ask for."""
    async with broker(tmp_path, poll_rate=0.001, poll_burst=1) as b:
        await b.publish("r1", started())
        found = [(await b.get("/executions/r1")).status for _ in range(4)]
        answer = await b.get("/executions/r1/progress")
        assert ([200] * 4, 429) == (found, answer.status)
        assert "poll_rate" == answer.json()["limit"]
        assert int(answer.headers["retry-after"]) >= 1


async def test_sockets_count_as_streams(tmp_path: Path) -> None:
    async with broker(tmp_path, streams_per_client=1) as b:
        await b.publish("r1", started())
        async with watching(b.url, "r1") as client:
            await client.next()
            target = "/executions/r1/progress/ws"
            answer = await b.get(
                target,
                headers={
                    "Connection": "Upgrade",
                    "Upgrade": "websocket",
                    "Sec-WebSocket-Version": "13",
                    "Sec-WebSocket-Key": "YmVuY2ggYmVuY2ggYmVuYw==",
                },
            )
            assert (429, "streams_per_client") == (answer.status, answer.json()["limit"])


async def test_a_gateway_that_stops_lets_its_sockets_go(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        async with watching(b.url, "r1") as client:
            await client.next()
            async with asyncio.timeout(PATIENCE):
                await b.gateway.drain.run(0.1)
            assert 1001 == await client.closed()


async def test_both_ends_of_an_existing_system(tmp_path: Path) -> None:
    """What its producer says is what its client is told."""
    shown = {"current_step": 3, "total_steps": 5, "percentage": 60.0, "current_step_name": "sums"}

    def said(kind: str, status: str, second: int, **more: Any) -> Said:
        timestamp = f"2026-01-01T00:00:{second:02}.000Z"
        head = {"type": kind, "execution_id": "exec_1", "status": status}
        return {**head, **more, "timestamp": timestamp}

    messages = [
        said("started", "running", 1),
        said("progress", "running", 2, progress=shown),
        said("failed", "failed", 3, error={"type": "ValueError", "message": "no", "details": [1]}),
    ]
    async with broker(tmp_path) as b:
        post = "/v1/events?dialect=executions"
        assert 202 == (await b.post(post, said("status", "pending", 0))).status
        async with watching(b.url, "exec_1") as client:
            assert "pending" == (await client.next())["status"]
            for message in messages:
                assert 202 == (await b.post(post, message)).status
                assert message == await client.next()
            assert 1000 == await client.closed()
        beyond = said("progress", "running", 4, progress={**shown, "current_step": 6})
        answer = await b.post(post, beyond)
        assert 422 == answer.status
        assert "progress.current_step" in answer.json()["errors"][0]["detail"]
