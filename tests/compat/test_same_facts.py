"""A real run, watched through all interfaces at once: they tell the same facts.

What an interface has no place for it does not tell: executions name the step under way and count,
jobs tell why the job failed and not why a stage did.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from broker.producer import Producer, Run
from tests.compat.watching_all import LABELS, RUN, STEPS, Facts, watching_all
from tests.faults import until
from tests.gateway.serving import Broker, broker

Work = Callable[[Run], Awaitable[None]]

INTERFACES = ("v1", "runner", "workflows", "executions", "jobs", "graphs")
MEMORY = "out of memory"
SPACE = "no space left"


async def watched(b: Broker, work: Work) -> dict[str, Facts]:
    """Have a run of three steps go by, and give what each interface told of it."""
    await b.publish(RUN, {"type": "run.queued", "pipeline": "import", "labels": LABELS})
    async with Producer.connect(b.nats.url) as producer, watching_all(b.url) as told:

        async def everyone_is_there() -> bool:
            return await b.metric("clients") == len(INTERFACES)

        await until(everyone_is_there)
        run = producer.run("import", RUN, plan=STEPS)
        working = asyncio.ensure_future(_work(run, work))
        facts: dict[str, Facts] = await told()
        await asyncio.gather(working, return_exceptions=True)
        return facts


async def _work(run: Run, work: Work) -> None:
    async with run:
        await work(run)


def agree(told: Mapping[str, Facts], truth: Facts) -> None:
    """All tell the truth, and what they have no place for is not made up."""
    under_way = {step: ["running"] for step in truth.steps}
    assert set(INTERFACES) == set(told)
    for name in ("v1", "runner", "workflows", "graphs"):
        assert truth == told[name], name
    assert truth._replace(errors={}) == told["jobs"]
    assert truth._replace(steps=under_way, errors={}) == told["executions"]


async def documents(b: Broker) -> dict[str, str]:
    """How the run stands by each interface that can be asked."""
    return {
        "v1": (await b.snapshot(RUN))["status"],
        "runner": (await b.get(f"/api/runner/jobs/{RUN}/status")).json()["status"],
        "executions": (await b.get(f"/api/v1/executions/{RUN}")).json()["status"],
        "jobs": (await b.get(f"/api/jobs/{RUN}")).json()["status"],
    }


async def test_a_run_that_was_retried(tmp_path: Path) -> None:
    async def work(run: Run) -> None:
        async with run.step("fetch") as fetch:
            fetch.progress(3, 3, unit="files")
        clean = run.step("clean")
        clean.start()
        clean.fail(MEMORY)
        clean.retrying(attempt=2, error=MEMORY)
        clean.start()
        clean.complete()
        async with run.step("fit"):
            pass

    async with broker(tmp_path) as b:
        told = await watched(b, work)
        steps = {
            "fetch": ["running", "completed"],
            "clean": ["running", "failed", "running", "completed"],
            "fit": ["running", "completed"],
        }
        agree(told, Facts(steps, {"clean": MEMORY}, "completed", None))
        assert {"completed"} == set((await documents(b)).values())


async def test_a_failed_run(tmp_path: Path) -> None:
    async def work(run: Run) -> None:
        async with run.step("fetch"):
            pass
        async with run.step("clean"):
            raise OSError(SPACE)

    async with broker(tmp_path) as b:
        told = await watched(b, work)
        steps = {"fetch": ["running", "completed"], "clean": ["running", "failed"]}
        agree(told, Facts(steps, {"clean": SPACE}, "failed", SPACE))
        assert {"failed"} == set((await documents(b)).values())


async def test_a_cancelled_run(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:

        async def cleaning() -> bool:
            steps = (await b.snapshot(RUN))["steps"]  # the plan comes with the start
            return "clean" in steps and bool(steps["clean"]["status"] == "running")

        async def work(run: Run) -> None:
            async with run.step("fetch"):
                pass
            async with run.step("clean"):
                await until(cleaning)
                given = await b.post(f"/v1/runs/{RUN}/cancel", {"by": "ann"})
                assert 202 == given.status
                await asyncio.Event().wait()

        told = await watched(b, work)
        steps = {"fetch": ["running", "completed"], "clean": ["running", "cancelled"]}
        agree(told, Facts(steps, {}, "cancelled", None))
        shown = await documents(b)
        # The runner has no word for it, and says in the error what it was.
        assert "failed" == shown.pop("runner")
        status = (await b.get(f"/api/runner/jobs/{RUN}/status")).json()
        assert "cancelled" in status["error"]
        assert {"cancelled"} == set(shown.values())
