"""`cancel`, `retry`, `pause` and `resume`, against a real gateway."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.shell import running, shell
from tests.faults import until
from tests.gateway.runs import completed, short_run, started
from tests.gateway.serving import Broker, broker


async def asked(b: Broker, run: str) -> tuple[str, dict[str, Any]]:
    """Wait until a command stands in the run; gives its id and itself."""
    found: dict[str, Any] = {}

    async def commands() -> bool:
        found.update((await b.snapshot(run)).get("commands", {}))
        return bool(found)

    await until(commands, 30)
    return next(iter(found.items()))


@pytest.mark.parametrize("name", ["cancel", "pause"])
async def test_what_is_asked_stands_in_the_run(tmp_path: Path, name: str) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r", started())
        result = await shell(b.url, name, "r", "--reason", "wrong input", "--by", "ann")
        _, command = await asked(b, "r")
    assert (0, f"r: {name} asked\n", "") == result
    assert ("ann", "wrong input") == (command["by"], command["reason"])
    assert f"command.{name}".removeprefix("command.") in command["type"]


async def test_each_run_is_told_of_alone(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("good", started())
        await b.publish("over", *short_run())
        result = await shell(b.url, "cancel", "good", "over", "none")
        as_json = await shell(b.url, "cancel", "over", "--json")
    assert 4 == result.code
    assert ["good: cancel asked"] == result.lines
    assert "over: run 'over': it is completed, so there is nothing to cancel" in result.err
    assert "none: no events are stored for run 'none'" in result.err
    assert 1 == as_json.code
    assert "it is completed" in as_json.objects[0]["error"]


async def test_cancel_waits_for_its_effect(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r", started())
        async with running(b.url, "cancel", "r", "--wait") as command:
            id, _ = await asked(b, "r")
            await b.publish(
                "r", {"type": "command.acknowledged", "command": id, "result": "accepted"}
            )
            await b.publish("r", {"type": "run.cancelled"})
            assert (0, "r: cancelled\n", "") == await command.result()


async def test_a_command_that_comes_too_late_is_no_success(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r", started())
        async with running(b.url, "cancel", "r", "--wait") as command:
            await asked(b, "r")
            await b.publish("r", completed())
            assert (1, "r: completed before it could be cancelled\n", "") == await command.result()


async def test_what_the_producer_rejects_is_told_with_its_reason(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r", started())
        async with running(b.url, "pause", "r", "--wait", "--json") as command:
            id, _ = await asked(b, "r")
            answer = {"command": id, "result": "rejected", "reason": "not now"}
            await b.publish("r", {"type": "command.acknowledged", **answer})
            result = await command.result()
    assert 1 == result.code
    assert "pause rejected by the producer: not now" == result.objects[0]["outcome"]


async def test_resume_waits_until_the_run_goes_on(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r", started(), {"type": "run.paused"})
        async with running(b.url, "resume", "r", "--wait") as command:
            await asked(b, "r")
            await b.publish("r", {"type": "run.resumed"})
            assert (0, "r: resumed\n", "") == await command.result()


async def test_retry_waits_for_the_next_attempt(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r", started(), {"type": "run.failed", "error": {"message": "no"}})
        assert (0, "r: begun again\n", "") == await shell(b.url, "retry", "r", "--wait")
        assert 2 == (await b.snapshot("r"))["attempt"]
