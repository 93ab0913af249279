"""Cursors of streams of several runs: `<epoch>-<seq>`, or `<epoch>-<seq>-<digest>`.

One number tells up to where a client has what it is shown. Where it must also be known *what* that
was, a digest tells: which runs a filter selected, or how each of several runs ended.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self
from zlib import crc32

from broker.model.cursor import Cursor


def digest(texts: Iterable[str]) -> str:
    """What tells one set of texts without line ends from another."""
    return f"{crc32(chr(10).join(sorted(texts)).encode()):08x}"


class Heads(NamedTuple):
    """A cursor, and the digest where it has one."""

    cursor: Cursor
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.cursor}-{self.digest}" if self.digest else str(self.cursor)

    @classmethod
    def at_end(cls, epoch: str, heads: Mapping[str, int]) -> Self:
        """What names exactly these last sequences by subject."""
        told = [f"{subject} {seq}" for subject, seq in heads.items()]
        return cls(Cursor(epoch, max(heads.values())), digest(told))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read one; None where the text is none."""
        cursor = Cursor.parse(text)
        if cursor is not None:
            return cls(cursor)
        begin, _, found = text.rpartition("-")
        cursor = Cursor.parse(begin)
        return cls(cursor, found) if cursor is not None and len(found) == 8 else None
