"""What rows are sorted by, and the rows in each such order."""

import math
from array import array
from collections.abc import Callable, Iterator, MutableSequence
from datetime import datetime
from heapq import nlargest, nsmallest
from itertools import islice
from typing import Any, Final

from pyroaring import BitMap

from broker.model.summary import Summary
from broker.runs.fields import ABSENT, began
from broker.runs.order import Key, Order
from broker.runs.query import NUMBERS, STATUSES, Position, Query

_FEW: Final = 4096
"""Rows that are sorted at once rather than looked for in the order of all."""

_MANY_TIMES: Final = 8
"""As many more rows as are asked for make it worth while to look for these before sorting."""

_CODE: Final = {status: code for code, status in enumerate(STATUSES)}


class Columns:
    """The sort keys of every row, by slot. An order is made when it is first asked for."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.texts: list[str] = []
        """Folded name and id: what a sort by name compares."""
        self._keys: dict[str, MutableSequence[Any]] = {name: array("d") for name in NUMBERS}
        self._keys |= {"name": self.texts, "pipeline": []}
        self._appends = [column.append for column in self._keys.values()]
        self._orders: dict[str, Order] = {}
        self._used = BitMap()

    def put(self, slot: int, summary: Summary, pipeline: str) -> None:
        """Give a row its keys; slots are given out without gaps."""
        keys = _keys_of(summary, pipeline)
        if slot == len(self.runs):
            self.runs.append(summary.run)
            for append, key in zip(self._appends, keys, strict=True):
                append(key)
            moved = list(self._orders.values())
        else:
            moved = self._moving(slot, keys)
            self.runs[slot] = summary.run
            for column, key in zip(self._keys.values(), keys, strict=True):
                column[slot] = key
        self._used.add(slot)
        for order in moved:
            order.add(slot)

    def _moving(self, slot: int, keys: tuple[Any, ...]) -> list[Order]:
        """Take a row out of the orders in which it does not stay; gives these."""
        if slot not in self._used:
            return list(self._orders.values())
        moving = []
        for (sort, column), key in zip(self._keys.items(), keys, strict=True):
            order = self._orders.get(sort)
            if order is not None and column[slot] != key:
                order.remove(slot)
                moving.append(order)
        return moving

    def drop(self, slot: int) -> None:
        """Forget a row."""
        for order in self._orders.values():
            order.remove(slot)
        self._used.discard(slot)
        self.texts[slot] = ""

    def arrange(self) -> Iterator[None]:
        """Make every order, one with each step: what is asked for later is there."""
        used: BitMap | None = None
        by_run: list[int] = []
        for sort in self._keys:
            if used != self._used:
                used, by_run = self._used.copy(), self._by_run()
            if sort not in self._orders:
                self._arrange(sort, by_run)
            yield

    def oldest(self) -> tuple[int, float]:
        """The row that was updated least recently, and when. Raises IndexError without rows."""
        slot = self.order("updated_at").first
        return slot, self._keys["updated_at"][slot]

    def order(self, sort: str) -> Order:
        """All rows in the order of a key; among equals the run decides."""
        order = self._orders.get(sort)
        if order is None:
            order = self._arrange(sort, self._by_run())
        return order

    def _by_run(self) -> list[int]:
        return sorted(self._used, key=self.runs.__getitem__)

    def _arrange(self, sort: str, by_run: list[int]) -> Order:
        """Make an order of all rows, given in the order of their runs.

        A second sort that needs no call of ours takes a fifth of the time of one by both.
        """
        slots = sorted(by_run, key=self._keys[sort].__getitem__)
        order = self._orders[sort] = Order(slots, self._key(sort))
        return order

    def position(self, sort: str, slot: int) -> Position:
        """Where a row stands in an order."""
        return Position(self._keys[sort][slot], self.runs[slot])

    def select(self, query: Query, found: BitMap, most: int) -> list[int]:
        """The first of the found rows, in the query's order, after its position or its offset."""
        skipped = query.offset
        if skipped >= len(found):
            return []
        after: Key = query.after or ()
        if after and not query.descending:
            after = (*after, math.inf)
        if len(found) > _FEW:
            order, down = self.order(query.sort), query.descending
            if skipped and len(found) == len(self._used):
                return list(islice(order.beyond(skipped, downward=down), most))
            left = len(found) - skipped
            if left < skipped:  # nearer from the other end
                back = order.upward(()) if down else order.downward(())
                last = islice(filter(found.__contains__, back), max(0, left - most), left)
                return list(last)[::-1]
            walk = order.downward(after) if down else order.upward(after)
            return list(islice(filter(found.__contains__, walk), skipped, skipped + most))
        key, rows = self._key(query.sort), list(found)
        if after:
            rows = [r for r in rows if (key(r) < after if query.descending else key(r) > after)]
        rows = self._reduced(query, rows, skipped + most)
        return sorted(rows, key=key, reverse=query.descending)[skipped : skipped + most]

    def _reduced(self, query: Query, rows: list[int], most: int) -> list[int]:
        """The rows that may be among the first so many, by their sort keys alone.

        Not to compare runs too, which nearly never decide, takes a fifth of the time.
        """
        if len(rows) <= _MANY_TIMES * most:
            return rows
        value = self._keys[query.sort].__getitem__
        if query.descending:
            least = nlargest(most, map(value, rows))[-1]
            return [row for row in rows if value(row) >= least]
        greatest = nsmallest(most, map(value, rows))[-1]
        return [row for row in rows if value(row) <= greatest]

    def _key(self, sort: str) -> Callable[[int], Key]:
        column, runs = self._keys[sort], self.runs
        return lambda slot: (column[slot], runs[slot], slot)


def _keys_of(summary: Summary, pipeline: str) -> tuple[Any, ...]:
    """The keys in the order of SORTS."""
    return (
        _seconds(summary.updated_at or summary.last_seen),
        began(summary),
        _seconds(summary.queued_at),
        _seconds(summary.started_at),
        _seconds(summary.ended_at),
        ABSENT if summary.duration is None else summary.duration,
        _CODE[summary.status],
        f"{summary.name or ''}\n{summary.run}".casefold(),
        pipeline,
    )


def _seconds(at: datetime | None) -> float:
    return ABSENT if at is None else at.timestamp()
