"""What the broker logs is one line each, says where to look, and repeats nothing harmful."""

import ast
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.errors import StreamUnavailable
from broker.logs import AGAIN, ALIKE, LONGEST, WINDOW, Calm, Failures, JsonLines, TextLines, about

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "logs-of-the-gateway.md").read_text()
HARMFUL = "\x1b]0;title\x07 \x9b31m \x7f \r\n second \udcff"


def record(msg: str, *args: object, **more: Any) -> logging.LogRecord:
    """As a logger makes one."""
    made = logging.LogRecord("broker.x", logging.WARNING, "x.py", 7, msg, args, None)
    vars(made).update(more)
    return made


def line_of(made: logging.LogRecord) -> dict[str, Any]:
    text = JsonLines().format(made)
    assert text.isprintable(), text
    found: dict[str, Any] = json.loads(text)
    return found


def raised(text: str) -> logging.LogRecord:
    """A record with a traceback."""
    made = record("it failed")
    try:
        raise ValueError(text)
    except ValueError as error:
        made.exc_info = (ValueError, error, error.__traceback__)
    return made


def test_a_line_has_the_fields_of_the_page_in_their_order() -> None:
    line = line_of(record("run %s is lost", "r1", **about("runs_lost", run="r1", count=3)))
    assert ["ts", "level", "logger", "event", "msg", "run", "count"] == list(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["ts"])
    wanted = {"level": "warning", "logger": "broker.x", "event": "runs_lost", "run": "r1"}
    assert wanted == {name: line[name] for name in wanted}
    assert ("run r1 is lost", 3) == (line["msg"], line["count"])


def test_a_traceback_is_a_field() -> None:
    line = line_of(raised("why"))
    assert "ValueError" == line["error_type"]
    assert line["error"].endswith("ValueError: why")


@pytest.mark.parametrize("made", [record(HARMFUL), record("%s", HARMFUL), raised(HARMFUL)])
def test_no_control_character_is_written(made: logging.LogRecord) -> None:
    """Not those of C1 either, and what is no text is shown as what it is."""
    line = line_of(made)
    assert "\\udcff" in line.get("error", line["msg"])
    text = TextLines().format(made)
    assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f]*", text)
    assert 1 == len(text.split("\n")) or made.exc_info


def test_context_is_escaped_too() -> None:
    assert "\\udcff" in line_of(record("x", **about("other", path=HARMFUL)))["path"]


def test_what_is_long_is_cut_in_the_middle() -> None:
    said = line_of(record("a" * LONGEST + "b" * LONGEST))["msg"]
    assert len(said) < LONGEST + 50
    assert (said[0], said[-1]) == ("a", "b")
    assert len(line_of(raised("x" * 100_000))["error"]) < 4 * LONGEST + 50


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_of_many_lines_alike_a_few_are_written() -> None:
    """The next one tells how many were not; other places are not disturbed."""
    clock = Clock()
    calm = Calm(clock)
    passed = [calm.allows(record("reading %s again", n)) for n in range(1000)]
    assert [True] * ALIKE + [False] * (1000 - ALIKE) == passed
    other = record("another")
    other.lineno = 8
    assert calm.allows(other)
    clock.now += WINDOW
    again = record("reading %s again", 1000)
    assert calm.allows(again)
    assert 1000 - ALIKE == line_of(again)["suppressed"]
    assert f"({1000 - ALIKE} more like this before)" in TextLines().format(again)


@pytest.fixture
def heard() -> Iterator[tuple[logging.Logger, list[logging.LogRecord]]]:
    """A logger, and what it logged."""
    records: list[logging.LogRecord] = []
    log = logging.getLogger("test.failures")

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = Handler()
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    yield log, records
    log.removeHandler(handler)


def test_a_failure_that_goes_on_is_told_once_in_a_while(
    heard: tuple[logging.Logger, list[logging.LogRecord]],
) -> None:
    log, records = heard
    clock = Clock()
    failures = Failures(log, clock)
    for number in range(50):
        failures.tell("reading", StreamUnavailable(f"read r{number}", "no answer"))
    failures.tell("reading", StreamUnavailable("read", "refused"))
    assert 2 == len(records)
    clock.now += AGAIN
    failures.tell("reading", StreamUnavailable("read", "no answer"))
    line = line_of(records[-1])
    assert ("tried_again", "reading", "StreamUnavailable") == (
        line["event"],
        line["doing"],
        line["error_type"],
    )
    assert line["msg"].endswith("(49 more times before)")


def test_failures_that_never_repeat_are_not_remembered_for_ever(
    heard: tuple[logging.Logger, list[logging.LogRecord]],
) -> None:
    log, _ = heard
    failures = Failures(log, Clock())
    for number in range(1000):
        failures.tell("reading", ValueError(str(number)))
    assert len(failures._told) < 100


# What the code logs, and what the page says that it does.


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every line that a gateway may log."""
    for folder in ("gateway", "runs", "stream", "hub"):
        for file in sorted((ROOT / "broker" / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                if isinstance(node.func.value, ast.Name) and node.func.value.id == "log":
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def test_every_line_says_what_it_is_about() -> None:
    """So that it is found by `event`, however its words change."""
    found = list(calls())
    assert len(found) > 20
    without = [where for where, call in found if not any(k.arg == "extra" for k in call.keywords)]
    assert [] == without, "give extra=about(event, …), and tell the event in the page"


def test_the_page_names_every_event_and_no_other() -> None:
    code = "\n".join(file.read_text() for file in (ROOT / "broker").rglob("*.py"))
    used = {*re.findall(r'about\(\s*"(\w+)"', code), "other"}
    table = PAGE.split("## Events")[1].split("## ")[0]
    rows = [row.split("|")[1] for row in table.split("\n") if row.startswith("| `")]
    assert used == {event for row in rows for event in re.findall(r"`(\w+)`", row)}
