"""Lines cut out of stored batches: addressed, chosen, and harmless."""

import time
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.model.decode import encode
from broker.model.events import Level, LogAppended, LogLine, RunCompleted, RunStarted
from broker.model.loglines import (
    EVERY,
    LEVELS,
    WHOLE,
    Address,
    Chosen,
    Position,
    lines_after,
    lines_of,
    lines_upto,
    only_lines,
    plain,
)
from broker.model.record import Record
from tests import strategies as some
from tests.unit.runs import T0

levels = st.none() | st.sampled_from(LEVELS)
loglines = st.builds(
    LogLine,
    text=some.texts,
    time=st.none() | some.times,
    level=levels,
    step=st.none() | some.step_names,
)
batches = st.builds(
    LogAppended,
    lines=st.lists(loglines, max_size=6),
    time=st.none() | some.times,
    attempt=st.none() | some.attempts,
)
choices = st.builds(
    Chosen,
    level=st.sampled_from(LEVELS),
    step=st.none() | some.step_names,
    attempt=st.none() | some.attempts,
    text=st.sampled_from(["", "a", "A", "0"]),
)


def stored(batch: LogAppended | bytes, seq: int = 7) -> Record:
    return Record(seq, T0, batch if isinstance(batch, bytes) else encode(batch))


def batch_of(*texts: str, level: Level | None = None) -> LogAppended:
    return LogAppended(lines=[LogLine(text=text, level=level) for text in texts])


def test_what_a_line_does_not_say_is_known_of_its_batch() -> None:
    said = datetime(2026, 1, 2, tzinfo=UTC)
    batch = LogAppended(
        attempt=3,
        lines=[LogLine(text="a"), LogLine(text="b", time=said, level="error", step="fit")],
    )
    first, second = lines_of(stored(batch))
    assert (7, 0, T0, "info", None, 3, "a") == msgspec.structs.astuple(first)
    assert (7, 1, said, "error", "fit", 3, "b") == msgspec.structs.astuple(second)
    assert [1, 1] == [line.attempt for line in lines_of(stored(batch_of("a", "b")))]


@given(batches, choices)
def test_a_line_keeps_its_place_whatever_is_chosen(batch: LogAppended, chosen: Chosen) -> None:
    every = lines_of(stored(batch))
    assert list(range(len(batch.lines))) == [line.place for line in every]
    assert [line for line in every if line in lines_of(stored(batch), chosen)] == lines_of(
        stored(batch), chosen
    )


@given(batches, choices)
def test_chosen_are_those_that_fit_in_all_respects(batch: LogAppended, chosen: Chosen) -> None:
    chosen_lines = lines_of(stored(batch), chosen)
    for line in lines_of(stored(batch)):
        fits = (
            LEVELS.index(line.level) >= LEVELS.index(chosen.level)
            and chosen.step in (None, line.step)
            and chosen.attempt in (None, line.attempt)
            and chosen.text.lower() in line.text.lower()
        )
        assert fits == (line in chosen_lines)


@given(batches, choices, st.integers(6, 8), st.integers(-1, 7) | st.just(WHOLE))
def test_a_position_parts_a_batch_in_two(
    batch: LogAppended, chosen: Chosen, seq: int, place: int
) -> None:
    at = Position(seq, place)
    before, after = lines_upto(stored(batch), chosen, at), lines_after(stored(batch), chosen, at)
    assert lines_of(stored(batch), chosen) == before + after
    assert all((line.seq, line.place) <= at for line in before)


def test_the_levels_in_their_order() -> None:
    batch = LogAppended(
        lines=[LogLine(text=level, level=level) for level in LEVELS] + [LogLine(text="no level")]
    )
    shown = {
        least: [ln.text for ln in lines_of(stored(batch), Chosen(level=least))] for least in LEVELS
    }
    assert [*LEVELS, "no level"] == shown["debug"]
    assert [*LEVELS[1:], "no level"] == shown["info"]
    assert ["progress", "success", "warning", "error"] == shown["progress"]
    assert ["error"] == shown["error"]


