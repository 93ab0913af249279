"""Who speaks CloudEvents 1.0 reports runs with it, in each of its HTTP modes."""

from pathlib import Path
from typing import Any

from tests.gateway.serving import broker
from tests.sse import path

SOURCE = {"specversion": "1.0", "source": "/etl"}


def cloud(kind: str, id: str, **more: Any) -> dict[str, Any]:
    return {**SOURCE, "type": kind, "id": id, **more}


async def test_every_mode(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        structured = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
        batch = {"Content-Type": "application/cloudevents-batch+json"}
        lines = {"Content-Type": "application/x-ndjson"}
        binary = {
            "Content-Type": "application/json",
            **{f"ce-{name}": value for name, value in SOURCE.items()},
            "ce-type": "progress.step.progress",
            "ce-id": "4",
            "ce-subject": "r1",
        }
        plan = {"pipeline": "import", "plan": [{"step": "fetch"}]}
        fetch = {"step": "fetch"}
        answers = [
            await b.post(
                "/v1/events", cloud("run.started", "1", subject="r1", data=plan), headers=structured
            ),
            await b.post(
                "/v1/events",
                [
                    cloud("step.started", "2", subject="r1", data=fetch),
                    cloud("run.heartbeat", "3", data={"run": "r1"}),
                ],
                headers=batch,
            ),
            await b.post("/v1/events", {**fetch, "current": 3}, headers=binary),
            await b.post(path("r1", "/events"), cloud("step.completed", "5", data=fetch)),
            await b.post(path("r1", "/events"), cloud("run.completed", "6"), headers=lines),
        ]
        assert [202] * 5 == [answer.status for answer in answers]
        state = await b.snapshot("r1")
        assert ("completed", "import", "completed", 3, 6) == (
            state["status"],
            state["pipeline"],
            state["steps"]["fetch"]["status"],
            state["steps"]["fetch"]["current"],
            state["events"],
        )


async def test_a_repetition_is_stored_once(tmp_path: Path) -> None:
    """The same id of another source is another event."""
    async with broker(tmp_path) as b:
        for source in ("/a", "/a", "/b"):
            event = cloud("run.heartbeat", "1", source=source)
            assert 202 == (await b.post(path("r1", "/events"), event)).status
        assert 2 == (await b.snapshot("r1"))["events"]


async def test_refusals_name_the_index(tmp_path: Path) -> None:
    """And nothing is stored."""
    async with broker(tmp_path) as b:
        events = [
            cloud("run.started", "1", subject="r1"),
            cloud("run.progress", "2", subject="r1"),
            cloud("run.started", "3", subject="r1", specversion="0.3"),
            cloud("run.lost", "4", subject="r1"),
            cloud("run.started", "5"),
            {"type": "run.started", "run": "r1"},
        ]
        batch = {"Content-Type": "application/cloudevents-batch+json"}
        answer = await b.post("/v1/events", events, headers=batch)
        errors = {error["index"]: error["detail"] for error in answer.json()["errors"]}
        assert (422, [1, 2, 3, 4, 5]) == (answer.status, list(errors))
        assert "specversion is '0.3'" in errors[2]
        assert 'the run id is missing: give it as the attribute "subject"' == errors[4]
        answer = await b.post(path("r2", "/events"), events[0])
        assert "'r1', not the one in the path" in answer.json()["errors"][0]["detail"]
        assert {} == await b.nats.subjects()


async def test_another_format_is_not_read(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        avro = {"Content-Type": "application/cloudevents+avro"}
        answer = await b.post("/v1/events", b"Obj", headers=avro)
        assert 415 == answer.status
        assert "application/cloudevents+avro" in answer.json()["detail"]
