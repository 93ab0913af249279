"""The workflows interface over real HTTP and WebSockets, as its frontend uses it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import websocket as websocket_client
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.gateway.commanding import given, jobs
from tests.gateway.serving import Broker, broker, gateway
from tests.producer.conftest import Link
from tests.sse import PATIENCE, Answer, ask

Said = dict[str, Any]
Event = dict[str, Any]

PREFIXES = ("/api/v1", "")
STEPS = ("Read", "Score", "Write")


class Client:
    """The `websockets` package as a client. Made by `watching`."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.connection = connection
        self.closed_with = 0

    async def next(self) -> Said | None:
        """The next message; None when the socket is closed."""
        try:
            async with asyncio.timeout(PATIENCE):
                said: Said = json.loads(await self._connection.recv())
                return said
        except ConnectionClosed:
            self.closed_with = self._connection.close_code or 1006
            return None

    async def take(self, count: int) -> list[Said]:
        """So many messages."""
        return [said for said in [await self.next() for _ in range(count)] if said is not None]

    async def rest(self) -> list[Said]:
        """The messages until the socket is closed."""
        found = []
        while (said := await self.next()) is not None:
            found.append(said)
        return found


@asynccontextmanager
async def watching(url: str, run: str, *, prefix: str = "/api/v1") -> AsyncIterator[Client]:
    """Watch an execution."""
    address = f"{url.replace('http', 'ws', 1)}{prefix}/workflows/stream/{run}"
    async with connect(address, proxy=None) as connection:
        yield Client(connection)


async def execute(b: Broker, workflow: str, body: bytes = b"", **how: Any) -> Answer:
    """Ask for an execution."""
    headers = {"Content-Type": "application/json", **how.pop("headers", {})}
    target = f"{how.pop('prefix', '/api/v1')}/workflows/{workflow}/execute"
    return await ask(b.url, target, method="POST", headers=headers, body=body)


def began() -> Event:
    return {
        "type": "run.started",
        "total_steps": 3,
        "metadata": {"deliverable_type": "risk_report"},
    }


def step(number: int, *, fails: bool = False) -> list[Event]:
    """What is stored of a step."""
    named = {"step": f"step-{number}"}
    function = {"function": f"do_{number}"}
    start = {"name": STEPS[number - 1], "index": number - 1, "metadata": function}
    if fails:
        end: Event = {"type": "step.failed", "error": {"message": "no such table"}}
    else:
        end = {"type": "step.completed", "duration": 0.1}
    return [{"type": "step.started", **named, **start}, {**end, **named}]


def ended(*, risk_score: float = 0.4) -> list[Event]:
    """A good end."""
    metadata = {"risk_score": risk_score, "requires_approval": False}
    return [{"type": "run.annotated", "metadata": metadata}, {"type": "run.completed"}]


def kinds(messages: list[Said]) -> list[str]:
    """The types of messages."""
    return [message["type"] for message in messages]


def data_of(messages: list[Said], kind: str) -> list[Said]:
    """The data of the messages of a type."""
    return [message["data"] for message in messages if message["type"] == kind]


def bar(messages: list[Said]) -> list[int]:
    """The percentages that a progress bar shows in turn."""
    return [m["data"]["progress"] for m in messages if "progress" in m["data"]]


WHOLE = ["execution_started", *["step_started", "step_completed"] * 3, "execution_completed"]


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_the_progress_bar_moves_with_every_step(tmp_path: Path, prefix: str) -> None:
    """33, 66, 100: it is told as it happens, and never stays at 0 while steps complete."""
    async with broker(tmp_path) as b:
        await b.publish("r1", began())
        async with watching(b.url, "r1", prefix=prefix) as page:
            messages = await page.take(1)
            for number, percent in ((1, 33), (2, 66), (3, 100)):
                await b.publish("r1", *step(number))
                told = await page.take(2)
                assert [percent] == bar(told)
                assert [number] * 2 == [message["data"]["step_number"] for message in told]
                messages += told
            await b.publish("r1", *ended())
            messages += await page.rest()
            assert 1000 == page.closed_with
        assert WHOLE == kinds(messages)
        assert {"r1"} == {message["execution_id"] for message in messages}
        assert {"risk_score": 0.4, "requires_approval": False, "successful_steps": 3}.items() <= (
            messages[-1]["data"].items()
        )


async def test_who_comes_late_gets_the_messages_so_far(tmp_path: Path) -> None:
    """While it goes on, and after its end."""
    async with broker(tmp_path) as b:
        await b.publish("r1", began(), *step(1), *step(2)[:1])
        async with watching(b.url, "r1") as page:
            messages = await page.take(4)
            assert [33] == bar(messages)
            await b.publish("r1", *step(2)[1:], *step(3), *ended())
            messages += await page.rest()
            assert [33, 66, 100, 100] == bar(messages)
            assert WHOLE == kinds(messages)
        async with watching(b.url, "r1") as page:
            assert WHOLE == kinds(await page.rest())
            assert 1000 == page.closed_with


