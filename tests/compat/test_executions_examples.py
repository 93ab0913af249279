"""The programs of `examples/executions/`, each a process of its own, while a real run goes by."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from broker.producer import Producer
from broker.producer.run import Run
from broker.settings import Settings
from tests.cli.shell import Result, Running
from tests.faults import link, until
from tests.gateway.serving import UNLIMITED, Broker, broker

PROGRAMS = Path(__file__).parents[2] / "examples" / "executions"
STEPS = ("load", "clean", "report")
LIMITED = {name: getattr(Settings(), name) for name in UNLIMITED}


@asynccontextmanager
async def program(name: str, *arguments: str) -> AsyncIterator[Running]:
    """Run an example; it is killed if it is left running."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAMS / f"{name}.py"),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ended(name: str, *arguments: str) -> Result:
    async with program(name, *arguments) as running:
        return await running.result()


def socket_of(url: str) -> str:
    return url.replace("http", "ws", 1)


class Pipeline:
    """A run of three steps, which goes on when it is told to. Made by `pipeline`."""

    def __init__(self, producer: Producer, run: Run) -> None:
        self._producer = producer
        self.run = run

    async def step(self, name: str) -> None:
        """Do one step."""
        async with self.run.step(name):
            pass
        await self._producer.flush()

    async def rest(self, *names: str) -> None:
        """Do these steps, and complete."""
        for name in names:
            await self.step(name)
        self.run.complete({"rows": 3})
        await self._producer.flush()


@asynccontextmanager
async def pipeline(b: Broker, run_id: str) -> AsyncIterator[Pipeline]:
    async with Producer.connect(b.nats.url) as producer:
        run = producer.run("import", run_id, plan=list(STEPS))
        run.start()
        await producer.flush()
        yield Pipeline(producer, run)


async def asked(b: Broker) -> int:
    """How often the documents of executions were asked for."""
    endpoints = ("/api/v1/executions/{run}", "/api/v1/executions/{run}/progress")
    found = [
        await b.metric("http_requests_total", code="200", endpoint=endpoint, method="GET")
        for endpoint in endpoints
    ]
    return int(sum(found))


async def test_polling_goes_through_the_limits_that_are_set_by_default(tmp_path: Path) -> None:
    """Four requests a second of one run, for longer than a burst of whole polls would last."""
    async with (
        broker(tmp_path, **LIMITED) as b,
        pipeline(b, "r1") as work,
        program("poll", "r1", "--url", b.url) as bar,
    ):
        await work.step("load")

        async def long_enough() -> bool:
            return await asked(b) >= 20

        await until(long_enough)
        await work.rest("clean", "report")
        result = await bar.result()
        assert 0 == result.code, result.err
        assert "completed" in result.out
        assert "100%" in result.out
        assert 0 == await b.metric("limited_total", limit="poll_rate")


async def test_polling_begins_before_the_run_does_and_ends_with_it(tmp_path: Path) -> None:
    """A pending execution is not an end; neither is one that has nothing to tell yet."""
    async with broker(tmp_path) as b:
        await b.publish("r1", {"type": "run.queued", "pipeline": "import"})
        async with program("poll", "r1", "--url", b.url) as bar:

            async def waited() -> float:
                target = "/api/v1/executions/{run}/progress"
                return await b.metric(
                    "http_requests_total", code="204", endpoint=target, method="GET"
                )

            await until(waited)
            async with pipeline(b, "r1") as work:
                await work.step("load")
                work.run.fail(ValueError("no rows"))
            result = await bar.result()
        assert 1 == result.code
        assert "ValueError: no rows" in result.out


async def test_polling_for_nobody(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        result = await ended("poll", "nobody", "--url", b.url)
        assert (1, "nobody: not found\n") == (result.code, result.err)


async def test_streaming_until_it_has_ended(tmp_path: Path) -> None:
    async with broker(tmp_path) as b, pipeline(b, "r1") as work:
        async with program("stream", "r1", "--url", socket_of(b.url)) as watcher:
            await watcher.line("status ")
            await work.rest(*STEPS)
            result = await watcher.result()
        assert 0 == result.code, result.err
        assert "completed {}" == result.lines[-1]
        assert 'progress {"current_step": 3, "total_steps": 3, "percentage": 100.0}' in result.lines


async def test_streaming_comes_back_after_a_break(tmp_path: Path) -> None:
    async with broker(tmp_path) as b, link(b.url) as way, pipeline(b, "r1") as work:
        async with program("stream", "r1", "--url", socket_of(way.url), "--pause=0.1") as watcher:
            await watcher.line("status ")
            await work.step("load")
            await watcher.line('"current_step": 1')
            way.cut()
            await watcher.error("again in 0.1 s")
            await work.step("clean")
            await watcher.line('"current_step": 2')
            await work.rest("report")
            result = await watcher.result()
        assert (0, "completed {}") == (result.code, result.lines[-1])


async def test_streaming_gives_up_after_growing_pauses(tmp_path: Path) -> None:
    async with broker(tmp_path) as b, link(b.url) as way:
        url = socket_of(way.url)
    result = await ended("stream", "r1", "--url", url, "--pause=0.01")
    waits = [line.split(" in ")[-1] for line in result.err.splitlines()[:-1]]
    assert ["0.01 s", "0.02 s", "0.04 s", "0.08 s"] == waits
    assert 1 == result.code
    assert "given up" in result.err


async def test_streaming_of_nobody(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        result = await ended("stream", "nobody", "--url", socket_of(b.url))
        assert (1, ['error "Execution not found"']) == (result.code, result.lines)


@pytest.mark.parametrize(("how", "code"), [("completed", 0), ("cancelled", 1)])
async def test_three_at_once(tmp_path: Path, how: str, code: int) -> None:
    """Each on a socket of its own, to the end of the last."""
    runs = ("r1", "r2", "r3")
    async with (
        broker(tmp_path, **LIMITED) as b,
        pipeline(b, "r1") as one,
        pipeline(b, "r2") as two,
        pipeline(b, "r3") as three,
        program("monitor", *runs, "--url", socket_of(b.url)) as watcher,
    ):
        missing = {f"[{run}] status: 0%" for run in runs}
        while missing:
            missing.discard(await watcher.line("status"))
        await two.step("load")
        await watcher.line("[r2] progress: 33.3333%")
        await one.rest(*STEPS)
        if how == "completed":
            await three.rest(*STEPS)
        else:
            three.run.cancel(reason="enough")
        await two.rest("clean", "report")
        result = await watcher.result()
        assert code == result.code
        assert ["r1 completed", "r2 completed", f"r3 {how}"] == result.lines[-3:]
