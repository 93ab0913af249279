"""Screens, as they stand on terminals of a known width and time."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, Group, RenderableType

from broker.cli.draw import run_screen, waiting_screen
from broker.cli.draw_parts import Look, bar, log_text
from broker.cli.draw_rows import rows_screen
from broker.cli.draw_steps import visible

NOW = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)


def at(second: int) -> str:
    return f"2026-11-21T12:00:{second:02}Z"


def drawn(what: RenderableType, width: int = 80) -> str:
    """What stands on the screen, without colours."""
    console = Console(
        file=io.StringIO(),
        width=width,
        height=50,
        force_terminal=True,
        color_system=None,
        no_color=True,
        legacy_windows=False,
    )
    with console.capture() as captured:
        console.print(Group(what))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def look(width: int = 80, height: int = 30, **more: Any) -> Look:
    return Look(now=NOW, width=width, height=height, **more)


def running(**more: Any) -> dict[str, Any]:
    return {
        "run": "nightly-42",
        "pipeline": "import",
        "name": "Nightly import",
        "status": "running",
        "attempt": 1,
        "progress": {"fraction": 0.5},
        "counts": {"total": 4, "completed": 1, "running": 1, "pending": 1, "skipped": 1},
        "started_at": at(0),
        "last_seen": at(28),
        "steps": {
            "fetch": {"index": 0, "status": "completed", "duration": 12.0, "message": "3 files"},
            "check": {"index": 1, "status": "skipped", "cached": True},
            "load": {
                "index": 2,
                "status": "running",
                "current": 12,
                "total": 24,
                "unit": "files",
                "ppm": 500_000,
                "started_at": at(20),
                "message": "b.csv",
            },
            "report": {"index": 3, "status": "pending"},
        },
        **more,
    }


SCREEN_80 = """\
nightly-42  import · Nightly import                                    ● running
━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━                                       50 %
2/4 steps · 30 s · 40 s to 1 m 20 s left (by history) · last signal 2 s ago

 ✓ fetch                                   12 s 3 files
 » check                                        cached
 ● load   ━━━━━━━━━━           12/24 files 10 s b.csv
 ○ report
"""

SCREEN_60 = """\
nightly-42  import · Nightly import                ● running
━━━━━━━━━━━━━━━━━━━━━━━━━━━                             50 %
2/4 steps · 30 s · 40 s to 1 m 20 s left (by history) · last
signal 2 s ago

 ✓ fetch                       12 s 3 files
 » check                            cached
 ● load   ━━━━     12/24 files 10 s b.csv
 ○ report
"""


@pytest.mark.parametrize(("width", "screen"), [(80, SCREEN_80), (60, SCREEN_60)])
def test_a_run_under_way(width: int, screen: str) -> None:
    estimate = {
        "finish": {"p50": "2026-11-21T12:01:10Z", "p90": "2026-11-21T12:01:50Z"},
        "basis": "history",
    }
    shown = drawn(run_screen(running(), look(width, estimate=estimate)), width)
    assert screen == shown + "\n"


def test_a_failed_run_keeps_its_fraction_and_says_why() -> None:
    state = running(
        status="failed",
        attempt=2,
        progress={"fraction": 0.9999},
        error={"type": "OSError", "message": "disk \x1b[2Jfull"},
        ended_at=at(25),
        duration=25.0,
        steps={"load": {"index": 0, "status": "failed", "error": {"message": "[red]no[/red]"}}},
    )
    assert drawn(run_screen(state, look())) + "\n" == """\
nightly-42  import · Nightly import                         ✗ failed · attempt 2
━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╸  99 %
2/4 steps · 25 s · failed 5 s ago
OSError: disk full

 ✗ load failed   [red]no[/red]
