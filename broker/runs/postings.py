"""Which rows have a value: sets of slots, as roaring bitmaps."""

from heapq import nlargest
from typing import Final

from pyroaring import BitMap

from broker.runs.trigrams import Trigrams

_UNUSED: Final = -1


class Postings:
    """For each value the slots that have it. Of some labels nearly every value has one alone."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        # By the value's id:
        self._values: list[str] = []
        self._rows: list[int | BitMap] = []
        self._free: list[int] = []

    def add(self, value: str, slot: int) -> str:
        """A row has the value; gives the value as it is kept, so that nobody keeps another."""
        number = self._ids.get(value)
        if number is None:
            self._begin(value, slot)
            return value
        known = self._rows[number]
        if isinstance(known, BitMap):
            known.add(slot)
        elif known != slot:
            self._rows[number] = BitMap((known, slot))
        return self._values[number]

    def discard(self, value: str, slot: int) -> None:
        """A row has it no longer."""
        number = self._ids[value]
        known = self._rows[number]
        if isinstance(known, BitMap):
            known.discard(slot)
            if known:
                return
        self._end(value, number)

    def having(self, value: str) -> BitMap:
        """The rows that have a value; not to be changed."""
        number = self._ids.get(value)
        if number is None:
            return BitMap()
        known = self._rows[number]
        return known if isinstance(known, BitMap) else BitMap((known,))

    def commonest(self, most: int) -> list[str]:
        """The values that most rows have, `most` of them at most."""
        rows = self._rows
        return nlargest(
            most,
            self._ids,
            key=lambda value: 1 if isinstance(r := rows[self._ids[value]], int) else len(r),
        )

    def _begin(self, value: str, slot: int) -> int:
        if self._free:
            number = self._free.pop()
            self._values[number], self._rows[number] = value, slot
        else:
            number = len(self._values)
            self._values.append(value)
            self._rows.append(slot)
        self._ids[value] = number
        return number

    def _end(self, value: str, number: int) -> None:
        del self._ids[value]
        self._values[number], self._rows[number] = "", _UNUSED
        self._free.append(number)


class Vocabulary(Postings):
    """Postings whose values are searched: each is looked at once, however many rows have it."""

    def __init__(self) -> None:
        super().__init__()
        self._grams = Trigrams()

    def holding(self, term: str) -> BitMap:
        """The rows with a value that holds a folded term."""
        found = list(map(self._rows.__getitem__, self._grams.holding(term)))
        several = [each for each in found if isinstance(each, BitMap)]
        return BitMap([each for each in found if isinstance(each, int)]).union(*several)

    def _begin(self, value: str, slot: int) -> int:
        number = super()._begin(value, slot)
        folded = value.casefold()
        self._grams.put(number, value if folded == value else folded)
        return number

    def _end(self, value: str, number: int) -> None:
        super()._end(value, number)
        self._grams.drop(number)
