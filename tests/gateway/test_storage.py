"""A NATS without room: what is not stored is refused whole, and all goes on when there is room."""

from pathlib import Path

import msgspec

from tests.faults import until
from tests.gateway.runs import completed, started, step_progress
from tests.gateway.serving import gateway
from tests.sse import Answer, ask, path, stream
from tests.stream.configured import JETSTREAM, configured

ROOM = (
    JETSTREAM
    + "accounts {{ A: {{ jetstream: {{ max_file: 1GB }}, users: [{{user: a, password: b}}] }} }}"
)
NO_ROOM = ROOM.replace("1GB", "50KB")

EVENTS = path("r1", "/events")


async def test_no_room_is_told_and_nothing_is_half_stored(tmp_path: Path) -> None:
    many = [step_progress("load", n, 9, message="x" * 20_000) | {"id": f"e{n}"} for n in range(5)]
    async with configured(tmp_path, ROOM) as server, gateway(server.url("a:b")) as here:

        async def post(*events: dict[str, object]) -> Answer:
            return await ask(here.url, EVENTS, method="POST", body=msgspec.json.encode(events))

        assert 202 == (await post(started(), *many)).status
        async with stream(here.url, "r1") as frames:
            await frames.until("snapshot")
            await server.reload(NO_ROOM)
            refused = await post(*[event | {"id": f"again {event['id']}"} for event in many])
            assert (503, "10") == (refused.status, refused.headers["retry-after"])
            assert "urn:progress-broker:problem:storage-full" == refused.json()["type"]
            assert "give it disk space or raise its limit" in refused.json()["detail"]
            assert "running" == (await ask(here.url, path("r1"))).json()["status"]
            await server.reload(ROOM)
            assert 202 == (await post(completed())).status
            await frames.until("end")
        stored = (await ask(here.url, EVENTS, headers={"Accept": "application/json"})).json()
        types = ["run.started", *["step.progress"] * 5, "run.completed"]
        assert types == [event["type"] for event in stored["items"]]

        async def indexed() -> bool:
            runs = (await ask(here.url, "/v1/runs?status=completed")).json()["items"]
            return ["r1"] == [run["run"] for run in runs]

        await until(indexed)