"""  # fmt: skip


def test_an_unknown_total_looks_unknown() -> None:
    """Numbers without a total make no percentage; the bar moves and shows no end."""
    state = running(progress={"current": 12345, "unit": "rows"}, steps={}, counts={"total": 0})
    first, second = (drawn(run_screen(state, look(pulse=pulse))) for pulse in (0.0, 0.3))
    assert first != second
    assert "? %" in first
    assert "12,345 rows · 30 s" in first


def test_a_silent_producer_and_a_lost_connection_are_told_apart() -> None:
    silent = running(status="lost", started_at="2026-11-21T11:59:00Z")
    silent["last_seen"] = "2026-11-21T11:59:50Z"
    cut = look(lost_for=3.2, reason="connection refused")
    assert drawn(run_screen(silent, look())).splitlines()[2:4] == [
        "2/4 steps · 50 s · last signal 40 s ago",
        "its producer has gone silent; the next event brings it back",
    ]
    shown = drawn(run_screen(running(), cut))
    assert "! connection lost 3 s ago, retrying (connection refused)" in shown
    assert "silent" not in shown
    assert "connection lost" in drawn(waiting_screen("x", 3.2, ""))


def test_commands_show_who_asked_and_what_the_producer_said() -> None:
    commands = {
        "1": {"type": "command.pause", "at": at(10), "result": "rejected", "answer": "not now"},
        "2": {"type": "command.cancel", "at": at(20), "by": "ann"},
    }
    shown = drawn(run_screen(running(commands=commands), look()))
    assert "pause asked 20 s ago, rejected by the producer: not now" in shown
    assert "cancel asked by ann 10 s ago, not yet answered by the producer" in shown


def test_a_paused_run_says_what_it_waits_for() -> None:
    paused = {"since": at(10), "reason": "approval", "prompt": "ship it?"}
    shown = drawn(run_screen(running(status="paused", paused=paused), look()))
    assert "‖ paused" in shown
    assert "paused: approval — ship it?" in shown


def test_many_steps_show_those_under_way_and_their_neighbours() -> None:
    steps = {
        f"tile-{n}": {"index": n, "status": "completed" if n < 200 else "pending"}
        for n in range(300)
    }
    steps["tile-200"] = {"index": 200, "status": "running"}
    shown = drawn(run_screen(running(steps=steps), look(height=12)))
    assert shown.splitlines()[4:] == [
        "   … 198 more completed",
        " ✓ tile-198",
        " ✓ tile-199",
        f" ● tile-200             {'━' * 10}",
        " ○ tile-201",
        " ○ tile-202",
        "   … 97 more pending",
    ]


statuses = st.lists(st.sampled_from(["pending", "running", "completed", "failed"]), max_size=60)


@given(statuses, st.integers(3, 20))
def test_every_step_is_shown_or_counted_in_the_room_there_is(words: list[str], room: int) -> None:
    parts = visible(words, room)
    assert len(parts) <= max(room, 0)
    covered = [n for part in parts for n in ([part] if isinstance(part, int) else part)]
    assert list(range(len(words))) == covered
    if "running" in words:
        assert words.index("running") in parts


def test_groups_are_counted() -> None:
    groups = {"uploads": {"total": 10000, "counts": {"completed": 1200, "failed": 3, "running": 0}}}
    shown = drawn(run_screen(running(groups=groups), look()))
    assert " uploads  1,200/10,000  ✓ 1,200 completed  ✗ 3 failed" in shown


def test_log_lines_are_cut_on_a_watch_and_whole_in_a_log() -> None:
    line = {"level": "error", "step": "load", "text": "a" * 100 + "\nTraceback"}
    assert 1 == len(drawn(log_text(line), 40).splitlines())
    whole = drawn(log_text(line, whole=True), 200)
    assert f"error    load {'a' * 100}\n    Traceback" == whole


@given(st.floats(0, 0.999999), st.sampled_from(["running", "failed", "cancelled", "lost"]))
def test_no_bar_is_full_before_the_end(fraction: float, status: str) -> None:
    shown = drawn(bar({"fraction": fraction}, status, 0.0, 40), 40)
    assert shown.count("━") < 40


def row(**more: Any) -> dict[str, Any]:
    return {
        "run": "nightly-42",
        "pipeline": "import",
        "status": "running",
        "progress": {"fraction": 0.5},
        "counts": {"total": 4, "completed": 1, "skipped": 1},
        "started_at": at(0),
        "updated_at": at(28),
        **more,
    }


ROWS = [
    row(eta={"p50": "2026-11-21T12:01:10Z", "p90": "2026-11-21T12:01:50Z", "basis": "history"}),
    row(run="01M7YT86W5F3G4TFR064Y9Z3Z8", status="lost", name="Tiles", progress={}, counts={}),
    row(run="b", status="completed", duration=3725.0, progress={"fraction": 1.0}),
]

LIST_100 = """\
RUN                        NAME   STATUS                     % STEPS     TIME   LEFT AGO
nightly-42                 import ● running   ━━━━━       50 %   2/4     30 s ≈ 40 s 2 s
01M7YT86W5F3G4TFR064Y9Z3Z8 Tiles  ? lost                     ?           30 s        2 s
b                          import ✓ completed ━━━━━━━━━━ 100 %   2/4 1 h 02 m        2 s

● 1 running   ✓ 1 completed   ? 1 lost
"""

LIST_80 = """\
RUN                        NAME   STATUS                     %     TIME AGO
nightly-42                 import ● running   ━━━━━       50 %     30 s 2 s
01M7YT86W5F3G4TFR064Y9Z3Z8 Tiles  ? lost                     ?     30 s 2 s
b                          import ✓ completed ━━━━━━━━━━ 100 % 1 h 02 m 2 s

● 1 running   ✓ 1 completed   ? 1 lost
"""

LIST_60 = """\
RUN                        STATUS          %     TIME AGO
nightly-42                 ● running    50 %     30 s 2 s
01M7YT86W5F3G4TFR064Y9Z3Z8 ? lost          ?     30 s 2 s
b                          ✓ completed 100 % 1 h 02 m 2 s

● 1 running   ✓ 1 completed   ? 1 lost
"""


@pytest.mark.parametrize(("width", "screen"), [(100, LIST_100), (80, LIST_80), (60, LIST_60)])
def test_the_list(width: int, screen: str) -> None:
    counts = {"running": 1, "completed": 1, "lost": 1, "failed": 0}
    assert screen == drawn(rows_screen(ROWS, counts, now=NOW, width=width), width) + "\n"


@given(st.integers(20, 120))
def test_no_line_of_the_list_is_too_long(width: int) -> None:
    lines = drawn(rows_screen(ROWS, {}, now=NOW, width=width), width).splitlines()
    assert max(map(len, lines)) <= width


def test_an_empty_list_says_what_to_do() -> None:
    assert "progress-broker demo" in drawn(rows_screen([], {}, now=NOW, width=60))
