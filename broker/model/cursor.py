"""Cursors: one position in the stream, as text that a client may keep.

A cursor is `<epoch>-<seq>`: the stream sequence and a token of the stream's creation, so that a
cursor of a stream that was deleted and made again is recognised.
"""

import re
from datetime import datetime
from typing import Final, NamedTuple, Self

_TEXT: Final = re.compile(r"([0-9a-z]{1,16})-(0|[1-9][0-9]{0,18})", re.ASCII)
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


class Cursor(NamedTuple):
    """A position: everything up to and including `seq` of the stream `epoch` is known."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read a cursor; None where the text is none."""
        match = _TEXT.fullmatch(text)
        return cls(match[1], int(match[2])) if match else None


def epoch_of(created: datetime) -> str:
    """The epoch of a stream: its creation time in milliseconds, in base 36."""
    number = max(0, int(created.timestamp() * 1000))
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits
