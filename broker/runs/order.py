"""Rows in the order of a key that changes, to be walked from anywhere in either direction."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final, TypeAlias

Key: TypeAlias = tuple[Any, ...]
"""What rows are compared by. Keys differ; a position is a key that is cut short."""

_BLOCK: Final = 1024


class Order:
    """Sorted blocks of slots: adding and removing cost a bisection and a move within a block.

    A row is removed before its key changes, and added again after.
    """

    def __init__(self, slots: Iterable[int], key: Callable[[int], Key]) -> None:
        """The slots come in order."""
        self._key = key
        ordered = array("I", slots)
        self._blocks = [ordered[at : at + _BLOCK] for at in range(0, len(ordered), _BLOCK)]
        self._lasts = [key(block[-1]) for block in self._blocks]
        """The key of the last row of each block."""

    @property
    def first(self) -> int:
        """The least row. Raises IndexError where there is none."""
        return self._blocks[0][0]

    def add(self, slot: int) -> None:
        """Take a row in."""
        key = self._key(slot)
        if not self._blocks:
            self._blocks.append(array("I"))
            self._lasts.append(key)
        at = min(bisect_left(self._lasts, key), len(self._blocks) - 1)
        block = self._blocks[at]
        if key >= self._lasts[at]:
            block.append(slot)
            self._lasts[at] = key
        else:
            block.insert(bisect_left(block, key, key=self._key), slot)
        if len(block) > _BLOCK:
            # Most rows come at the end, where a full block stays full.
            half = _BLOCK if at == len(self._blocks) - 1 else _BLOCK // 2
            self._blocks[at : at + 1] = [block[:half], block[half:]]
            self._lasts.insert(at, self._key(block[half - 1]))

    def remove(self, slot: int) -> None:
        """Let a row go."""
        key = self._key(slot)
        at = bisect_left(self._lasts, key)
        block = self._blocks[at]
        del block[bisect_left(block, key, key=self._key)]
        if not block:
            del self._blocks[at], self._lasts[at]
        elif key == self._lasts[at]:
            self._lasts[at] = self._key(block[-1])

    def upward(self, after: Key) -> Iterator[int]:
        """The rows from the least on; from after a position, unless that is empty."""
        if not after:
            return chain.from_iterable(self._blocks)
        at = bisect_right(self._lasts, after)
        if at == len(self._blocks):
            return iter(())
        block = self._blocks[at]
        rest = block[bisect_right(block, after, key=self._key) :]
        return chain(rest, *self._blocks[at + 1 :])

    def downward(self, before: Key) -> Iterator[int]:
        """The rows from the greatest on; from before a position, unless that is empty."""
        if not before:
            return chain.from_iterable(map(reversed, reversed(self._blocks)))
        at = min(bisect_left(self._lasts, before), len(self._blocks) - 1)
        if at < 0:
            return iter(())
        block = self._blocks[at]
        rest = block[: bisect_left(block, before, key=self._key)]
        return chain(reversed(rest), *map(reversed, reversed(self._blocks[:at])))

    def beyond(self, count: int, *, downward: bool) -> Iterator[int]:
        """The rows but for the first so many; blocks that hold only such are not looked at."""
        blocks = self._blocks[::-1] if downward else self._blocks
        for at, block in enumerate(blocks):
            if count < len(block):
                rest = map(reversed, blocks[at:]) if downward else blocks[at:]
                return islice(chain.from_iterable(rest), count, None)
            count -= len(block)
        return iter(())
