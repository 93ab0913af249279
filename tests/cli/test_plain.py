"""A run in plain lines."""

from typing import Any

import msgspec

from broker.cli.plain import Narration, log_line, row_line
from broker.model.decode import decode
from broker.model.events import Event, Unknown
from broker.model.state import RunState
from tests.gateway.runs import started, step_completed, step_progress, step_started
from tests.unit.runs import new, state_after


def event(fields: dict[str, Any]) -> Event | Unknown:
    return decode(msgspec.json.encode(fields))


def narrated(*happened: dict[str, Any]) -> list[str]:
    """What is told of a run event by event, without the times."""
    narration, lines = Narration("r"), []
    state: RunState = new()
    for fields in happened:
        state = state_after(event(fields), onto=state)
        lines += narration.tell(msgspec.to_builtins(state))
    return [line.partition(" r ")[2] for line in lines]


def test_a_line_for_each_thing_that_happened() -> None:
    assert [
        "running (pipeline import)",
        "step fetch running",
        "step fetch completed after 2 s",
        "33 %, steps 1/3",
        "step clean failed: OSError: disk full",
        "failed (after 5 s, at 33 %, pipeline import): OSError: disk full",
    ] == narrated(
        started(),
        step_started("fetch"),
        {"type": "run.heartbeat"},
        step_completed("fetch"),
        {
            "type": "step.failed",
            "step": "clean",
            "error": {"type": "OSError", "message": "disk full"},
        },
        {"type": "run.failed", "error": {"type": "OSError", "message": "disk full"}},
    )


def test_progress_is_told_every_five_per_cent() -> None:
    small = [step_progress("only", n, 100) for n in range(1, 101)]
    only = {"type": "run.started", "plan": [{"step": "only"}]}
    lines = narrated(only, step_started("only"), *small)
    percents = [line.split(",")[0] for line in lines if "%" in line and "(" not in line]
    assert [f"{n} %" for n in range(5, 100, 5)] == percents


def test_an_attempt_begins_again_at_nothing() -> None:
    lines = narrated(
        started(),
        step_started("fetch"),
        {"type": "run.failed", "error": {"message": "no"}},
        {"type": "run.started", "attempt": 2},
        {"type": "step.started", "step": "fetch", "attempt": 2},
        {"type": "run.completed", "attempt": 2},
    )
    assert "running (attempt 2, pipeline import)" in lines
    assert 2 == lines.count("step fetch running")
    assert "completed (after 2 s, attempt 2, pipeline import)" == lines[-1]


def test_commands_and_their_answers_are_told() -> None:
    assert [
        "cancel asked by ann: wrong input",
        "cancel rejected by the producer: too late",
    ] == narrated(
        started(),
        {"type": "command.cancel", "id": "c1", "by": "ann", "reason": "wrong input"},
        {
            "type": "command.acknowledged",
            "command": "c1",
            "result": "rejected",
            "reason": "too late",
        },
    )[1:]


def test_a_flood_of_steps_is_counted() -> None:
    plan = {"type": "run.started", "plan": [{"step": f"s{n}"} for n in range(30)]}
    narration, state = Narration("r"), state_after(event(plan))
    narration.tell(msgspec.to_builtins(state))
    state = state_after(*(event(step_completed(f"s{n}")) for n in range(30)), onto=state)
    lines = narration.tell(msgspec.to_builtins(state))
    assert [20, 1] == [sum(word in line for line in lines) for word in (" step s", "10 more steps")]


def test_what_strangers_wrote_stays_on_its_line() -> None:
    lines = narrated(
        started(),
        {"type": "run.failed", "error": {"message": "a\nforged line\x1b[2J"}},
    )
    assert "failed (after 1 s, pipeline import): a⏎forged line" == lines[-1]


def test_a_row_has_its_fields_apart_by_tabs() -> None:
    row = {
        "run": "a\tb",
        "status": "running",
        "progress": {"fraction": 0.4567},
        "counts": {"total": 3, "completed": 1, "skipped": 1},
        "updated_at": "2026-11-21T12:00:00Z",
    }
    assert "a   b\t\trunning\t45.7\t2/3\t\t\t2026-11-21T12:00:00Z" == row_line(row)


def test_a_log_line_is_the_gateways_text() -> None:
    line = {
        "time": "2026-11-21T12:00:00.5Z",
        "level": "error",
        "step": "load",
        "text": "a\nb\x1b[1m",
    }
    assert "2026-11-21T12:00:00.500Z ERROR [load] a\n    b" == log_line(line)
    assert "- INFO " == log_line({})
