"""`logs`, against a real gateway."""

from pathlib import Path
from typing import Any

from tests.cli.shell import running, shell, terminal
from tests.gateway.runs import completed, started
from tests.gateway.serving import Broker, broker
from tests.sse import path


def lines(*texts: str, **more: Any) -> dict[str, Any]:
    return {"type": "log.appended", "lines": [{"text": text, **more} for text in texts]}


async def posted(b: Broker, *events: dict[str, Any]) -> None:
    answer = await b.post(path("r", "/events"), events)
    assert 202 == answer.status, answer.body


async def test_all_lines_or_those_asked_for(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await posted(b, started(), lines("one", "two"), lines("three", level="error", step="load"))
        whole = await shell(b.url, "logs", "r")
        as_json = await shell(b.url, "logs", "r", "--json")

        async def texts(*asked: str) -> list[str]:
            result = await shell(b.url, "logs", "r", "--json", *asked)
            return [line["text"] for line in result.objects]

        assert ["three"] == await texts("--tail", "1")
        assert ["three"] == await texts("--level", "warning")
        assert ["three"] == await texts("--step", "load")
        assert ["two"] == await texts("-q", "tw")
        assert [] == await texts("--attempt", "2")
    assert ["INFO one", "INFO two", "ERROR [load] three"] == [
        line.partition(" ")[2] for line in whole.lines
    ]
    assert ["one", "two", "three"] == [line["text"] for line in as_json.objects]


async def test_following_ends_with_the_run_and_its_lines(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await posted(b, started(), lines("one", "two"))
        async with running(b.url, "logs", "r", "-f", "--tail", "1") as following:
            assert "two" in await following.line()
            await posted(b, lines("three"))
            assert "three" in await following.line()
            await posted(b, completed())
            await posted(b, lines("a last word"))
            result = await following.result()
    assert 0 == result.code
    assert ["a last word"] == [line.partition("INFO ")[2] for line in result.lines]


async def test_following_what_has_ended_shows_it_all(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await posted(b, started(), lines(*map(str, range(1500))), completed())
        result = await shell(b.url, "logs", "r", "-f", "--json")
    assert [str(n) for n in range(1500)] == [line["text"] for line in result.objects]


async def test_an_unknown_run_is_told(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        once, following = await shell(b.url, "logs", "x"), await shell(b.url, "logs", "x", "-f")
    assert [4, 4] == [once.code, following.code]
    assert "no events are stored for run 'x'" in once.err
    assert "no events are stored for run 'x'" in following.err


async def test_a_terminal_gets_no_orders_from_a_line(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await posted(b, started(), lines("a\x1b[2Jb\x07[bold]c", level="error"))
        async with terminal(b.url, "logs", "r") as shown:
            assert 0 == await shown.ended()
    assert "error    ab\ufffd[bold]c" in shown.screen