async def test_who_comes_back_gets_the_messages_so_far(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", began(), *step(1))
        way = Link(b.url.removeprefix("http://"))
        async with way.opened() as opened, watching(opened.replace("nats:", "http:"), "r1") as page:
            await page.take(3)
            way.cut()
            assert [] == await page.rest()
        await b.publish("r1", *step(2))
        async with watching(b.url, "r1") as page:
            assert [33, 66] == bar(await page.take(5))


async def test_a_failed_step_is_told_and_so_is_the_failed_run(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", began(), *step(1, fails=True))
        await b.publish("r1", {"type": "run.failed", "error": {"message": "step 1 failed"}})
        async with watching(b.url, "r1") as page:
            messages = await page.rest()
        assert ["execution_started", "step_started", "step_failed", "execution_failed"] == kinds(
            messages
        )
        assert ("failed", "no such table", 33) == tuple(
            messages[2]["data"][name] for name in ("status", "error_message", "progress")
        )
        assert {"error_message": "step 1 failed", "progress": 0} == messages[3]["data"]
        assert 1000 == page.closed_with


async def test_a_cancelled_run_and_a_lost_one(tmp_path: Path) -> None:
    """The first has an end; the other goes on, as far as its page can see."""
    async with broker(tmp_path) as b:
        await b.publish("r1", began())
        async with watching(b.url, "r1") as page:
            await page.take(1)
            await b.publish("r1", {"type": "run.lost"}, *step(1))
            assert [33] == bar(await page.take(2))
            await given(b, "r1", "cancel", {"by": "ann"})
            await b.publish("r1", {"type": "run.cancelled", "by": "ann"})
            [last] = await page.rest()
        assert ("execution_failed", {"error_message": "cancelled by ann", "progress": 0}) == (
            last["type"],
            last["data"],
        )


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_page_that_comes_before_its_run_waits_for_it(tmp_path: Path, prefix: str) -> None:
    """It gets everything, in order, however far the run is when it is seen."""
    async with (
        broker(tmp_path) as b,
        watching(b.url, "r1", prefix=prefix) as page,
        watching(b.url, "r1") as other,
        watching(b.url, "another") as elsewhere,
    ):
        await b.publish("r1", began(), *step(1))
        for one in (page, other):
            assert ["execution_started", "step_started", "step_completed"] == kinds(
                await one.take(3)
            )
        await b.publish("r1", *step(2))
        assert [66] == bar(await page.take(2))
        await b.publish("another", began())
        assert ["execution_started"] == kinds(await elsewhere.take(1))


async def test_a_run_that_never_comes_is_told_so(tmp_path: Path) -> None:
    async with broker(tmp_path, idle_timeout=0.5) as b, watching(b.url, "typo") as page:
        [message] = await page.rest()
        assert ("error", {"error_message": "no events are stored for run 'typo'"}) == (
            message["type"],
            message["data"],
        )
        assert 4404 == page.closed_with


async def test_a_stopping_gateway_sends_those_away_that_wait(tmp_path: Path) -> None:
    """Not as if their run were unknown: another gateway goes on waiting."""
    async with broker(tmp_path) as b, gateway(b.nats.url) as other, watching(other.url, "r1") as p:
        await other.drain.run(0.1)
        assert [] == await p.rest()
        assert 1001 == p.closed_with


async def test_a_page_says_nothing_on_this_socket(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", began())
        async with watching(b.url, "r1") as page:
            await page.take(1)
            for _ in range(10):
                await page.connection.send("hello?")
            messages = await page.rest()
        assert ["error"] * 10 == kinds(messages)
        assert "takes no messages" in messages[0]["data"]["error_message"]
        assert 4400 == page.closed_with


async def test_scripts_hear_what_pages_hear(tmp_path: Path) -> None:
    """By `websocket-client`, and many at once."""
    async with broker(tmp_path) as b:
        await b.publish("r1", began(), *step(1), *step(2), *step(3), *ended())
        address = b.url.replace("http", "ws", 1) + "/api/v1/workflows/stream/r1"

        def watch() -> list[Said]:
            connection = websocket_client.create_connection(address, timeout=PATIENCE)
            messages = []
            while text := connection.recv():
                messages.append(json.loads(text))
            connection.shutdown()  # type: ignore[no-untyped-call]
            return messages

        both = await asyncio.gather(asyncio.to_thread(watch), asyncio.to_thread(watch))
        assert [WHOLE, WHOLE] == [kinds(messages) for messages in both]


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_executing_a_workflow_queues_a_run_with_its_inputs(
    tmp_path: Path, prefix: str
) -> None:
    async with broker(tmp_path) as b:
        inputs = {"table": "a,b", "limit": None}
        answer = await execute(b, "invoice-check", json.dumps(inputs).encode(), prefix=prefix)
        body = answer.json()
        run = body["execution_id"]
        assert (200, {"execution_id": run, "workflow_id": "invoice-check", "status": "queued"}) == (
            answer.status,
            body,
        )
        [job] = await jobs(b, "invoice-check")
        assert (run, "invoice-check", inputs) == (job["run"], job["pipeline"], job["inputs"])
        state = await b.snapshot(run)
        assert ("queued", "invoice-check") == (state["status"], state["pipeline"])
        async with watching(b.url, run) as page:
            await b.publish(run, began())
            assert ["execution_started"] == kinds(await page.take(1))


async def test_no_inputs_are_needed_and_the_same_key_executes_once(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        key = {"Idempotency-Key": "k1"}
        answers = [await execute(b, "import", headers=key) for _ in range(2)]
        assert 1 == len({answer.json()["execution_id"] for answer in answers})
        assert [{}] == [job["inputs"] for job in await jobs(b)]
        other = await execute(b, "import")
        assert other.json()["execution_id"] != answers[0].json()["execution_id"]


@pytest.mark.parametrize(
    ("body", "type", "status", "detail"),
    [
        (b"[]", "application/json", 422, "one JSON object, the inputs of the workflow"),
        (b"{", "application/json", 422, "the body: Input data was truncated"),
        (b'{"a":"\xff"}', "application/json", 422, "the body"),
        (b'{"a":' + b"[" * 600 + b"]" * 600 + b"}", "application/json", 422, "nested too deeply"),
        (b'{"a":"' + b"x" * 270_000 + b'"}', "application/json", 413, "262144 bytes"),
        (b"a=1", "application/x-www-form-urlencoded", 415, "Content-Type: application/json"),
    ],
    ids=["array", "cut off", "not UTF-8", "deep", "large", "form"],
)
async def test_bad_inputs_are_refused_and_nothing_is_stored(
    tmp_path: Path, body: bytes, type: str, status: int, detail: str
) -> None:
    async with broker(tmp_path) as b:
        answer = await execute(b, "import", body, headers={"Content-Type": type})
        assert status == answer.status, answer.body
        assert detail in answer.json()["detail"]
        assert ({}, []) == (await b.nats.subjects(), await jobs(b))


async def test_the_routes_do_not_stand_in_each_others_way(tmp_path: Path) -> None:
    """A workflow named `stream`, an execution named `execute`, and a stream without an upgrade."""
    async with broker(tmp_path) as b:
        assert 200 == (await execute(b, "stream")).status
        await b.publish("execute", began())
        async with watching(b.url, "execute") as page:
            assert ["execution_started"] == kinds(await page.take(1))
        assert 405 == (await b.get("/api/v1/workflows/import/execute")).status
        assert 426 == (await b.get("/api/v1/workflows/stream/r1")).status
        too_long = await execute(b, "x" * 257)
        assert (422, "the pipeline id is longer than 256 bytes once encoded") == (
            too_long.status,
            too_long.json()["detail"],
        )


async def test_what_an_orchestrator_posts_its_frontend_hears(tmp_path: Path) -> None:
    """The messages of the document's system, unchanged on both sides."""
    named = [{"step_number": number, "step_name": name} for number, name in enumerate(STEPS, 1)]
    posted: list[tuple[str, Said]] = [
        ("execution_started", {"deliverable_type": "risk_report", "total_steps": 3})
    ]
    for step_of, percent in zip(named, (33, 66, 100), strict=True):
        posted.append(("step_started", {**step_of, "function": "do_it"}))
        took = {"status": "completed", "execution_time_ms": 100, "error_message": None}
        posted.append(("step_completed", {**step_of, **took, "progress": percent}))
    metadata = {"risk_score": 0.4, "requires_approval": False}
    counted = {"total_steps": 3, "successful_steps": 3, "progress": 100}
    posted.append(("execution_completed", {"status": "completed", **metadata, **counted}))
    async with broker(tmp_path) as b, watching(b.url, "x-1") as page:
        heard = []
        for kind, data in posted:
            message = {"type": kind, "execution_id": "x-1", "data": data}
            answer = await b.post("/v1/events?dialect=workflows", message)
            assert 202 == answer.status, answer.body
            heard += await page.take(1)
        assert isinstance(heard[0]["data"].pop("started_at"), str)
        assert posted == [(said["type"], said["data"]) for said in heard]
        beyond = {"type": "step_started", "execution_id": "x-1", "data": {"step_number": 4}}
        answer = await b.post("/v1/events?dialect=workflows", beyond)
        assert 422 == answer.status
        assert (
            "data.step_number: 4 is beyond the total_steps" in answer.json()["errors"][0]["detail"]
        )


async def test_the_health_that_the_document_asks_for(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        answer = await b.get("/health")
        assert (200, {"status": "alive"}) == (answer.status, answer.json())


async def test_limits_are_those_of_the_api(tmp_path: Path) -> None:
    limits = {"open_rate": 0.001, "open_burst": 1, "ingest_rate": 1}
    async with broker(tmp_path, **limits) as b:
        async with watching(b.url, "r1"):
            with pytest.raises(Exception, match="429"):
                async with watching(b.url, "r1"):
                    pass
        assert 200 == (await execute(b, "import")).status
        answer = await execute(b, "import")
        assert (429, "ingest_rate") == (answer.status, answer.json()["limit"])
