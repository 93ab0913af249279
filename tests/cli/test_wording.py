"""How values are said."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.cli.wording import (
    ago,
    amount,
    duration,
    elapsed,
    failure,
    moment,
    number,
    percent,
    remaining,
    safe,
    stamp,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0.0 s"),
        (-3, "0.0 s"),
        (0.44, "0.4 s"),
        (0.97, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 m 00 s"),
        (125, "2 m 05 s"),
        (3599.7, "1 h 00 m"),
        (7380, "2 h 03 m"),
        (86399, "1 d 00 h"),
        (100 * 3600, "4 d 04 h"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert said == duration(seconds)


@pytest.mark.parametrize(
    ("fraction", "completed", "said"),
    [
        (0.0, False, "0 %"),
        (0.29, False, "29 %"),  # 0.29 * 100 is less than 29
        (0.999999, False, "99 %"),
        (1.0, False, "99 %"),
        (0.5, True, "100 %"),
    ],
)
def test_only_what_completed_is_at_100(fraction: float, completed: bool, said: str) -> None:
    assert said == percent(fraction, completed=completed)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ({}, ""),
        ({"total": 3}, ""),
        ({"current": 1234, "unit": "rows"}, "1,234 rows"),
        ({"current": 3, "total": 10, "unit": "files", "total_final": True}, "3/10 files"),
        ({"current": 3, "total": 10, "total_final": False}, "3/≥ 10"),
        ({"current": 0.125, "total": 2.5}, "0.125/2.5"),
        ({"current": 512, "total": 999, "unit": "bytes"}, "512/999 bytes"),
        ({"current": 512, "total": 102273533, "unit": "bytes"}, "0.0/102.3 MB"),
        ({"current": 10**9, "unit": "B"}, "1.0 GB"),
    ],
)
def test_amounts(at: dict[str, object], said: str) -> None:
    assert said == amount(at)


def test_numbers() -> None:
    assert ["1,000,000", "12.3", "0.333"] == [number(10**6), number(12.34), number(1 / 3)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;a title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\x1b", "a\ufffd"),
        ("bell\x07 back\x08", "bell\ufffd back\ufffd"),
        ("\x9b2J", "\ufffd2J"),
        ("one\r\ntwo\nthree\n", "one⏎two⏎three"),
        ("over\rwritten", "over\ufffdwritten"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("tab\there", "tab here"),
        ("[bold]not markup[/bold] ü 漢 👍", "[bold]not markup[/bold] ü 漢 👍"),
    ],
)
def test_what_strangers_wrote_does_nothing_to_a_terminal(text: str, shown: str) -> None:
    assert shown == safe(text)


@given(st.text(st.characters() | st.sampled_from("\x1b[]\x9b\x07\\;m0\r\n")))
def test_nothing_a_terminal_obeys_is_left(text: str) -> None:
    shown = safe(text)
    assert not [c for c in shown if ord(c) < 32 or 127 <= ord(c) < 160]
    assert shown.encode() is not None


def test_times() -> None:
    assert moment("2026-11-21T12:00:00Z") == NOW == moment("2026-11-21T13:00:00+01:00")
    assert [None, None] == [moment("soon"), moment(None)]
    assert "2026-11-21T12:00:00.000Z" == stamp(NOW)
    assert ["now", "2 m 00 s ago"] == [ago(NOW, NOW), ago(NOW - timedelta(minutes=2), NOW)]


def test_what_goes_on_takes_until_now() -> None:
    began = {"started_at": "2026-11-21T11:59:30Z"}
    assert 30.0 == elapsed(began, NOW)
    assert 10.0 == elapsed({**began, "ended_at": "2026-11-21T11:59:40Z"}, NOW)
    assert 7.5 == elapsed({**began, "duration": 7.5}, NOW)
    assert elapsed({}, NOW) is None


def test_of_a_lost_run_nobody_knows_more_than_its_last_sign() -> None:
    """Its clock must not run on as if it worked."""
    lost = {"status": "lost", "started_at": "2026-11-21T11:59:30Z"}
    assert 5.0 == elapsed({**lost, "last_seen": "2026-11-21T11:59:35Z"}, NOW)


def finish(p50: float, p90: float | None = None) -> dict[str, object]:
    ends = {"p50": p50} if p90 is None else {"p50": p50, "p90": p90}
    return {"finish": {name: stamp(NOW + timedelta(seconds=s)) for name, s in ends.items()}}


@pytest.mark.parametrize(
    ("estimate", "said"),
    [
        (None, ""),
        ({"basis": "none"}, ""),
        ({"finish": {"p50": "never"}}, ""),
        (finish(40, 80), "40 s to 1 m 20 s left"),
        (finish(40), "40 s left"),
        (finish(-5, 30), "any moment, or 30 s"),
        (finish(-50, -5), "longer than expected"),
        ({**finish(40, 80), "overdue": True}, "longer than usual"),
        ({"p50": 40, "p90": 80}, "40 s to 1 m 20 s left"),
    ],
)
def test_what_is_left_is_a_range(estimate: dict[str, object] | None, said: str) -> None:
    assert said == remaining(estimate, NOW)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"type": "OSError", "message": "disk full"}, "OSError: disk full"),
        ({"message": "a\nb"}, "a⏎b"),
        ({}, "no reason given"),
        (None, ""),
    ],
)
def test_failures(error: object, said: str) -> None:
    assert said == failure(error)
