"""Log lines: text cut into lines that fit, and lines joined into events. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, get_args

import msgspec

from broker.model.events import Level, LogLine

LONGEST: Final = 8192
"""Characters of a line. JSON writes at most six bytes for one, so that a line fits an event."""

LARGEST: Final = 1024 * 1024
"""Characters of one call; what is beyond is cut."""

MOST: Final = 10_000
"""Lines of one call; what is beyond is cut."""

BATCH: Final = 64 * 1024 - 512
"""Bytes of the lines of one event; the rest of its 64 KiB is for its other fields."""

_ALIASES: Final = {"warn": "warning", "critical": "error", "fatal": "error"}
_LEVELS: Final[dict[str, Level]] = {level: level for level in get_args(Level)}


def level_of(name: object) -> Level | None:
    """The level that a name means, in any case and in Python's words too; None for no level."""
    folded = str(name).lower()
    return _LEVELS.get(_ALIASES.get(folded, folded))


def lines_of(text: str, *, time: datetime, level: Level, step: str | None) -> Iterator[bytes]:
    """The lines of a text, each as JSON. Too long a line becomes several."""
    if len(text) > LARGEST:
        text = f"{text[:LARGEST]}\n({len(text) - LARGEST:,} characters are cut)"
    lines = writable(text).rstrip("\r\n").split("\n", MOST)
    if len(lines) > MOST:
        lines[-1] = f"({lines[-1].count(chr(10)) + 1:,} lines are cut)"
    step = writable(step)[:256] or None if step is not None else None
    for line in lines:
        for begin in range(0, max(1, len(line)), LONGEST):
            part = line[begin : begin + LONGEST].rstrip("\r")
            yield msgspec.json.encode(LogLine(text=part, time=time, level=level, step=step))


def writable(text: str) -> str:
    """The text with a question mark for what UTF-8 cannot express."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


class Batch:
    """Lines that wait to become one event."""

    __slots__ = ("_bytes", "_lines")

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._bytes = 0

    def add(self, line: bytes) -> list[bytes]:
        """Take a line in; gives the lines before it if it does not fit behind them."""
        full = self.take() if self._bytes + len(line) + 1 > BATCH else []
        self._lines.append(line)
        self._bytes += len(line) + 1
        return full

    def take(self) -> list[bytes]:
        """All lines; none are left."""
        lines, self._lines, self._bytes = self._lines, [], 0
        return lines
