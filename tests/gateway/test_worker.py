"""The whole way: asked for over HTTP, run by a worker of the SDK, commanded, and run again."""

import asyncio
from pathlib import Path
from typing import Any

from broker.producer import Run, Worker
from tests.faults import until
from tests.gateway.commanding import given, jobs
from tests.gateway.serving import Broker, broker


async def becomes(b: Broker, run: str, status: str, attempt: int = 1) -> dict[str, Any]:
    """Wait until the run is there; gives its state."""

    async def there() -> bool:
        state = await b.snapshot(run)
        return (status, attempt) == (state.get("status"), state.get("attempt"))

    await until(there)
    found: dict[str, Any] = await b.snapshot(run)
    return found


async def answered(b: Broker, run: str) -> bool:
    """Whether the gateway has answered what the ended producer ignored."""
    retry = list((await b.snapshot(run))["commands"].values())[-1]
    return bool("accepted" == retry.get("result"))


async def test_a_run_is_started_paused_cancelled_and_retried(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        worker = Worker(b.nats.url, name="w1")
        seen: list[tuple[int, dict[str, Any]]] = []

        @worker.pipeline("import")
        async def load(run: Run, inputs: dict[str, Any]) -> dict[str, Any]:
            seen.append((len(seen) + 1, inputs))
            while len(seen) == 1:
                await run.checkpoint()
                await asyncio.sleep(0.005)  # the work
            return {"rows": 3}

        working = asyncio.ensure_future(worker.run())
        try:
            body = {"run": "r1", "inputs": {"n": 1, "nothing": None}, "by": "ada"}
            assert 202 == (await b.post("/v1/pipelines/import/runs", body)).status
            await becomes(b, "r1", "running")
            await given(b, "r1", "pause", {"by": "ada"})
            await becomes(b, "r1", "paused")
            await given(b, "r1", "resume", {"by": "ada"})
            await becomes(b, "r1", "running")
            await given(b, "r1", "cancel", {"by": "ada", "reason": "wrong"})
            await becomes(b, "r1", "cancelled")
            await given(b, "r1", "retry", {"by": "bob"})
            state = await becomes(b, "r1", "completed", attempt=2)
            assert {"rows": 3} == state["outputs"]
            await until(lambda: answered(b, "r1"))
            state = await b.snapshot("r1")
            assert [(1, body["inputs"]), (2, body["inputs"])] == seen
            assert [
                ("pause", "accepted"),
                ("resume", "accepted"),
                ("cancel", "accepted"),
                ("retry", "accepted"),
            ] == [(each["type"], each["result"]) for each in state["commands"].values()]

            async def done() -> bool:
                return not await jobs(b)

            await until(done)
        finally:
            worker.stop()
            await working


async def test_a_run_that_is_cancelled_while_it_waits_is_never_run(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        for run in ("r1", "r2"):
            await b.post("/v1/pipelines/import/runs", {"run": run})
        await given(b, "r1", "cancel")
        worker = Worker(b.nats.url, name="w1", concurrency=1)
        ran: list[str] = []

        @worker.pipeline("import")
        async def load(run: Run, inputs: dict[str, Any]) -> None:
            ran.append(run.id)

        working = asyncio.ensure_future(worker.run())
        try:
            await becomes(b, "r2", "completed")
            assert ["r2"] == ran
            assert "cancelled" == (await b.snapshot("r1"))["status"]
        finally:
            worker.stop()
            await working
