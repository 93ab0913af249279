"""One command for many runs: each is judged alone."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.faults import until
from tests.gateway.commanding import jobs, types
from tests.gateway.runs import completed, started
from tests.gateway.serving import Broker, broker
from tests.sse import Answer, ask


async def post(b: Broker, body: Any, *, key: str | None = None, **headers: str) -> Answer:
    """Give many runs a command."""
    sent = {"Content-Type": "application/json", **headers}
    if key is not None:
        sent["Idempotency-Key"] = key
    return await ask(
        b.url,
        "/v1/commands",
        method="POST",
        headers=sent,
        body=body if isinstance(body, bytes) else msgspec.json.encode(body),
    )


async def test_each_run_is_judged_alone(tmp_path: Path) -> None:
    """In the order of the request, a run that is named twice once."""
    async with broker(tmp_path) as b:
        await b.publish("running", started())
        await b.publish("ended", started(), completed())
        runs = ["ended", "running", "nobody", "", "running", "x" * 300]
        answer = await post(b, {"command": "cancel", "runs": runs, "by": "ada", "reason": "late"})
        assert 202 == answer.status
        items = answer.json()["items"]
        assert ["ended", "running", "nobody", "", "x" * 300] == [item["run"] for item in items]
        assert [409, None, 404, 422, 422] == [
            item.get("problem", {}).get("status") for item in items
        ]
        assert "urn:progress-broker:problem:command-refused" == items[0]["problem"]["type"]
        assert {"run", "command"} == items[1].keys()
        command = (await b.snapshot("running"))["commands"][items[1]["command"]]
        assert ("cancel", "ada", "late") == (command["type"], command["by"], command["reason"])


async def test_a_thousand_runs(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        runs = [f"r{n}" for n in range(1000)]
        for run in runs:
            await b.nats.connection.publish(f"progress.default.{run}", b'{"type":"run.started"}')
        await b.publish("last", started())
        answer = await post(b, {"command": "pause", "runs": runs})
        assert runs == [item["run"] for item in answer.json()["items"] if "command" in item]
        answer = await post(b, {"command": "pause", "runs": [*runs, "last"]})
        assert 422 == answer.status
        assert "`runs` names 1001 runs, not 1 to 1000" in answer.json()["detail"]


async def test_the_same_key_repeats_nothing_for_any_run(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        for run in ("a", "b"):
            await b.publish(run, started(), completed())
        body = {"command": "retry", "runs": ["a", "b"]}
        answers = [await post(b, body, key="k1") for _ in range(2)]
        assert answers[0].body == answers[1].body
        assert ["a", "b"] == sorted(job["run"] for job in await jobs(b))
        assert 1 == (await types(b, "a")).count("command.retry")


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ({"status": "running"}, {"a1", "a2", "b1"}),
        ({"status": ["running", "paused"], "pipeline": "a"}, {"a1", "a2", "a3"}),
        ({"pipeline": ["a", "b"], "label": {"team": "x"}}, {"a1", "b1"}),
        ({"label": ["team:x", "hot:true"]}, {"b1"}),
        ({"label": {"team": "x", "hot": True}}, {"b1"}),
        ({"q": "a2"}, {"a2"}),
        ({"status": "failed"}, set()),
    ],
)
async def test_a_filter_finds_the_runs_that_the_list_shows(
    tmp_path: Path, filter: dict[str, Any], found: set[str]
) -> None:
    async with broker(tmp_path) as b:
        for run, labels in (
            ("a1", {"team": "x"}),
            ("a2", {"team": "y"}),
            ("a3", {}),
            ("b1", {"team": "x", "hot": True}),
        ):
            event = {"type": "run.started", "pipeline": run[0], "labels": labels}
            await b.publish(run, event, *([{"type": "run.paused"}] if run == "a3" else []))

        async def listed() -> bool:
            return 4 == len((await b.get("/v1/runs")).json().get("items", []))

        await until(listed)
        answer = await post(b, {"command": "cancel", "filter": filter})
        assert 202 == answer.status, answer.body
        items = answer.json()["items"]
        assert found == {item["run"] for item in items}
        assert all("command" in item for item in items)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "missing required field `command`"),
        ({"runs": ["a"]}, "missing required field `command`"),
        ({"command": "destroy", "runs": ["a"]}, "`$.command`"),
        ({"command": "cancel"}, "give `runs`, or a `filter`"),
        ({"command": "cancel", "runs": ["a"], "filter": {"q": "a"}}, "give `runs`, or a `filter`"),
        ({"command": "cancel", "runs": []}, "names 0 runs"),
        ({"command": "cancel", "runs": [5]}, "`$.runs[0]`"),
        ({"command": "cancel", "runs": "a"}, "`$.runs`"),
        ({"command": "cancel", "run": ["a"]}, "unknown field `run`; its fields are command, runs"),
        ({"command": "cancel", "filter": {}}, "an empty `filter` finds every run"),
        ({"command": "cancel", "filter": []}, "`$.filter`"),
        ({"command": "cancel", "filter": {"state": "x"}}, "`filter` has no 'state': it has status"),
        ({"command": "cancel", "filter": {"limit": 5}}, "`filter` has no 'limit'"),
        ({"command": "cancel", "filter": {"status": "gone"}}, "'gone'"),
        ({"command": "cancel", "filter": {"status": None}}, "`filter.status` is neither text"),
        ({"command": "cancel", "filter": {"status": []}}, "`filter.status` is empty"),
        ({"command": "cancel", "filter": {"label": {}}}, "`filter.label` is empty"),
        ({"command": "cancel", "filter": {"q": ""}}, "would find every run"),
        ({"command": "cancel", "filter": {"q": " \t "}}, "would find every run"),
        ({"command": "cancel", "filter": {"label": {"a": {}}}}, "`filter.label` is neither text"),
        ({"command": "cancel", "filter": {"since": "yesterday"}}, "'yesterday'"),
    ],
)
async def test_bad_requests_are_422_and_say_what_is_wrong(
    tmp_path: Path, body: Any, detail: str
) -> None:
    async with broker(tmp_path) as b:
        await b.publish("a", started())
        answer = await post(b, body)
        assert 422 == answer.status, answer.body
        assert detail in answer.json()["detail"]
        assert ["run.started"] == await types(b, "a")


async def test_more_runs_than_may_be_are_found(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        for n in range(1001):
            await b.nats.connection.publish(f"progress.default.r{n}", b'{"type":"run.started"}')

        async def listed() -> bool:
            counts = (await b.get("/v1/runs")).json().get("counts", {})
            return bool(1001 == counts.get("running"))

        await until(listed, 30)
        answer = await post(b, {"command": "pause", "filter": {"status": "running"}})
        assert 422 == answer.status
        assert "more than 1000 runs pass the filter" in answer.json()["detail"]
        assert ["run.started"] == await types(b, "r0")


async def test_each_run_counts_against_the_limit_of_the_client(tmp_path: Path) -> None:
    async with broker(tmp_path, ingest_rate=10) as b:
        runs = {"command": "cancel", "runs": ["a", "b", "c", "d", "e", "f"]}
        assert 202 == (await post(b, runs)).status
        answer = await post(b, runs)
        assert (429, "ingest_rate") == (answer.status, answer.json()["limit"])


async def test_a_form_of_another_site_commands_nothing(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        body = {"command": "cancel", "runs": ["a"]}
        foreign = await post(b, body, **{"Origin": "https://evil.example"})
        assert (403, "urn:progress-broker:problem:origin-refused") == (
            foreign.status,
            foreign.json()["type"],
        )
        form = await post(b, body, **{"Content-Type": "text/plain"})
        assert (415, "urn:progress-broker:problem:unsupported-media-type") == (
            form.status,
            form.json()["type"],
        )
