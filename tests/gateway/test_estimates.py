"""How long runs take: the estimate of one, and what is known of its pipeline."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.faults import until
from tests.gateway.serving import Broker, broker, gateway
from tests.sse import ask, path
from tests.stream.serving import nats

BEGAN = datetime.fromisoformat("2026-01-31T12:00:00+00:00")


def past(seconds: float, **steps: float) -> list[dict[str, Any]]:
    """A run of long ago that completed, and whose steps took so long."""

    def event(kind: str, at: float, **fields: Any) -> dict[str, Any]:
        return {"type": kind, "time": (BEGAN + timedelta(seconds=at)).isoformat(), **fields}

    events = [event("run.started", 0, pipeline="import")]
    at = 0.0
    for step, taken in steps.items():
        events += [event("step.started", at, step=step)]
        events += [event("step.completed", at + taken, step=step)]
        at += taken
    return [*events, event("run.completed", seconds)]


def now(ago: float = 0) -> str:
    return (datetime.now(BEGAN.tzinfo) - timedelta(seconds=ago)).isoformat()


async def known(b: Broker, pipeline: str, runs: int) -> dict[str, Any]:
    """What is known of a pipeline once it has so many ended runs."""
    found: dict[str, Any] = {}

    async def there() -> bool:
        answer = await b.get(f"/v1/pipelines/{pipeline}")
        found.update(answer.json())
        return answer.status == 200 and len(found["last"]) == runs

    await until(there)
    return found


async def test_a_run_is_judged_by_the_last_ones(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        for n in range(10):
            await b.publish(f"old-{n}", *past(100 + n, fetch=30, fit=70 + n))
        await known(b, "import", 10)
        began = {"type": "run.started", "pipeline": "import", "time": now(30)}
        done = [
            {"type": "step.started", "step": "fetch", "time": now(30)},
            {"type": "step.completed", "step": "fetch", "time": now()},
        ]
        await b.publish("new", began, *done)
        answer = await b.get(path("new", "/estimate"))
        assert (200, "max-age=5") == (answer.status, answer.headers["cache-control"])
        found = answer.json()
        assert ("history", 10, False, None) == tuple(
            found[name] for name in ("basis", "runs", "overdue", "reason")
        )
        assert 70 <= found["remaining"]["p50"] <= found["remaining"]["p90"] <= 81
        finish = datetime.fromisoformat(found["finish"]["p50"])
        left = finish - datetime.now(BEGAN.tzinfo)
        assert abs(left.total_seconds() - found["remaining"]["p50"]) < 10


async def test_a_run_that_takes_longer_than_usual_is_overdue(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        for n in range(5):
            await b.publish(f"old-{n}", *past(10 + n))
        await known(b, "import", 5)
        await b.publish("new", {"type": "run.started", "pipeline": "import", "time": now(600)})
        assert (await b.get(path("new", "/estimate"))).json()["overdue"]


async def test_where_nobody_can_say_the_reason_is_told(tmp_path: Path) -> None:
    started = {"type": "run.started", "pipeline": "new"}
    reasons = {
        "waits": [{"type": "run.queued"}],
        "no run of the pipeline": [started],
        "paused": [started, {"type": "run.paused"}],
        "ended": [started, {"type": "run.completed"}],
        "nothing is heard": [started, {"type": "run.lost"}],
    }
    async with broker(tmp_path) as b:
        for run, (reason, events) in enumerate(reasons.items()):
            await b.publish(f"r{run}", *events)
            found = (await b.get(path(f"r{run}", "/estimate"))).json()
            assert (None, None, None) == (found["finish"], found["remaining"], found["basis"])
            assert reason in found["reason"]
        assert 404 == (await b.get(path("unknown", "/estimate"))).status


async def test_a_pipeline_shows_how_its_runs_went(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        failed = [*past(3)[:-1], {"type": "run.failed", "error": {"message": "no"}}]
        await b.publish("bad", *failed)
        for n in range(3):
            await b.publish(f"good-{n}", *past(10 * (n + 1), fetch=1 + n, fit=5.0))
        await b.publish("going", {"type": "run.started", "pipeline": "import"})
        found = await known(b, "import", 4)

        async def all_there() -> bool:
            found.update((await b.get("/v1/pipelines/import")).json())
            return bool(found["counts"]["running"] == 1)

        await until(all_there)
        assert {"completed": 3, "failed": 1, "running": 1} == {
            status: count for status, count in found["counts"].items() if count
        }
        assert (0.75, 3, "fit") == (found["success_rate"], found["runs"], found["slowest"])
        assert {"p50": 20.0, "p90": 28.0, "p95": 29.0} == found["duration"]
        assert {"p50": 2.0, "p95": 2.9, "runs": 3} == found["steps"]["fetch"]
        assert {"p50": 5.0, "p95": 5.0, "runs": 3} == found["steps"]["fit"]
        assert {"good-0", "good-1", "good-2", "bad"} == {run["run"] for run in found["last"]}
        [good] = [run for run in found["last"] if run["run"] == "good-2"]
        ended = datetime.fromisoformat(good.pop("ended_at"))
        assert BEGAN + timedelta(seconds=30) == ended
        assert {"run": "good-2", "status": "completed", "duration": 30.0} == good

        listed = (await b.get("/v1/pipelines")).json()
        assert [{"pipeline": "import", "counts": found["counts"]}] == listed["items"]


async def test_a_pipeline_without_runs_is_not_found(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:

        async def built() -> bool:
            return (await b.get("/v1/pipelines")).status == 200

        await until(built)
        for name, status, problem in (
            ("unknown", 404, "pipeline-not-found"),
            ("%F0%9F%98%80", 404, "pipeline-not-found"),
            ("a%2Fb", 404, "pipeline-not-found"),
            ("%FF", 404, "pipeline-not-found"),
        ):
            answer = await b.get(f"/v1/pipelines/{name}")
            assert (status, f"urn:progress-broker:problem:{problem}") == (
                answer.status,
                answer.json()["type"],
            )


async def test_the_list_shows_when_runs_will_end(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        for n in range(5):
            await b.publish(f"old-{n}", *past(100))
        await known(b, "import", 5)
        await b.publish("new", {"type": "run.started", "pipeline": "import", "time": now()})
        rows: dict[str, Any] = {}

        async def listed() -> bool:
            items = (await b.get("/v1/runs")).json()["items"]
            rows.update({row["run"]: row for row in items})
            return "new" in rows

        await until(listed)
        eta = rows["new"]["eta"]
        assert {"p50", "p90", "basis", "overdue"} == set(eta)
        assert eta["p50"] <= eta["p90"]
        assert 0 == datetime.fromisoformat(eta["p50"]).microsecond
        assert ("history", False) == (eta["basis"], eta["overdue"])
        assert "eta" not in rows["old-0"]


async def test_history_outlives_the_gateway(tmp_path: Path) -> None:
    """It is made of what is stored: another gateway knows it once its index is built."""
    async with nats(tmp_path) as server:
        async with gateway(server.url) as first:
            await server.publish("old", *past(100, fetch=100.0))

            async def noted() -> bool:
                return (await ask(first.url, "/v1/pipelines/import")).status == 200

            await until(noted)
        async with gateway(server.url) as second:

            async def known_again() -> bool:
                answer = await ask(second.url, "/v1/pipelines/import")
                return answer.status == 200 and answer.json()["runs"] == 1

            await until(known_again)
