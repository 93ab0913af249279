"""Finding text within texts: which of them hold each three characters, as roaring bitmaps.

A term that stands somewhere in a text has all its trigrams there. The few texts that have them all
are then looked at, since they may have them elsewhere.
"""

from collections import defaultdict
from typing import Final

from pyroaring import BitMap

_SIZE: Final = 3
_PAD: Final = "\n\n"
"""Behind a text, so that each of its characters begins a trigram."""
_TOGETHER: Final = 32 * 1024
"""Characters whose trigrams are noted at once, in some 6 ms.

One text after another takes longer: each trigram has its bitmap elsewhere in memory.
"""


class Trigrams:
    """Numbered texts, and the numbers of those that hold a term."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._with: dict[str, BitMap] = {}
        self._fresh: set[int] = set()
        """Numbers whose trigrams are not noted yet."""
        self._fresh_size = 0
        """Characters of their texts."""

    def put(self, number: int, text: str) -> None:
        """Give a number without a text one. Numbers are given out without gaps."""
        if number == len(self._texts):
            self._texts.append("")
        self._texts[number] = text
        self._fresh.add(number)
        self._fresh_size += len(text)
        if self._fresh_size >= _TOGETHER:
            self._note()

    def drop(self, number: int) -> None:
        """Take a number its text."""
        text = self._texts[number]
        if number in self._fresh:
            self._fresh.remove(number)
            self._fresh_size -= len(text)
        else:
            padded = text + _PAD
            for gram in {padded[at : at + _SIZE] for at in range(len(text))}:
                numbers = self._with[gram]
                numbers.discard(number)
                if not numbers:
                    del self._with[gram]
        self._texts[number] = ""

    def _note(self) -> None:
        """Note the trigrams of all texts that are fresh."""
        noted: defaultdict[str, list[int]] = defaultdict(list)
        for number in sorted(self._fresh):
            text = self._texts[number]
            padded = text + _PAD
            for at in range(len(text)):
                noted[padded[at : at + _SIZE]].append(number)
        self._fresh.clear()
        self._fresh_size = 0
        for gram, numbers in noted.items():
            known = self._with.get(gram)
            if known is None:
                self._with[gram] = BitMap(numbers)
            else:
                known.update(numbers)

    def holding(self, term: str) -> BitMap:
        """The numbers whose text holds a term; not to be changed."""
        self._note()
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
