"""`emit` and `start`, against a real gateway."""

import json
from pathlib import Path

import pytest

from tests.cli.shell import running, shell
from tests.faults import until
from tests.gateway.runs import short_run
from tests.gateway.serving import broker


async def test_fields_are_json_where_they_read_as_json(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        began = ["run.started", "pipeline=etl", "name=1.5 tons = much", "total_steps=2"]
        assert (0, "", "") == await shell(b.url, "emit", "nightly", *began)
        progress = ["step.progress", "step=load", "current=3", "total=10", "unit=files"]
        assert 0 == (await shell(b.url, "emit", "nightly", *progress)).code
        whole = json.dumps({"type": "run.annotated", "labels": {"team": "data"}})
        assert 0 == (await shell(b.url, "emit", "nightly", "--json-event", whole)).code
        state = await b.snapshot("nightly")
    assert ("etl", "1.5 tons = much", 2) == (state["pipeline"], state["name"], state["total_steps"])
    assert (3, 10, "files") == tuple(
        state["steps"]["load"][k] for k in ("current", "total", "unit")
    )
    assert {"team": "data"} == state["labels"]


async def test_the_answer_as_json(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        result = await shell(b.url, "emit", "a/b c", "run.started", "--json")
        (answer,) = result.objects
        assert 1 == answer["accepted"]
        assert answer["last_cursor"] == (await b.snapshot("a/b c"))["cursor"]


async def test_a_type_that_means_nothing_is_stored_and_told(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        result = await shell(b.url, "emit", "r", "run.startd")
    assert 0 == result.code
    assert "run.startd is stored, but means nothing here; did you mean run.started?" in result.err


async def test_what_is_refused_is_told(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        wrong = await shell(b.url, "emit", "r", "run.progress", "current=many")
        command = await shell(b.url, "emit", "r", "command.cancel")
    assert [5, 5] == [wrong.code, command.code]
    assert "current" in wrong.err
    assert "POST /v1/runs/{run}/cancel" in command.err


async def test_the_input_is_sent_line_by_line_and_bad_lines_are_named(tmp_path: Path) -> None:
    lines = [json.dumps(event) for event in short_run()]
    lines[5:5] = ["", "no json", '{"type": "run.progress", "current": "many"}']
    async with broker(tmp_path) as b:
        result = await shell(b.url, "emit", "r", "-", stdin="\n".join(lines).encode())
        state = await b.snapshot("r")
    assert 1 == result.code
    assert "line 7: " in result.err
    assert "line 8: " in result.err
    assert f"{len(short_run())} events stored, 2 refused" in result.err
    assert ("completed", len(short_run())) == (state["status"], state["events"])
    assert 1 == result.err.count("lab.sampled is stored, but means nothing here")


async def test_events_of_many_runs_name_their_own(tmp_path: Path) -> None:
    lines = [json.dumps({"run": run, "type": "run.started"}) for run in ("a", "b")]
    async with broker(tmp_path) as b:
        result = await shell(b.url, "emit", "-", "--json", stdin="\n".join(lines).encode())
        assert [{"accepted": 2, "refused": 0}] == result.objects
        assert ["a", "b"] == [(await b.snapshot(run))["run"] for run in ("a", "b")]


async def test_a_pipe_that_stays_open_is_sent_as_it_comes(tmp_path: Path) -> None:
    """As in `tail -f events.ndjson | progress-broker emit r -`."""
    async with broker(tmp_path) as b:

        async def stored() -> bool:
            return bool((await b.snapshot("r")).get("status") == "running")

        async with running(b.url, "emit", "r", "-") as command:
            assert command.process.stdin is not None
            command.process.stdin.write(b'{"type":"run.started"}\n{"type":"run.com')
            await until(stored, 30)
            command.process.stdin.write(b'pleted"}')
            assert (0, "", "") == await command.result()
        assert "completed" == (await b.snapshot("r"))["status"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["r"], "give a TYPE"),
        (["r", "run.started", "pipeline"], "'pipeline' has no value: write it as key=value"),
        (["r", "run.started", "=x"], "has no value"),
        (["r", "--json-event", "[1]"], "not a JSON object"),
        (["r", "run.started", "--json-event", "{}"], "give a run and no TYPE"),
        (["r", "-", "a=b"], "all of an event stands in its line"),
        (["-", "run.started"], "all of an event stands in its line"),
    ],
)
async def test_a_call_that_cannot_be_is_told(arguments: list[str], said: str) -> None:
    result = await shell("http://127.0.0.1:1", "emit", *arguments)
    assert 2 == result.code
    assert said in result.err


async def test_a_pipeline_is_started_with_its_inputs(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        asked = ["--input", "day=2026-11-20", "--input", "full=true", "--input", "n=3"]
        more = ["--name", "By hand", "--label", "team=data"]
        result = await shell(b.url, "start", "etl", *asked, *more)
        assert (0, "") == (result.code, result.err)
        (run,) = result.lines
        state = await b.snapshot(run)
    assert {"day": "2026-11-20", "full": True, "n": 3} == state["metadata"]["inputs"]
    assert ("queued", "etl", "By hand") == (state["status"], state["pipeline"], state["name"])
    assert {"team": "data"} == state["labels"]


async def test_start_waits_for_the_outcome(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        async with running(b.url, "start", "etl", "--run", "mine", "--wait") as command:
            await command.line("mine queued")
            await b.publish("mine", *short_run())
            result = await command.result()
        taken = await shell(b.url, "start", "etl", "--run", "mine")
    assert 0 == result.code
    assert "mine completed" in result.lines[-1]
    assert 1 == taken.code
    assert "it exists: give another id, or none" in taken.err
