"""Finding text within texts: which of them hold each three characters, as roaring bitmaps.

A term that stands somewhere in a text has all its trigrams there. The few texts that have them all
are then looked at, since they may have them elsewhere.
"""

from collections.abc import Callable
from typing import Final

from pyroaring import BitMap

_SIZE: Final = 3
_PAD: Final = "\n\n"
"""Behind a text, so that each of its characters begins a trigram."""


class _Adders(dict[str, Callable[[int], None]]):
    """For each trigram what adds a number to it: most of the time goes into these calls."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[str, BitMap] = {}

    def __missing__(self, gram: str) -> Callable[[int], None]:
        self.numbers[gram] = numbers = BitMap()
        self[gram] = numbers.add
        return numbers.add


class Trigrams:
    """Numbered texts, and the numbers of those that hold a term."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._adders = _Adders()
        self._with = self._adders.numbers

    def put(self, number: int, text: str) -> None:
        """Give a number without a text one. Numbers are given out without gaps."""
        if number == len(self._texts):
            self._texts.append("")
        self._texts[number] = text
        for add in map(self._adders.__getitem__, _trigrams(text)):
            add(number)

    def drop(self, number: int) -> None:
        """Take a number its text."""
        for gram in _trigrams(self._texts[number]):
            numbers = self._with[gram]
            numbers.discard(number)
            if not numbers:
                del self._with[gram], self._adders[gram]
        self._texts[number] = ""

    def holding(self, term: str) -> BitMap:
        """The numbers whose text holds a term; not to be changed."""
        if len(term) < _SIZE:
            return BitMap().union(*[n for gram, n in self._with.items() if gram.startswith(term)])
        grams = {term[at : at + _SIZE] for at in range(len(term) - _SIZE + 1)}
        if not grams <= self._with.keys():
            return BitMap()
        rarest, *others = sorted([self._with[gram] for gram in grams], key=len)
        numbers = rarest.intersection(*others) if others else rarest
        if len(term) == _SIZE:
            return numbers
        texts = self._texts
        return BitMap([number for number in numbers if term in texts[number]])


def _trigrams(text: str) -> set[str]:
    padded = text + _PAD
    return {padded[at : at + _SIZE] for at in range(len(text))}
