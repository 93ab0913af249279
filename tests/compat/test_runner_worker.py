"""The example's worker does what a page asks for through the runner's interface."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from broker.dialects.runner import LAYERS
from broker.producer import Worker
from broker.producer.langgraph import plan_of
from examples.job_match.graph import build
from examples.runner_worker import PIPELINE, posting_of, process
from tests.compat.test_runner import API, status, streaming
from tests.gateway.lines import texts
from tests.gateway.serving import Broker, broker
from tests.producer.test_worker import working


@asynccontextmanager
async def served(tmp_path: Path) -> AsyncIterator[Broker]:
    """A gateway, and the worker of the example."""
    async with broker(tmp_path) as b:
        worker = Worker(b.nats.url)
        work = partial(process, output=tmp_path / "output")
        worker.pipeline(PIPELINE, plan=plan_of(build()))(work)
        async with working(worker):
            yield b


async def asked(b: Broker, inputs: dict[str, Any]) -> str:
    """The run that the worker is asked for."""
    answer = await b.post(f"{API}/run", inputs)
    assert 200 == answer.status
    run: str = answer.json()["run_id"]
    return run


async def watched(b: Broker, run: str) -> list[dict[str, Any]]:
    """What a page is told of a run until it ends."""
    async with streaming(b.url, run) as frames:
        return [frame.data for frame in await frames.rest()]


async def test_a_page_starts_a_run_and_watches_it_to_its_end(tmp_path: Path) -> None:
    async with served(tmp_path) as b:
        run = await asked(b, {"job_id": "lanternhill-backend-engineer", "level": 2})
        shown = await watched(b, run)
        done = [frame["layer"] for frame in shown[:-1] if "success" == frame["status"]]
        assert list(LAYERS) == done
        assert {"status": "complete", "progress": 100} == shown[-1]
        found = await status(b, run)
        assert ("completed", 1.0) == (found["status"], found["progress"])
        outputs = (await b.snapshot(run))["outputs"]
        written = list((tmp_path / "output/lanternhill-backend-engineer").glob("*.md"))
        assert 0 < outputs["fit"] <= 100
        assert 1 < outputs["documents"] == len(written)
        lines = texts((await b.get(f"/v1/runs/{run}/logs")).json()["items"])
        assert (
            "job lanternhill-backend-engineer is the posting lanternhill-backend-engineer, at"
            in (lines[0])
        )


async def test_level_1_ends_with_the_score(tmp_path: Path) -> None:
    async with served(tmp_path) as b:
        run = await asked(b, {"job_id": "6650f1", "level": 1})
        shown = await watched(b, run)
        assert {"status": "complete", "progress": 100} == shown[-1]
        layers = {row["name"]: row["status"] for row in (await status(b, run))["layers"]}
        assert ["success"] * 5 + ["skipped"] * 2 == [layers[layer] for layer in LAYERS]
        assert 0 == (await b.snapshot(run))["outputs"]["documents"]


async def test_inputs_that_are_none_fail_the_run(tmp_path: Path) -> None:
    async with served(tmp_path) as b:
        shown = await watched(b, await asked(b, {"job_id": "j-1", "level": 0}))
        assert "failed" == shown[-1]["status"]
        assert "inputs.level is 0" in shown[-1]["error"]


def test_a_job_is_always_the_same_posting() -> None:
    assert posting_of({"job_id": "6650f1"}) == posting_of({"job_id": "6650f1"})
    assert "quarrystone-ml-engineer" == posting_of({"job_id": "quarrystone-ml-engineer"})


@pytest.mark.parametrize("inputs", [{}, {"job_id": ""}, {"job_id": None}, {"job_id": []}])
def test_a_job_without_an_id_is_none(inputs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="job_id"):
        posting_of(inputs)
