"""The words of `q`: which rows hold a word in their id, name, pipeline or labels."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from pyroaring import BitMap

from broker.model.summary import Summary
from broker.runs.fields import text_of
from broker.runs.postings import Vocabulary

_KEPT: Final = 512
"""Words whose rows are kept up to date, since lists that are watched ask again and again.

As many as watched lists can have; each takes 25 KB at most.
"""


class Search:
    """Finds rows by a folded word.

    `texts` holds each row's id and name, which differ from row to row: they are all looked at.
    What many rows have in common is looked up in the vocabularies.
    """

    def __init__(self, texts: Sequence[str], *vocabularies: Vocabulary) -> None:
        self._texts = texts
        self._vocabularies = vocabularies
        self._found: OrderedDict[str, BitMap] = OrderedDict()

    def put(self, slot: int, summary: Summary) -> None:
        """Note what a row says now; texts and vocabularies know it already."""
        if self._found:
            text = text_of(summary)
            for word, rows in self._found.items():
                if word in text:
                    rows.add(slot)
                else:
                    rows.discard(slot)

    def drop(self, slot: int) -> None:
        """Forget a row."""
        for rows in self._found.values():
            rows.discard(slot)

    def holding(self, word: str) -> BitMap:
        """The rows that hold a word; not to be changed."""
        rows = self._found.get(word)
        if rows is None:
            rows = BitMap([slot for slot, text in enumerate(self._texts) if word in text])
            rows = rows.union(*[each.holding(word) for each in self._vocabularies])
            self._found[word] = rows
            if len(self._found) > _KEPT:
                self._found.popitem(last=False)
        self._found.move_to_end(word)
        return rows
