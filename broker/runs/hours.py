"""Rows by a time of theirs, kept by the hour, so that a span of time is a union of few bitmaps."""

from array import array
from typing import Final

from pyroaring import BitMap

from broker.runs.fields import ABSENT

_HOUR: Final = 3600.0


class Hours:
    """The time of each row that has one, in seconds since 1970."""

    def __init__(self) -> None:
        self._times = array("d")
        self._hours: dict[int, BitMap] = {}

    def put(self, slot: int, at: float) -> None:
        """Give a row its time, or ABSENT; slots are given out without gaps."""
        if slot == len(self._times):
            self._times.append(ABSENT)
        before = self._times[slot]
        if at == before:
            return
        self._times[slot] = at
        if before != ABSENT:
            hour = int(before // _HOUR)
            self._hours[hour].discard(slot)
            if not self._hours[hour]:
                del self._hours[hour]
        if at != ABSENT:
            hour = int(at // _HOUR)
            rows = self._hours.get(hour)
            if rows is None:
                rows = self._hours[hour] = BitMap()
            rows.add(slot)

    def within(self, since: float | None, until: float | None) -> BitMap:
        """The rows whose time is `since` or later, and before `until`."""
        begin = -float("inf") if since is None else since
        end = float("inf") if until is None else until
        times, found, whole = self._times, BitMap(), []
        for hour, rows in self._hours.items():
            if begin <= hour * _HOUR and (hour + 1) * _HOUR <= end:
                whole.append(rows)
            elif begin < (hour + 1) * _HOUR and hour * _HOUR < end:
                found.update([slot for slot in rows if begin <= times[slot] < end])
        return found.union(*whole)
