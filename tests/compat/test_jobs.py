"""The job monitor over HTTP and WebSocket, as its pages use it, against a real gateway."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from broker.gateway.compat import monitor, monitors
from broker.gateway.compat.monitor import JOBS_MAX
from broker.model.subjects import RunKey
from broker.producer import Run, Worker
from broker.stream.publish import Message, publish_all
from broker.stream.topology import PROGRESS, StreamSettings, api, ensure
from broker.views.jobs import JobsStory
from tests.compat.monitoring import Watcher, watching
from tests.faults import until
from tests.gateway.lines import batch, store
from tests.gateway.runs import completed, started, step_completed, step_progress, step_started
from tests.gateway.serving import Broker, broker, gateway
from tests.gateway.test_websocket_hostile import UPGRADE, Raw
from tests.sse import Answer, Wire
from tests.stream.serving import key_of, nats, payload_of
from tests.unit.protocol.test_websocket import TEXT

PREFIXES = ("/api", "")
FAILED = {"type": "run.failed", "error": {"type": "ValueError", "message": "no space left"}}

Event = dict[str, Any]


def begun(subject: str = "s-1", project: str = "p-1") -> Event:
    return started() | {"labels": {"subject": subject, "project": project}, "name": "Import"}


def queued(**more: Any) -> Event:
    return {"type": "run.queued", "pipeline": "import", **more}


async def jobs(b: Broker, query: str = "") -> list[Event]:
    """The list."""
    answer = await b.get(f"/api/jobs{query}")
    assert 200 == answer.status, answer.body
    found: list[Event] = answer.json()
    return found


async def listed(b: Broker, *wanted: tuple[str, str]) -> None:
    """Wait until the list shows jobs with their statuses, and so the index has them."""

    async def there() -> bool:
        return set(wanted) <= {(job["id"], job["status"]) for job in await jobs(b)}

    await until(there)


async def command(b: Broker, job: str, name: str, prefix: str = "/api", **how: Any) -> Answer:
    return await b.post(f"{prefix}/jobs/{job}/{name}", how.pop("body", {}), **how)


@asynccontextmanager
async def working(b: Broker, worker: Worker) -> AsyncIterator[None]:
    """Let a worker work as long as the block."""
    task = asyncio.ensure_future(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await task


# One job.


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_job_by_every_route(tmp_path: Path, prefix: str) -> None:
    """One that waits for a worker is shown as queued; what it does then, as it does it."""
    async with broker(tmp_path) as b, watching(b.url, prefix + "/ws") as page:
        body = {"run": "r1", "labels": {"subject": "s-7"}, "name": "Scan"}
        assert 202 == (await b.post("/v1/pipelines/import/runs", body)).status
        await page.until_status("r1", "queued")
        await b.publish("r1", started(), step_started("fetch"), step_progress("fetch", 5))
        await page.until(lambda page: page.jobs["r1"]["progress"] == 16)
        await b.publish("r1", step_completed("fetch"), completed())
        await page.until_status("r1", "completed")
        assert ["queued", "running", "completed"] == page.statuses("r1")
        assert {"s-7": {"fetch": "done"}} == page.stages
        job = (await b.get(f"{prefix}/jobs/r1")).json()
        assert "r1" == job.pop("x_state")["run"]
        assert job == page.jobs["r1"]
        await listed(b, ("r1", "completed"))
        assert [job] == (await b.get(f"{prefix}/jobs")).json()


async def test_the_end_of_a_job_leaves_the_socket_open(tmp_path: Path) -> None:
    async with broker(tmp_path) as b, watching(b.url) as page:
        for job in ("r1", "r2"):
            await b.publish(job, begun())
            await page.until_status(job, "running")
            await b.publish(job, completed())
            await page.until_status(job, "completed")


async def test_a_job_that_begins_and_ends_at_once_is_shown_with_its_end(tmp_path: Path) -> None:
    """The index hears of it when it is over."""
    async with broker(tmp_path) as b, watching(b.url) as page:
        await b.publish("r1", begun(), step_completed("fetch"), FAILED)
        await store(b.nats, "r1", batch("all there is"))
        await page.until(lambda page: "r1" in page.jobs and "r1" in page.lines)
        await page.until_status("r1", "failed")
        assert "no space left" == page.jobs["r1"]["error"]
        await page.until(lambda page: page.stages == {"s-1": {"fetch": "done"}})
        assert ["all there is"] == page.lines["r1"]


async def test_who_comes_late_gets_what_is_active_and_the_last_lines(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", begun(), step_completed("fetch"), step_started("clean"))
        await store(b.nats, "r1", batch(*[f"line {n}" for n in range(150)]))
        await b.publish("r2", begun("s-2"), completed())
        await listed(b, ("r1", "running"), ("r2", "completed"))
        async with watching(b.url) as page:
            await page.until(lambda page: len(page.lines.get("r1", ())) == 100)
            await page.until_status("r1", "running")
            await page.pong()
            assert {"s-1": {"fetch": "done", "clean": "running"}} == page.stages
            assert [f"line {n}" for n in range(50, 150)] == page.lines["r1"]
            assert ["r1", "r2"] == sorted(page.jobs)
            await store(b.nats, "r1", batch({"text": "more", "level": "warning"}))
            line: Event = {}
            while line.get("type") != "job_log":
                line = await page.next()
            assert ("r1", "WARNING", "more") == tuple(
                line["payload"][name] for name in ("jobId", "level", "message")
            )
        async with watching(b.url, tail=2) as page:
            await page.until(lambda page: len(page.lines.get("r1", ())) == 2)
            assert ["line 149", "more"] == page.lines["r1"]


async def test_what_ended_long_ago_is_for_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ended just now is shown to who comes: they may have been cut off for a moment."""
    async with broker(tmp_path) as b:
        await b.publish("r1", begun(), FAILED)
        await listed(b, ("r1", "failed"))
        async with watching(b.url) as page:
            await page.until_status("r1", "failed")
        monkeypatch.setattr(monitors, "RECENT", 0.0)
        async with watching(b.url) as page:
            await page.pong()
            await b.publish("r2", begun())
            await page.until_status("r2", "running")
            assert ["r2"] == list(page.jobs)


