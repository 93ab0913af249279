"""Log lines as JSON and as text: exact, on one line, and nothing in them that a terminal obeys."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.model.decode import decode, encode
from broker.model.events import LogAppended, LogLine, RunStarted
from broker.model.loglines import Chosen, Line, lines_of
from broker.model.record import Record
from broker.views.lines import LinesView, line_json, line_text
from broker.views.message import Change
from tests import strategies as some
from tests.unit.runs import T0, new

HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x9b2J\x7f\r\x00 é"

lines = st.builds(
    Line,
    seq=st.integers(0, 2**53),
    place=st.integers(0, 999),
    time=some.times.filter(lambda time: time.tzinfo is not None and 2 < time.year < 9999),
    level=st.sampled_from(["debug", "error"]),
    step=st.none() | some.texts,
    attempt=some.attempts,
    text=st.text(st.characters(exclude_categories=["Cs"])),
)


def line(text: str, step: str | None = None) -> Line:
    return Line(7, 2, T0 + timedelta(milliseconds=5), "warning", step, 1, text)


def test_a_line_as_json() -> None:
    assert (
        b'{"cursor":"e-7","place":2,"time":"2026-01-01T00:00:00.005Z","level":"warning",'
        b'"step":"fit","attempt":1,"text":"a\\nb"}'
    ) == line_json(line("a\nb", "fit"), "e")
    assert b'"step"' not in line_json(line("a"), "e")


@given(lines)
def test_json_gives_back_every_character_and_shows_none_that_a_terminal_obeys(one: Line) -> None:
    shown = line_json(one, "e")
    assert (one.text, one.step) == (json.loads(shown)["text"], json.loads(shown).get("step"))
    assert all(sign >= " " and not "\x7f" <= sign <= "\x9f" for sign in shown.decode())


def test_a_line_as_text() -> None:
    assert "2026-01-01T00:00:00.005Z WARNING [fit] done\n" == line_text(line("done", "fit"))
    assert "2026-01-01T00:00:00.005Z WARNING done\n" == line_text(line("done"))
    assert "2026-01-01T00:00:00.005Z WARNING red é\n" == line_text(line(HOSTILE))


@given(lines)
def test_no_text_passes_for_a_line_of_its_own(one: Line) -> None:
    first, *others = line_text(one)[:-1].split("\n")
    assert " ".join([*first.split(" ")[1:2]]) == one.level.upper()
    assert all(other.startswith("    ") for other in others)
    assert all(sign.isprintable() or sign in "\n\t" or ord(sign) > 0x9F for sign in line_text(one))


def test_a_step_of_several_lines_stays_on_one() -> None:
    assert 1 == line_text(line("x", "a\nb\x1b[0m")).count("\n")
    assert "[a b]" in line_text(line("x", "a\nb\x1b[0m"))


@pytest.mark.parametrize("level", ["debug", "error"])
def test_the_view_shows_the_chosen_lines_with_their_addresses(level: str) -> None:
    batch = LogAppended(lines=[LogLine(text="a", level="error"), LogLine(text="b")])
    record = Record(7, T0, encode(batch))
    foreign = Record(8, T0, encode(RunStarted()))
    reports = [(decode(each.payload), each) for each in (record, foreign)]
    chosen = Chosen(level="error" if level == "error" else "debug")
    view = LinesView(chosen)
    messages = list(view.changes(Change("e", reports, new(), {})))
    assert [line_json(each, "e") for each in lines_of(record, chosen)] == [m.data for m in messages]
    assert ["e-7.0", "e-7.1"][: len(messages)] == [str(m.cursor) for m in messages]
    assert {"log"} == {m.kind for m in messages}
    assert (1 if level == "error" else 2) == len(messages)
    assert [] == list(view.snapshot(new(), "e"))
