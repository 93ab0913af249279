"""`runs`, against a real gateway."""

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shell import running, shell, terminal
from tests.faults import until
from tests.gateway.runs import completed, short_run, started, step_progress
from tests.gateway.serving import Broker, broker

FAILED = {"type": "run.failed", "error": {"message": "disk full"}}


async def listed(b: Broker, *wanted: str) -> list[dict[str, Any]]:
    """Wait until the list has these runs with these statuses (`run status`)."""
    found: list[dict[str, Any]] = []

    async def shown() -> bool:
        found[:] = (await b.get("/v1/runs")).json()["items"]
        return {f"{row['run']} {row['status']}" for row in found} >= set(wanted)

    await until(shown, 30)
    return found


async def three(b: Broker) -> None:
    """A run that goes on, one that completed, one that failed."""
    await b.publish("goes-on", {**started(), "labels": {"team": "data"}}, step_progress("fetch", 3))
    await b.publish("done", *short_run())
    await b.publish("broken", {"type": "run.started", "pipeline": "other"}, FAILED)
    await listed(b, "goes-on running", "done completed", "broken failed")


async def test_each_run_is_a_line(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await three(b)
        plain = await shell(b.url, "runs")
        as_json = await shell(b.url, "runs", "--json")
        rows = await listed(b)
    assert (0, "") == (plain.code, plain.err)
    fields = {line.split("\t")[0]: line.split("\t") for line in plain.lines}
    assert ["import", "running", "10.0", "0/3"] == fields["goes-on"][1:5]
    assert ["import", "completed", "100.0", "3/3"] == fields["done"][1:5]
    assert {row["run"] for row in rows} == {row["run"] for row in as_json.objects}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["--status", "failed"], {"broken"}),
        (["--status", "failed,completed"], {"broken", "done"}),
        (["--status", "failed", "--status", "running"], {"broken", "goes-on"}),
        (["--pipeline", "other"], {"broken"}),
        (["--label", "team=data"], {"goes-on"}),
        (["--label", "team:nobody"], set()),
        (["-q", "brok"], {"broken"}),
    ],
)
async def test_the_list_is_narrowed(tmp_path: Path, asked: list[str], found: set[str]) -> None:
    async with broker(tmp_path) as b:
        await three(b)
        result = await shell(b.url, "runs", *asked)
    assert (0, found) == (result.code, {line.split("\t")[0] for line in result.lines})


async def test_more_runs_than_a_page_has(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        names = [f"r-{n:03}" for n in range(230)]
        for name in names:
            await b.publish(name, {"type": "run.started"})

        async def all_there() -> bool:
            page = (await b.get("/v1/runs?limit=1")).json()
            return bool(sum(page["counts"].values()) >= len(names))

        await until(all_there, 30)
        assert 230 == len((await shell(b.url, "runs", "--limit", "1000")).lines)
        assert 210 == len((await shell(b.url, "runs", "--limit", "210")).lines)
        assert 20 == len((await shell(b.url, "runs")).lines)


@pytest.mark.parametrize("width", [100, 60])
async def test_a_terminal_gets_a_table_that_fits(tmp_path: Path, width: int) -> None:
    async with broker(tmp_path) as b:
        await three(b)
        async with terminal(b.url, "runs", width=width) as shown:
            assert 0 == await shown.ended()
    assert "● running" in shown.screen
    assert "✗ failed" in shown.screen
    assert "100 %" in shown.screen
    assert "1 completed" in shown.screen
    assert max(map(len, shown.screen.splitlines())) <= width


async def test_the_list_is_kept_up_to_date(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r", started())
        await listed(b, "r running")
        async with (
            running(b.url, "runs", "-f") as piped,
            terminal(b.url, "runs", "-f") as shown,
        ):
            await piped.line("r\timport\trunning")
            await shown.shows(lambda screen: "● running" in screen)
            await b.publish("r", completed())
            await piped.line("r\timport\tcompleted")
            await shown.shows(lambda screen: "✓ completed" in screen)
            shown.process.send_signal(signal.SIGINT)
            assert 130 == await shown.ended()
    assert "Traceback" not in shown.screen
