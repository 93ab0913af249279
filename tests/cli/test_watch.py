"""`watch`, against a real gateway: piped, as JSON, and on a terminal."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shell import running, shell, terminal
from tests.faults import until
from tests.gateway.process import free_ports
from tests.gateway.runs import (
    completed,
    short_run,
    started,
    step_completed,
    step_progress,
    step_started,
)
from tests.gateway.serving import Broker, broker, gateway
from tests.sse import path
from tests.stream.serving import nats

FAILED = {"type": "run.failed", "error": {"type": "OSError", "message": "disk full"}}


def told(line: str) -> str:
    """A line without its time."""
    return line.partition(" ")[2]


async def posted(broker: Broker, run: str, *events: dict[str, Any]) -> None:
    answer = await broker.post(path(run, "/events"), events)
    assert 202 == answer.status, answer.body


async def test_a_pipe_gets_a_line_for_each_thing_that_happens(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await posted(b, "r", started(), step_started("fetch"))
        async with running(b.url, "watch", "r") as watching:
            assert "r running" in await watching.line()
            await posted(b, "r", step_progress("fetch", 6))
            assert "r 20 %, steps 0/3" == told(await watching.line())
            await posted(b, "r", step_progress("fetch", 7))  # too little for a line
            await posted(b, "r", step_completed("fetch"))
            assert "r step fetch completed" in await watching.line()
            assert "r 33 %, steps 1/3" == told(await watching.line())
            await posted(b, "r", step_started("clean"))
            assert "r step clean running" == told(await watching.line())
            await posted(b, "r", FAILED)
            result = await watching.result()
    assert (0, "") == (result.code, result.err)
    assert "OSError: disk full" in result.lines[-1]
    assert "failed" in result.lines[-1]
    assert "at 33 %" in result.lines[-1]


OUTCOMES = [
    (completed(), 0),
    (FAILED, 1),
    ({"type": "run.cancelled", "by": "ann"}, 3),
]


@pytest.mark.parametrize(("last", "code"), OUTCOMES)
async def test_wait_exits_with_the_outcome(tmp_path: Path, last: dict[str, Any], code: int) -> None:
    async with broker(tmp_path) as b:
        await posted(b, "r", started())
        async with running(b.url, "watch", "r", "--wait") as watching:
            await watching.line("running")
            await posted(b, "r", last)
            assert code == (await watching.result()).code


async def test_of_several_runs_the_gravest_outcome_counts(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await posted(b, "good", *short_run())
        await posted(b, "bad", started(), FAILED)
        both = await shell(b.url, "watch", "--wait", "good", "bad")
        with_unknown = await shell(b.url, "watch", "--wait", "good", "bad", "none")
        unasked = await shell(b.url, "watch", "good", "bad")
    assert 1 == both.code
    assert {"good", "bad"} == {line.split()[1] for line in both.lines}
    assert 4 == with_unknown.code
    assert "no events are stored for run 'none'" in with_unknown.err
    assert "progress-broker runs" in with_unknown.err
    assert 0 == unasked.code


async def test_json_is_the_state_after_each_change(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await posted(b, "r", started())
        async with running(b.url, "watch", "r", "--json") as watching:
            first = await watching.line()
            assert '"status":"running"' in first
            await posted(b, "r", *short_run()[1:])
            result = await watching.result()
        assert await b.snapshot("r") == result.objects[-1]


async def test_a_run_may_take_its_time_to_appear(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        asked = ["watch", "r", "--wait", "--wait-for-start", "25"]
        async with running(b.url, *asked) as watching:

            async def refused() -> bool:
                return b'code="404"' in (await b.get("/metrics")).body

            await until(refused)
            await posted(b, "r", *short_run())
            assert 0 == (await watching.result()).code


async def test_a_terminal_shows_steps_and_keeps_the_end(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await posted(b, "r", started(), step_started("fetch"), step_progress("fetch", 3))
        line = {"level": "warning", "text": "slow \x1b[2Jdisk"}
        await posted(b, "r", {"type": "log.appended", "lines": [line]})
        async with terminal(b.url, "watch", "r", "--wait", width=60) as shown:
            screen = await shown.shows(lambda screen: "slow disk" in screen)
            assert "● running" in screen
            assert "3/10" in screen
            assert "○ clean" in screen
            assert max(map(len, screen.splitlines())) <= 60
            await posted(b, "r", *short_run()[1:])
            assert 0 == await shown.ended()
    assert "✓ completed" in shown.screen
    assert "100 %" in shown.screen
    assert "● running" not in shown.screen


async def test_who_leaves_is_told_that_the_run_goes_on(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await posted(b, "r", started())
        async with terminal(b.url, "watch", "r", "--wait") as shown:
            await shown.shows(lambda screen: "running" in screen)
            shown.process.send_signal(signal.SIGINT)
            assert 130 == await shown.ended()
        assert "the run goes on; to watch again: progress-broker watch r" in shown.screen
        assert "Traceback" not in shown.screen
        assert "running" == (await b.snapshot("r"))["status"]


async def test_more_runs_than_a_screen_holds_are_a_table(tmp_path: Path) -> None:
    runs = [f"r-{n}" for n in range(6)]
    async with broker(tmp_path) as b:
        for run in runs:
            await b.publish(run, started())
        async with terminal(b.url, "watch", *runs, "--wait", height=12) as shown:
            await shown.shows(lambda screen: "● 6 running" in screen)
            for run in runs[:5]:
                await b.publish(run, completed())
            screen = await shown.shows(lambda screen: "✓ 5 completed" in screen)
            assert "r-5" in screen.splitlines()[1]  # what goes on stands first
            await b.publish("r-5", FAILED)
            assert 1 == await shown.ended()


async def test_a_gateway_that_goes_and_comes_back_is_the_watchers_trouble(tmp_path: Path) -> None:
    """The viewer's connection is lost, the run is not; nothing is missed."""
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    half = {"type": "run.progress", "current": 1, "total": 2}
    async with nats(tmp_path / "nats") as server, AsyncExitStack() as watchers:
        async with gateway(server.url, listen=listen) as first:
            url = first.url
            await server.publish("r", {"type": "run.started"}, half)
            shown = await watchers.enter_async_context(terminal(url, "watch", "r", "--wait"))
            piped = await watchers.enter_async_context(running(url, "watch", "r", "--wait"))
            await shown.shows(lambda screen: "50 %" in screen)
            await piped.line("running")
        screen = await shown.shows(lambda screen: "connection lost" in screen)
        assert "● running" in screen
        assert "retrying" in screen
        await piped.error("connection lost")
        await server.publish("r", completed())
        async with gateway(server.url, listen=listen):
            assert 0 == await shown.ended()
            result = await piped.result()
    assert "✓ completed" in shown.screen
    assert "connection lost" not in shown.screen
    assert 0 == result.code
    assert "r completed" in result.lines[-1]
    assert "connected again" in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs"],
        ["runs", "-f"],
        ["watch", "a", "b"],
        ["watch", "a", "--json"],
        ["logs", "a"],
        ["logs", "a", "-f"],
        ["cancel", "a"],
        ["start", "p"],
        ["emit", "a", "run.started"],
    ],
)
async def test_without_a_gateway_it_says_what_to_do(arguments: list[str]) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    result = await shell(url, *arguments)
    assert (5, "") == (result.code, result.out)
    assert 1 == len(result.err.splitlines())
    assert f"no gateway at {url} (connection refused)" in result.err
    assert "progress-broker serve" in result.err
    assert "--url" in result.err


async def test_what_is_no_gateway_is_told(tmp_path: Path) -> None:
    """A page of some other program is not taken for a run."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<p>!")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        listed, watched = await shell(url, "runs"), await shell(url, "watch", "r")
    assert [5, 5] == [listed.code, watched.code]
    assert "does not answer as a gateway does" in listed.err
    assert "is it a gateway?" in watched.err


async def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    """As in `progress-broker watch r --json | head -1`."""
    async with broker(tmp_path) as b:
        await posted(b, "r", started())
        reads, writes = os.pipe()
        async with running(b.url, "watch", "r", "--json", stdout=writes) as watching:
            os.close(writes)
            assert await asyncio.to_thread(os.read, reads, 1)
            os.close(reads)
            await posted(b, "r", step_started("fetch"))
            assert (141, "") == (await watching.result())[::2]