def test_text_is_found_in_any_case_and_through_colours() -> None:
    record = stored(batch_of("\x1b[31mCon\x1b[1mnection\x1b[0m LOST", "connected", "STRASSE"))

    def found(text: str) -> list[int]:
        return [line.place for line in lines_of(record, Chosen(text=text))]

    assert [0] == found("connection lost")
    assert [0, 1] == found("CONNECT")
    assert [2] == found("straße")
    assert [] == found("[31m")


@pytest.mark.parametrize(
    "payload", [b"", b"\xff", b"{}", b"[]", b'{"type":"log.appended"}', encode(RunCompleted())]
)
def test_what_is_no_batch_has_no_lines(payload: bytes) -> None:
    assert [] == lines_of(stored(payload))
    [*lines] = lines_of(only_lines(stored(payload)))
    assert [] == lines
    assert 7 == only_lines(stored(payload)).seq


def test_only_what_is_tagged_as_lines_reaches_a_hub() -> None:
    batch = stored(batch_of("a"))
    assert batch is only_lines(batch)
    for payload in (encode(RunCompleted()), encode(RunStarted()), b"\xff", b'{"type":1}', b"1"):
        assert encode(LogAppended(lines=[])) == only_lines(stored(payload)).payload


class TestAddress:
    def test_its_text(self) -> None:
        assert "mwq4a9sp-12.3" == str(Address("mwq4a9sp", 12, 3))
        assert "mwq4a9sp-12" == str(Address("mwq4a9sp", 12))

    @given(st.integers(0, 10**17), st.none() | st.integers(0, 999_999))
    def test_text_leads_back(self, seq: int, place: int | None) -> None:
        address = Address("e1", seq, place)
        assert address == Address.parse(str(address))

    @pytest.mark.parametrize(
        "text",
        ["", "12", "e-1.", "e-1.-1", "e-01", "e-1.01", "e-1.1.1", "E-1", "e-1.x", "e-\u0661",
         "e-1\n", "e-1.1000000", "e-" + "1" * 20],
    )  # fmt: skip
    def test_what_is_none(self, text: str) -> None:
        assert Address.parse(text) is None

    def test_around_a_line_and_around_a_batch(self) -> None:
        line, batch = Address("e", 7, 2), Address("e", 7)
        assert ((7, 2), (7, 1)) == (line.behind, line.before)
        assert ((7, WHOLE), (7, -1)) == (batch.behind, batch.before)


class TestPlain:
    @pytest.mark.parametrize(
        ("text", "left"),
        [
            ("plain", "plain"),
            ("tab\tand\nend", "tab\tand\nend"),
            ("\x1b[1;31mred\x1b[0m", "red"),
            ("\x9b31mred", "red"),
            ("\x1b]0;your title\x07text", "text"),
            ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x9d0;title\x9ctext", "text"),
            ("\x1bP1$r0m\x1b\\text", "text"),
            ("\x1b(Btext\x1bc", "text"),
            ("over\rwrite\x08\x7f\x00\x07", "overwrite"),
            ("cut \x1b[31", "cut 31"),
            ("open \x1b]0;never closed", "open 0;never closed"),
            ("\x1b\x1b[0m[31mhidden", "[31mhidden"),
            ("größe 統計 😀", "größe 統計 😀"),
        ],
    )
    def test_what_is_left(self, text: str, left: str) -> None:
        assert left == plain(text)

    @given(st.text(st.sampled_from("\x1b\x9b\x9d\x9c[]P;?0m\x07\\a\n\t\r ")))
    def test_nothing_is_left_that_a_terminal_obeys(self, text: str) -> None:
        assert set("\t\n") >= {sign for sign in plain(text) if not sign.isprintable()}
        assert plain(text) == plain(plain(text))

    @pytest.mark.parametrize(
        "part", ["\x1b]", "\x9d", "\x1b[0", "\x9b0;", "\x1bP ", "\x1b ", "\x1b"]
    )
    def test_a_text_made_to_take_long_takes_no_longer(self, part: str) -> None:
        """Backtracking over 256 KiB would take minutes."""
        began = time.process_time()
        plain(part * (256 * 1024 // len(part)) + "a")
        assert time.process_time() - began < 5


def test_choices_that_are_alike_have_one_name() -> None:
    assert Chosen(step="a").name == Chosen(step="a").name
    assert 3 == len({Chosen(step="a").name, Chosen(text="a").name, EVERY.name})
