"""Log lines as clients see them: JSON for programs, plain text for people."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from broker.model.events import Level, LogAppended
from broker.model.loglines import Address, Chosen, Line, lines_of, plain
from broker.model.state import RunState
from broker.views.message import Change, Message
from broker.views.native import end_message, rfc3339

_encode: Final = msgspec.json.Encoder().encode
_RAW_CONTROL: Final = re.compile(rb"\x7f|\xc2[\x80-\x9f]")
_INDENT: Final = "\n    "


class _Shown(msgspec.Struct, frozen=True, gc=False):
    cursor: str
    place: int
    time: str
    level: Level
    step: str | msgspec.UnsetType
    attempt: int
    text: str


class LinesView:
    """The chosen lines of a run, each with its address; made of records of the LOGS stream."""

    kind = "logs"
    contiguous = True
    patched = False

    def __init__(self, chosen: Chosen) -> None:
        self.name = f"{self.kind} {chosen.name}"
        self._chosen = chosen

    def hello(self, said: dict[str, object]) -> Iterator[Message]:
        """What a client gets first: where it begins."""
        yield Message("hello", _encode(said))

    def snapshot(self, state: RunState, epoch: str) -> Iterator[Message]:
        """Nothing stands for lines that were missed."""
        yield from ()

    def changes(self, change: Change) -> Iterator[Message]:
        for event, record in change.reports:
            if isinstance(event, LogAppended):
                yield from self.messages(lines_of(record, self._chosen), change.epoch)

    def messages(self, lines: Iterable[Line], epoch: str) -> Iterator[Message]:
        """The lines, one message each."""
        for line in lines:
            yield Message("log", line_json(line, epoch), address_of(line, epoch))

    def end(self, state: RunState) -> Iterator[Message]:
        yield end_message(state)


def address_of(line: Line, epoch: str) -> Address:
    """Where the line is found for ever."""
    return Address(epoch, line.seq, line.place)


def line_json(line: Line, epoch: str) -> bytes:
    """The line as JSON on one line, in which every control character is escaped."""
    shown = _encode(
        _Shown(
            f"{epoch}-{line.seq}",
            line.place,
            rfc3339(line.time),
            line.level,
            msgspec.UNSET if line.step is None else line.step,
            line.attempt,
            line.text,
        )
    )
    if shown.isascii() and b"\x7f" not in shown:
        return shown
    return _RAW_CONTROL.sub(lambda found: b"\\u00%02x" % found[0][-1], shown)


def line_text(line: Line) -> str:
    """The line as a person reads it: `<time> <LEVEL> [step] text`, and nothing a terminal obeys.

    What follows a line end is indented, so that no text can pass for a line of its own.
    """
    text = plain(line.text).replace("\n", _INDENT)
    step = "" if line.step is None else f"[{plain(line.step).replace(chr(10), ' ')}] "
    return f"{rfc3339(line.time)} {line.level.upper()} {step}{text}\n"
