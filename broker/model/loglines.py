"""Log lines as they are read: cut out of their stored batches, addressed, and chosen.

A line's address never changes: the batch's cursor, and its place in the batch. As text it is
`<epoch>-<seq>.<place>`; without a place it means the whole batch.
"""

import re
from datetime import datetime
from typing import Final, NamedTuple, Self, get_args

import msgspec

from broker.errors import MalformedEvent
from broker.model.decode import decode
from broker.model.events import Level, LogAppended
from broker.model.record import Record
from broker.model.steps import utc

LEVELS: Final[tuple[Level, ...]] = get_args(Level)
"""From the least to the gravest."""

LARGEST_BATCH: Final = 64 * 1024
"""Bytes that an event with lines may have; what is stored otherwise may have more."""

_RANK: Final[dict[Level | None, int]] = {level: rank for rank, level in enumerate(LEVELS)}
_RANK[None] = _RANK["info"]

_TEXT: Final = re.compile(
    r"([0-9a-z]{1,16})-(0|[1-9][0-9]{0,17})(?:\.(0|[1-9][0-9]{0,5}))?", re.ASCII
)

WHOLE: Final = 1_000_000
"""A place behind the last line of every batch."""

_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c)"  # strings
    r"|\x1b[ -/]*[0-~]"
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Position(NamedTuple):
    """Between two lines of a run: right behind the line `place` of the batch `seq`.

    A place of -1 is before the first line of the batch.
    """

    seq: int
    place: int = WHOLE

    @property
    def begin(self) -> int:
        """The sequence after which reading must begin to miss nothing behind this."""
        return self.seq if self.place == WHOLE else max(0, self.seq - 1)


BEGINNING: Final = Position(0)


class Address(NamedTuple):
    """The address of a line, or of a whole batch where `place` is None."""

    epoch: str
    seq: int
    place: int | None = None

    def __str__(self) -> str:
        batch = f"{self.epoch}-{self.seq}"
        return batch if self.place is None else f"{batch}.{self.place}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read an address; None where the text is none."""
        match = _TEXT.fullmatch(text)
        if match is None:
            return None
        return cls(match[1], int(match[2]), int(match[3]) if match[3] else None)

    @property
    def behind(self) -> Position:
        """Where reading goes on after what is addressed."""
        return Position(self.seq, WHOLE if self.place is None else self.place)

    @property
    def before(self) -> Position:
        """Where what came before it ends."""
        return Position(self.seq, -1 if self.place is None else self.place - 1)


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line, with what it did not say itself: its batch's attempt, the time it was stored."""

    seq: int
    place: int
    time: datetime
    level: Level
    step: str | None
    attempt: int
    text: str

    @property
    def behind(self) -> Position:
        """Right behind this line."""
        return Position(self.seq, self.place)


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines are asked for. Those without a level count as `info`, without attempt as 1."""

    level: Level = "debug"
    """The least level."""
    step: str | None = None
    attempt: int | None = None
    text: str = ""
    """What the text must hold, in any case; colours and other control sequences do not count."""

    @property
    def all(self) -> bool:
        """Whether every line is."""
        return self == EVERY

    @property
    def name(self) -> str:
        """The same for equal choices, and for no others."""
        return msgspec.json.encode(self).decode()


EVERY: Final = Chosen()


def lines_of(record: Record, chosen: Chosen = EVERY) -> list[Line]:
    """The chosen lines of a stored batch; none where the payload is no batch of lines."""
    try:
        batch = decode(record.payload)
    except MalformedEvent:
        return []
    if not isinstance(batch, LogAppended):
        return []
    attempt = batch.attempt or 1
    if chosen.attempt not in (None, attempt):
        return []
    least, step, wanted = _RANK[chosen.level], chosen.step, chosen.text.casefold()
    otherwise = utc(batch.time) or record.stored_at
    return [
        Line(
            record.seq,
            place,
            utc(line.time) or otherwise,
            line.level or "info",
            line.step,
            attempt,
            line.text,
        )
        for place, line in enumerate(batch.lines)
        if _RANK[line.level] >= least
        and (step is None or line.step == step)
        and (not wanted or wanted in plain(line.text).casefold())
    ]


def lines_after(record: Record, chosen: Chosen, position: Position) -> list[Line]:
    """Those of the batch's chosen lines that come after a position."""
    lines = lines_of(record, chosen)
    return lines if record.seq > position.seq else [ln for ln in lines if ln.behind > position]


def lines_upto(record: Record, chosen: Chosen, position: Position) -> list[Line]:
    """Those of the batch's chosen lines that come up to a position."""
    lines = lines_of(record, chosen)
    return lines if record.seq < position.seq else [ln for ln in lines if ln.behind <= position]


class _Tagged(msgspec.Struct):
    type: str


_tagged: Final = msgspec.json.Decoder(_Tagged).decode
_NO_LINES: Final = b'{"type":"log.appended","lines":[]}'


def only_lines(record: Record) -> Record:
    """The record, or an empty batch in its place where it is something else than lines.

    Anyone can publish there what would otherwise be folded: the end of a run, for instance.
    """
    try:
        if _tagged(record.payload).type == "log.appended":
            return record
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    return Record(record.seq, record.stored_at, _NO_LINES)


def plain(text: str) -> str:
    """The text without what a terminal would obey: escape sequences and control characters.

    Line ends and tabs stay.
    """
    if text.isprintable():
        return text
    return _CONTROL.sub("", _SEQUENCE.sub("", text))