async def test_a_lost_job_and_a_paused_one_are_running(tmp_path: Path) -> None:
    async with broker(tmp_path) as b, watching(b.url) as page:
        await b.publish("r1", begun(), {"type": "run.paused"})
        await page.until(lambda page: page.jobs.get("r1", {}).get("x_status") == "paused")
        await b.publish("r1", {"type": "run.resumed"}, {"type": "run.lost"})
        await page.until(lambda page: page.jobs["r1"].get("x_status") == "lost")
        await listed(b, ("r1", "running"))
        await b.publish("r1", step_started("fetch"), completed())
        await page.until_status("r1", "completed")
        assert {"running", "completed"} == set(page.statuses("r1"))


async def test_an_unknown_job(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        for prefix in PREFIXES:
            assert 404 == (await b.get(f"{prefix}/jobs/r9")).status
            for name in ("cancel", "retry"):
                answer = await command(b, "r9", name, prefix)
                assert (404, "application/problem+json") == (
                    answer.status,
                    answer.headers["content-type"],
                )
                assert "r9" in answer.json()["detail"]


# Commands, with real work.


def importing(b: Broker) -> tuple[Worker, asyncio.Event]:
    """A worker whose jobs wait to be let go, and what lets them."""
    worker, go_on = Worker(b.nats.url, name="w1"), asyncio.Event()

    @worker.pipeline("import", plan=["fetch", "fit"])
    async def load(run: Run, inputs: dict[str, Any]) -> None:
        async with run.step("fetch"):
            run.log(f"attempt for {inputs['subject']}", level="progress")
            await go_on.wait()
        async with run.step("fit"):
            if inputs.get("fails"):
                raise ValueError("it does not fit")

    return worker, go_on


async def start(b: Broker, job: str, **inputs: Any) -> None:
    body = {"run": job, "inputs": {"subject": "s-1", **inputs}, "labels": {"subject": "s-1"}}
    assert 202 == (await b.post("/v1/pipelines/import/runs", body)).status


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_running_job_is_cancelled_and_retried(tmp_path: Path, prefix: str) -> None:
    """Its next attempt is told on the same socket, and its lines go on where they were."""
    async with broker(tmp_path) as b, watching(b.url) as page:
        worker, go_on = importing(b)
        async with working(b, worker):
            await start(b, "r1")
            await page.until(lambda page: page.stages.get("s-1", {}).get("fetch") == "running")
            await page.until(lambda page: "r1" in page.lines)
            answer = await command(b, "r1", "cancel", prefix, body={"by": "ann", "more": 1})
            assert (202, "r1") == (answer.status, answer.json()["id"])
            await page.until_status("r1", "cancelled")
            await page.until(lambda page: page.stages["s-1"]["fetch"] == "not_run")
            await listed(b, ("r1", "cancelled"))
            again = await command(b, "r1", "cancel", prefix)
            assert (409, "command-refused") == (again.status, again.json()["type"].split(":")[-1])
            answer = await command(b, "r1", "retry", prefix)
            assert (202, 2) == (answer.status, answer.json()["attempt"])
            await page.until_status("r1", "running", attempt=2)
            go_on.set()
            await page.until_status("r1", "completed", attempt=2)
            await page.until(lambda page: len(page.lines["r1"]) == 2)
            assert {"fetch": "done", "fit": "done"} == page.stages["s-1"]
            assert ["attempt for s-1"] * 2 == page.lines["r1"]


async def test_a_failed_job_is_retried(tmp_path: Path) -> None:
    async with broker(tmp_path) as b, watching(b.url) as page:
        worker, go_on = importing(b)
        go_on.set()
        async with working(b, worker):
            await start(b, "r1", fails=True)
            await page.until_status("r1", "failed")
            assert ("it does not fit", 50) == (
                page.jobs["r1"]["error"],
                page.jobs["r1"]["progress"],
            )
            await page.until(
                lambda page: page.stages == {"s-1": {"fetch": "done", "fit": "failed"}}
            )
            assert 202 == (await command(b, "r1", "retry")).status
            await page.until_status("r1", "failed", attempt=2)
            assert "completed" not in page.statuses("r1")


async def test_a_queued_job_is_cancelled_at_once(tmp_path: Path) -> None:
    """Nobody has it, so that the gateway does it; the same key repeats nothing."""
    async with broker(tmp_path) as b, watching(b.url) as page:
        await start(b, "r1")
        await page.until_status("r1", "queued")
        for _ in range(2):
            answer = await command(b, "r1", "cancel", headers={"Idempotency-Key": "k"})
            assert (202, "cancelled") == (answer.status, answer.json()["status"])
        await page.until_status("r1", "cancelled")
        types = [record.payload.split(b'"')[3] for record in await b.nats.records("r1")]
        assert 1 == types.count(b"command.cancel")


async def test_a_job_that_nobody_can_run_again_is_not_retried(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", {"type": "run.started"}, FAILED)
        answer = await command(b, "r1", "retry")
        assert 409 == answer.status
        assert "no pipeline" in answer.json()["detail"]


async def test_lines_are_not_told_twice_after_a_retry(tmp_path: Path) -> None:
    """Also where the log of the first attempt was over before the second began."""
    async with broker(tmp_path) as b, watching(b.url) as page:
        await store(b.nats, "r1", batch("one", attempt=1))
        await b.publish("r1", begun(), FAILED)
        await page.until(lambda page: "r1" in page.lines)
        await page.until_status("r1", "failed")
        for count in (1, 0):

            async def watched(count: int = count) -> bool:
                return await b.metric("log_clients") == count

            await until(watched)
        await b.publish("r1", queued(attempt=2), {"type": "run.started", "attempt": 2})
        await page.until_status("r1", "running", attempt=2)
        await store(b.nats, "r1", batch("two", attempt=2))
        await page.until(lambda page: len(page.lines["r1"]) == 2)
        assert ["one", "two"] == page.lines["r1"]


# The list.


async def test_the_list_has_the_active_jobs_first_of_all(tmp_path: Path) -> None:
    """However long they wait, and however many have ended since; shown newest first."""
    async with broker(tmp_path) as b:
        for n in range(3):
            await b.publish(f"old{n}", begun(), completed())
        await b.publish("r1", queued(time="2026-01-01T00:00:00Z"))
        await b.publish("r2", queued(time="2026-01-02T00:00:00Z"))
        await listed(
            b, ("r1", "queued"), ("r2", "queued"), *[(f"old{n}", "completed") for n in range(3)]
        )
        assert ["r2", "r1"] == [job["id"] for job in await jobs(b, "?limit=2")]
        found = [job["id"] for job in await jobs(b)]
        assert {"old0", "old1", "old2"} == set(found[:3])
        assert ["r2", "r1"] == found[3:]
        ended = await jobs(b, "?limit=3")
        assert ["r2", "r1"] == [job["id"] for job in ended][1:]


async def test_the_list_is_not_behind_the_socket(tmp_path: Path) -> None:
    """A page that asks beside its socket is not thrown back."""
    async with broker(tmp_path) as b, watching(b.url) as page:
        await b.publish("r1", begun())
        await page.until_status("r1", "running")
        for n in range(1, 20):
            await b.publish("r1", step_progress("fetch", n, 20))
            percent = n * 100 // 60
            while page.jobs["r1"]["progress"] < percent:
                await page.next()
            assert page.jobs["r1"] == (await jobs(b))[0]
        await b.publish("r1", FAILED)
        await page.until_status("r1", "failed")
        assert page.jobs["r1"] == (await jobs(b))[0]
        assert [] == await jobs(b, "?status=running")


async def test_the_list_is_filtered(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", begun("s-1", "p-1"))
        await b.publish("r2", begun("s-2", "p-1"), FAILED)
        await b.publish("r3", begun("s-1", "p-2"), completed())
        await b.publish("r4", begun("s-1", "p-2"), {"type": "run.lost"})
        await listed(b, ("r1", "running"), ("r2", "failed"), ("r3", "completed"), ("r4", "running"))
        for query, wanted in [
            ("?status=running", {"r1", "r4"}),
            ("?status=failed,completed", {"r2", "r3"}),
            ("?status=failed&status=running", {"r1", "r2", "r4"}),
            ("?projectId=p-1", {"r1", "r2"}),
            ("?subjectId=s-1&status=completed", {"r3"}),
            ("?projectId=none", set()),
            ("?_=1700000000000", {"r1", "r2", "r3", "r4"}),
        ]:
            assert wanted == {job["id"] for job in await jobs(b, query)}, query
        r4 = next(job for job in await jobs(b, "?subjectId=s-1") if job["id"] == "r4")
        assert ("s-1", "p-2", "lost") == (r4["subjectId"], r4["projectId"], r4["x_status"])


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("status=done", "status"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=many", "limit"),
        ("limit=-1", "limit"),
    ],
)
async def test_a_list_that_cannot_be(tmp_path: Path, query: str, parameter: str) -> None:
    async with broker(tmp_path) as b:
        answer = await b.get(f"/api/jobs?{query}")
        assert (422, parameter) == (answer.status, answer.json()["parameter"])


async def test_a_list_that_has_not_changed_is_not_sent_again(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", begun())
        await listed(b, ("r1", "running"))
        first = await b.get("/api/jobs")
        again = await b.get("/api/jobs", headers={"If-None-Match": first.headers["etag"]})
        assert (304, b"") == (again.status, again.body)
        await b.publish("r1", completed())
        await listed(b, ("r1", "completed"))
        later = await b.get("/api/jobs", headers={"If-None-Match": first.headers["etag"]})
        assert 200 == later.status


async def test_polls_have_their_limit(tmp_path: Path) -> None:
    """A page may ask every other second, several pages from one address too."""
    async with broker(tmp_path, poll_rate=1, poll_burst=5) as b:
        answers = [(await b.get("/api/jobs")).status for _ in range(30)]
        assert [200] * 20 == answers[:20]
        assert 429 in answers


# The socket.


async def test_a_socket_shows_what_it_is_asked_for(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", begun("s-1", "p-1"))
        await b.publish("r2", begun("s-2", "p-2"), FAILED)
        await store(b.nats, "r2", batch("why"))
        await listed(b, ("r1", "running"), ("r2", "failed"))
        async with watching(b.url, projectId="p-1") as page:
            await page.until_status("r1", "running")
            await b.publish("r3", begun("s-1", "p-2"))
            await b.publish("r4", begun("s-1", "p-1"))
            await page.until_status("r4", "running")
            assert {"r1", "r4"} == set(page.jobs)
        async with watching(b.url, jobId="r2") as page:
            await page.until(lambda page: "r2" in page.lines and "r2" in page.jobs)
            assert (["why"], ["r2"]) == (page.lines["r2"], list(page.jobs))
        async with watching(b.url, status="failed") as page:
            await page.until_status("r2", "failed")
            await b.publish("r1", FAILED)
            await page.until_status("r1", "failed")
            assert {"r1", "r2"} == set(page.jobs)
        async with watching(b.url, jobId="r5") as page:
            await b.publish("r6", begun())
            await b.publish("r5", begun(), completed())
            await page.until_status("r5", "completed")
            assert ["r5"] == list(page.jobs)


@pytest.mark.parametrize("query", ["status=done", "tail=-1", "tail=1001", "tail=x"])
async def test_a_socket_that_cannot_be(tmp_path: Path, query: str) -> None:
    async with broker(tmp_path) as b:
        answer = await b.get(f"/ws?{query}", headers=UPGRADE)
        assert (422, query.split("=")[0]) == (answer.status, answer.json()["parameter"])
        assert 426 == (await b.get("/ws")).status


async def test_messages_to_the_socket(tmp_path: Path) -> None:
    """A ping is answered; anything else is refused, and after ten the socket is closed."""
    async with broker(tmp_path) as b, watching(b.url) as page:
        for text in ('{"type":"subscribe"}', "no JSON", "[]", '{"type":7}'):
            await page.ws.send(text)
            said = await page.next()
            assert "error" == said["type"]
            assert "ping" in said["payload"]["message"]
            await page.pong()
        for _ in range(6):
            await page.ws.send("{}")
        assert 4400 == await page.closed()


async def test_frames_are_made_once_for_all_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    tell = JobsStory.tell

    def counted(*given: Any) -> Any:
        told.append(given)
        return tell(*given)

    monkeypatch.setattr(JobsStory, "tell", counted)
    async with (
        broker(tmp_path) as b,
        watching(b.url) as one,
        watching(b.url, "/api/ws", tail=5) as two,
        watching(b.url, projectId="p-1") as three,
    ):
        await b.publish("r1", begun())
        for page in (one, two, three):
            await page.until_status("r1", "running")
        told.clear()
        events = [step_progress("fetch", n) for n in range(1, 10)]
        await b.publish("r1", *events, completed())
        for page in (one, two, three):
            await page.until_status("r1", "completed")
        assert len(events) + 1 == len(told)


async def test_jobs_beyond_the_bound_come_when_others_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is told so once."""
    assert 1_000 == JOBS_MAX
    monkeypatch.setattr(monitor, "JOBS_MAX", 2)
    async with broker(tmp_path) as b, watching(b.url) as page:
        for n in range(3):
            await b.publish(f"r{n}", begun())
            await listed(b, (f"r{n}", "running"))
        await b.publish("r3", begun())
        await page.until(lambda page: len(page.jobs) == 2)
        await page.until(lambda page: "error" in [said["type"] for said in page.told])
        error = next(said["payload"] for said in page.told if said["type"] == "error")
        assert "jobs_per_socket" == error["limit"]
        await listed(b, ("r3", "running"))
        await page.pong()
        assert {"r0", "r1"} == set(page.jobs)
        await b.publish("r0", completed())
        await b.publish("r1", completed())
        await page.until(lambda page: len(page.jobs) == 4)
        assert 1 == [said["type"] for said in page.told].count("error")


async def test_ends_of_many_jobs_are_told_once(tmp_path: Path) -> None:
    """The index hears of them later, which is no news to a socket that has shown them."""
    names = [f"r{n}" for n in range(600)]
    async with broker(tmp_path) as b, watching(b.url) as page:

        async def all_do(event: Event) -> None:
            subjects = [key_of(job).subject for job in names]
            messages = [Message(subject, payload_of(event)) for subject in subjects]
            await publish_all(b.nats.connection, messages)

        async def all_listed_as_ended() -> bool:
            return len(await jobs(b, "?status=completed&limit=1000")) == len(names)

        await all_do(begun())
        await page.until(lambda page: len(page.jobs) == len(names))
        await all_do(completed())
        await until(all_listed_as_ended)
        await b.publish("last", begun())
        await page.until_status("last", "running")
        assert {1} == {page.statuses(job).count("completed") for job in names}


async def test_a_stream_made_anew_sends_the_sockets_away(tmp_path: Path) -> None:
    """Also one whose jobs have all ended: what it remembers of them is void."""
    async with broker(tmp_path) as b:
        async with watching(b.url) as page:
            await b.publish("r1", begun(), step_started("fetch"), FAILED)
            await page.until_status("r1", "failed")
            await api(b.nats.connection, f"STREAM.DELETE.{PROGRESS}")
            await ensure(b.nats.connection, StreamSettings())
            assert 1012 == await page.closed()

        async def built() -> bool:
            return (await b.get("/api/jobs")).body == b"[]"

        await until(built)
        async with watching(b.url) as page:
            await b.publish("r1", begun())
            await page.until_status("r1", "running")
            assert ["running"] == page.statuses("r1")


async def test_a_job_of_another_tenant_hides_none(tmp_path: Path) -> None:
    """Not even one with the same id."""
    async with broker(tmp_path) as b, watching(b.url) as page:
        other = Message(RunKey("other", "r1").subject, payload_of(begun()))
        await publish_all(b.nats.connection, [other])

        async def indexed() -> bool:
            return await b.metric("index_runs") == 1

        await until(indexed)
        await b.publish("r1", begun())
        await page.until_status("r1", "running")


@asynccontextmanager
async def raw(url: str, **how: Any) -> AsyncIterator[Raw]:
    """A socket whose bytes are read one by one."""
    async with Wire.connect(url, **how) as wire:
        await wire.send("GET", "/ws", UPGRADE)
        status, _ = await wire.head()
        assert 101 == status
        yield Raw(wire)


async def flooded(b: Broker, lines: int) -> None:
    """Log what fills every buffer between the gateway and a client."""
    await store(b.nats, "r1", *[batch(*["x" * 1000] * 50) for _ in range(lines // 50)])


async def test_a_slow_socket_loses_nothing(tmp_path: Path) -> None:
    """It stops reading, costs nothing meanwhile, and sees every job's end and every line."""
    async with (
        broker(tmp_path, high_water=1024, tick=0) as b,
        raw(b.url, receive_buffer=4096) as socket,
    ):
        await b.publish("r1", begun())
        await listed(b, ("r1", "running"))
        lines = 0
        async with asyncio.timeout(30):
            while not await b.metric("clients_held"):
                await flooded(b, 500)
                lines += 500
        await b.publish("r2", begun(), completed())
        await b.publish("r1", step_progress("fetch", 1), completed())
        await listed(b, ("r1", "completed"), ("r2", "completed"))
        page = Kept()
        while page.ends != {"r1", "r2"} or page.lines < lines:
            page.take(await socket.next())


async def test_a_socket_that_takes_nothing_is_closed(tmp_path: Path) -> None:
    """After `stall_timeout`; others do not notice."""
    async with (
        broker(tmp_path, high_water=1024, stall_timeout=1, tick=0) as b,
        watching(b.url, jobId="calm") as other,
        raw(b.url, receive_buffer=4096),
    ):
        await b.publish("r1", begun())
        await b.publish("calm", begun())
        await other.until_status("calm", "running")
        async with asyncio.timeout(30):
            while not await b.metric("streams_closed_total", reason="slow"):
                await flooded(b, 500)

        async def gone() -> bool:
            return await b.metric("websockets") == 1

        await until(gone)
        await b.publish("calm", completed())
        await other.until_status("calm", "completed")


class Kept:
    """What a raw socket brought."""

    def __init__(self) -> None:
        self.ends: set[str] = set()
        self.lines = 0

    def take(self, received: tuple[int, bytes]) -> None:
        opcode, payload = received
        if opcode == TEXT:
            self.lines += b'"job_log"' in payload
            if b'"completed"' in payload:
                self.ends.add(payload.partition(b'"id":"')[2][:2].decode())


async def test_an_old_socket_is_let_go_and_comes_back(tmp_path: Path) -> None:
    async with broker(tmp_path, max_age=0.5) as b, watching(b.url) as page:
        await b.publish("r1", begun())
        assert 1001 == await page.closed()
        await listed(b, ("r1", "running"))
        async with watching(b.url) as page:
            await page.until_status("r1", "running")


async def test_a_gateway_that_stops_sends_its_sockets_to_others(tmp_path: Path) -> None:
    async with nats(tmp_path) as server, gateway(server.url) as other, AsyncExitStack() as pages:
        async with gateway(server.url) as first:
            page = await pages.enter_async_context(watching(first.url))
            await server.publish("r1", begun())
            await page.until_status("r1", "running")
        assert 1012 == await page.closed()
        await server.publish("r1", completed())
        async with watching(other.url, jobId="r1") as page:
            await page.until_status("r1", "completed")


async def test_a_socket_counts_as_a_stream(tmp_path: Path) -> None:
    async with broker(tmp_path, streams_per_client=1) as b, watching(b.url):
        refused = await b.get("/ws", headers=UPGRADE)
        assert (429, "streams_per_client") == (refused.status, refused.json()["limit"])


async def test_pages_of_other_origins_are_refused(tmp_path: Path) -> None:
    async with broker(tmp_path, allowed_origins="http://studio.example") as b:
        strange = UPGRADE | {"Origin": "http://elsewhere.example"}
        assert 403 == (await b.get("/ws", headers=strange)).status
        address = b.url.replace("http", "ws", 1) + "/ws"
        async with connect(address, proxy=None, origin="http://studio.example") as ws:  # type: ignore[arg-type]
            await Watcher(ws).pong()
        answer = await b.get("/api/jobs", headers={"Origin": "http://studio.example"})
        assert "http://studio.example" == answer.headers["access-control-allow-origin"]


async def test_many_jobs_at_once(tmp_path: Path) -> None:
    """Who comes late gets every one, and every one's end."""
    names = [f"r{n}" for n in range(200)]
    async with broker(tmp_path) as b:
        for job in names:
            await b.publish(job, begun(job))

        async def all_there() -> bool:
            return len(await jobs(b, "?status=running")) == len(names)

        await until(all_there)
        async with watching(b.url) as page:
            await page.until(lambda page: len(page.jobs) == len(names))
            await asyncio.gather(*[b.publish(job, completed()) for job in names])
            await page.until(
                lambda page: all(job["status"] == "completed" for job in page.jobs.values())
            )
