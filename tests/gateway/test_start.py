"""A request to start a pipeline: queued for a worker, and in view of everyone at once."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.stream.topology import StreamSettings, ensure
from tests.gateway.commanding import events, given, jobs, tell, types, work
from tests.gateway.runs import completed, started
from tests.gateway.serving import Broker, broker, gateway
from tests.sse import Answer, ask

TARGET = "/v1/pipelines/import/runs"


async def post(
    b: Broker, body: Any = b"", *, key: str | None = None, url: str = "", target: str = TARGET
) -> Answer:
    """Ask for a run."""
    return await ask(
        url or b.url,
        target,
        method="POST",
        headers={"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {}),
        body=body if isinstance(body, bytes) else msgspec.json.encode(body),
    )


async def test_a_run_is_queued(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        answer = await post(
            b,
            {
                "inputs": {"url": "x", "n": None},
                "name": "Ada's",
                "labels": {"team": "a", "hot": True},
                "metadata": {"ticket": 7},
                "by": "ada",
            },
        )
        run = answer.json()["run"]
        assert (202, {"run": run}, f"/v1/runs/{run}") == (
            answer.status,
            answer.json(),
            answer.headers["location"],
        )
        state = (await b.get(answer.headers["location"])).json()
        assert {
            "status": "queued",
            "attempt": 1,
            "pipeline": "import",
            "name": "Ada's",
            "labels": {"team": "a", "hot": True},
            "metadata": {"ticket": 7, "inputs": {"url": "x"}},
        }.items() <= state.items()
        assert "queued_at" in state
        assert [
            {
                "run": run,
                "pipeline": "import",
                "inputs": {"url": "x", "n": None},
                "attempt": 1,
                "requested_by": "ada",
            }
        ] == await jobs(b)


async def test_no_body_is_needed_and_each_request_is_a_run(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        runs = [(await post(b)).json()["run"] for _ in range(3)]
        assert 3 == len(set(runs))
        assert runs == sorted(runs)
        assert [
            {"run": run, "pipeline": "import", "inputs": {}, "attempt": 1} for run in runs
        ] == await jobs(b)


async def test_names_of_any_kind(tmp_path: Path) -> None:
    """What no subject could hold is encoded; the job holds the names as they are."""
    async with broker(tmp_path) as b:
        answer = await post(b, {"run": "a/b ä*"}, target="/v1/pipelines/im.port%20%3E/runs")
        assert (202, "/v1/runs/a%2Fb%20%C3%A4%2A") == (answer.status, answer.headers["location"])
        assert 200 == (await b.get(answer.headers["location"])).status
        [job] = await jobs(b, "im=2Eport=20=3E")
        assert ("a/b ä*", "im.port >") == (job["run"], job["pipeline"])


async def test_a_run_that_exists_is_409(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        for body in ({"run": "r1"}, {"run": "r1", "inputs": {"x": 1}}):
            answer = await post(b, body)
            assert 409 == answer.status
            assert "'r1': it exists: give another id, or none" in answer.json()["detail"]
        assert 409 == (await post(b, {"run": "r1"}, key="k1")).status
        assert [] == await jobs(b)
        assert ["run.started"] == await types(b)


async def test_of_two_requests_for_one_id_one_counts(tmp_path: Path) -> None:
    async with broker(tmp_path) as b, gateway(b.nats.url) as other:
        answers = await asyncio.gather(
            *[
                post(b, {"run": "r1", "inputs": {"n": n}}, key=key, url=(b.url, other.url)[n % 2])
                for n, key in enumerate((None, None, "k1", "k2"))
            ]
        )
        assert [202, 409, 409, 409] == sorted(answer.status for answer in answers)
        [winner] = [n for n, answer in enumerate(answers) if answer.status == 202]
        assert [winner] == [job["inputs"]["n"] for job in await jobs(b)]
        assert winner == (await events(b))[0]["metadata"]["inputs"]["n"]


@pytest.mark.parametrize("run", [None, "r1"])
async def test_the_same_key_starts_a_run_once(tmp_path: Path, run: str | None) -> None:
    """At once and at two gateways, and after a worker has done with it."""
    async with broker(tmp_path) as b, gateway(b.nats.url) as other:
        body = {"run": run} if run else {}
        answers = await asyncio.gather(
            *[post(b, body, key="k1", url=url) for url in (b.url, other.url) * 3]
        )
        assert {202} == {answer.status for answer in answers}
        assert 1 == len({answer.json()["run"] for answer in answers})
        made = answers[0].json()["run"]
        assert made == run or run is None
        assert ["run.queued"] == await types(b, made)
        assert made == (await work(b))["run"]
        await b.publish(made, started(), completed())
        assert made == (await post(b, body, key="k1")).json()["run"]
        assert [] == await jobs(b)
        other_run = (await post(b, key="k2")).json()["run"]
        elsewhere = (await post(b, key="k1", target="/v1/pipelines/export/runs")).json()["run"]
        assert 3 == len({made, other_run, elsewhere})


@pytest.mark.parametrize("job_is_queued", [False, True])
async def test_a_start_that_was_left_half_done_is_completed_once(
    tmp_path: Path, job_is_queued: bool
) -> None:
    """The run stands there as queued; who repeats the request puts its job where it belongs."""
    body = {"run": "r1", "inputs": {"n": 1}}
    async with broker(tmp_path / "a") as b:
        assert 202 == (await post(b, body, key="k1")).status
        stored, [job] = await events(b), await jobs(b)
    async with broker(tmp_path / "b") as b:
        await b.publish("r1", *stored)
        if job_is_queued:
            await b.nats.connection.publish("jobs.default.import", msgspec.json.encode(job))
        assert 202 == (await post(b, body, key="k1")).status
        assert [job] == await jobs(b)
        assert stored == await events(b)
        if not job_is_queued:
            await b.publish("r1", started())
            assert 202 == (await post(b, body, key="k1")).status
            assert [job] == await jobs(b)


async def test_a_queue_that_refuses_is_503_and_the_way_out_works(tmp_path: Path) -> None:
    """The run shows as queued; without a key it is cancelled, and retried later."""
    async with broker(tmp_path) as b:
        await b.nats.connection.request("$JS.API.STREAM.DELETE.JOBS", b"")
        answer = await post(b, {"run": "r1"})
        assert (503, "urn:progress-broker:problem:stream-unavailable") == (
            answer.status,
            answer.json()["type"],
        )
        assert "queued" == (await b.snapshot("r1"))["status"]
        await given(b, "r1", "cancel")
        answer = await tell(b, "r1", "retry")
        assert 503 == answer.status
        state = await b.snapshot("r1")
        assert ("cancelled", 1) == (state["status"], state["attempt"])
        await ensure(b.nats.connection, StreamSettings())
        id = await given(b, "r1", "retry")
        assert [2] == [job["attempt"] for job in await jobs(b)]
        state = await b.snapshot("r1")
        assert ("queued", 2, "accepted") == (
            state["status"],
            state["attempt"],
            state["commands"][id]["result"],
        )
        assert 1 == sum(c["type"] == "retry" for c in state["commands"].values())


async def test_large_inputs_are_given_to_the_worker_but_not_kept(tmp_path: Path) -> None:
    """Every snapshot would carry them. A retry says so, instead of starting without."""
    async with broker(tmp_path) as b:
        inputs = {"text": "x" * 20_000}
        assert 202 == (await post(b, {"run": "r1", "inputs": inputs})).status
        assert inputs == (await work(b))["inputs"]
        assert {"inputs_bytes": 20_011} == (await b.snapshot("r1"))["metadata"]
        await b.publish("r1", started(), completed())
        answer = await tell(b, "r1", "retry")
        assert 409 == answer.status
        assert "its inputs had more than the 16384 bytes that are kept" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"{", 422, "truncated"),
        (b"[]", 422, "Expected `object`"),
        ({"input": {}}, 422, "unknown field `input`; its fields are inputs, name, labels"),
        ({"inputs": []}, 422, "`$.inputs`"),
        ({"inputs": None}, 422, "`$.inputs`"),
        ({"labels": {"a": ["b"]}}, 422, "`$.labels[...]`"),
        ({"labels": {str(n): n for n in range(65)}}, 422, "at most 64 labels"),
        ({"name": "x" * 257}, 422, "`$.name`"),
        ({"by": 5}, 422, "`$.by`"),
        ({"run": ""}, 422, "the run id is empty"),
        ({"run": 5}, 422, "`$.run`"),
        ({"run": "x" * 257}, 422, "the run id is longer than 256 bytes"),
        ({"metadata": {"x": "x" * 66_000}}, 422, "larger than 65536 bytes"),
        ({"inputs": {"x": "x" * 270_000}}, 413, "262144 bytes"),
        (b'{"inputs":' + b"[" * 600 + b"]" * 600 + b"}", 422, "the body"),
        (b'{"inputs":{"a":' + b"[" * 600 + b"]" * 600 + b"}}", 422, "the body: nested too deeply"),
        (b'{"inputs":{"a":' + b"9" * 5000 + b"}}", 422, "the body"),
        (b'{"inputs":{"a":"\\ud800"}}', 422, "the body"),
        (b'{"name":"\xff"}', 422, "the body"),
    ],
)
async def test_bad_requests_are_refused_and_nothing_is_stored(
    tmp_path: Path, body: Any, status: int, detail: str
) -> None:
    async with broker(tmp_path) as b:
        answer = await post(b, body)
        assert status == answer.status, answer.body
        assert detail in answer.json()["detail"]
        assert ({}, []) == (await b.nats.subjects(), await jobs(b))


async def test_a_pipeline_that_no_subject_can_hold(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        answer = await post(b, target=f"/v1/pipelines/{'x' * 257}/runs")
        assert 422 == answer.status
        assert "the pipeline id is longer" in answer.json()["detail"]
        for pipeline in ("%C3%B6" * 42, "x" * 250):
            answer = await post(b, target=f"/v1/pipelines/{pipeline}/runs", key="k1")
            assert 422 == answer.status, answer.body
        assert {} == await b.nats.subjects()
        assert 405 == (await b.get(TARGET)).status


async def test_a_page_of_another_site_starts_nothing(tmp_path: Path) -> None:
    """Nor does a form, which a browser sends anywhere without asking."""
    async with broker(tmp_path, allowed_origins="https://app.example") as b:
        own = b.url.replace("http://127.0.0.1", "http://localhost")
        for headers, status in (
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403),
            ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
            ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
            ({"Content-Type": "text/plain"}, 415),
            ({"Origin": "https://app.example"}, 202),
            ({"Origin": "http://localhost"}, 202),
            ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 202),
            ({"Sec-Fetch-Site": "none"}, 202),
            ({}, 202),
        ):
            for target in (TARGET, "/v1/events"):
                if target == "/v1/events" and status == 415:
                    continue  # `curl -d` sends it so, and a browser's form says its origin
                body = b"{}" if target == TARGET else b'{"type":"run.started","run":"e"}'
                answer = await ask(b.url, target, method="POST", headers=headers, body=body)
                assert status == answer.status, (headers, target, answer.body)
        answer = await ask(b.url, TARGET, method="OPTIONS", headers={"Origin": own})
        allowed = answer.headers["access-control-allow-headers"]
        assert {"Idempotency-Key", "Content-Type"} <= {name.strip() for name in allowed.split(",")}
