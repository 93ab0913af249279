"""What a list draws beside its rows: the last runs of many pipelines at once."""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.gateway.lists import put, summary
from tests.gateway.serving import Broker, broker
from tests.gateway.test_problems import is_problem


async def named(b: Broker, *names: str) -> list[Any]:
    """What is told of pipelines."""
    answer = await b.get(f"/v1/pipelines?{urlencode({'name': names}, doseq=True)}")
    assert (200, "max-age=5") == (answer.status, answer.headers["cache-control"])
    items: list[Any] = answer.json()["items"]
    return items


async def test_the_last_runs_of_many_pipelines(tmp_path: Path) -> None:
    """The latest first, however they stand; a duration once there is one. Unknown ones are left."""
    async with broker(tmp_path) as b:
        ended = [
            summary(f"a{n:02}", n, pipeline="a", started_at=n, status="completed", duration=n + 0.5)
            for n in range(12)
        ]
        await put(b, *ended, summary("a12", 12, pipeline="a", started_at=12))
        await put(b, summary("b", 1, pipeline="b & c", started_at=1, status="failed"))
        one, two = await named(b, "a", "nothing", "b & c", "a")
        assert ("a", {"completed": 12, "running": 1}) == (
            one["pipeline"],
            {status: count for status, count in one["counts"].items() if count},
        )
        assert {"run": "a12", "status": "running"} == one["recent"][0]
        assert {"run": "a11", "status": "completed", "duration": 11.5} == one["recent"][1]
        assert [f"a{n:02}" for n in range(12, 2, -1)] == [run["run"] for run in one["recent"]]
        assert ("b & c", [{"run": "b", "status": "failed"}]) == (two["pipeline"], two["recent"])
        assert one["recent"] == (await b.get("/v1/pipelines/a")).json()["recent"]


async def test_how_many_may_be_named(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        assert [] == await named(b, *(f"p{n}" for n in range(100)))
        answer = await b.get("/v1/pipelines?" + "&".join(f"name=p{n}" for n in range(101)))
        assert is_problem(answer, 422, "invalid-request")
        assert "name" == answer.json()["parameter"]
        assert [] == await named(b, "")
        bad = await b.get("/v1/pipelines?name=%ED%A0%80")
        assert bad.status in (200, 422)
