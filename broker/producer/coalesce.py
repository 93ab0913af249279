"""Conflation: of values that come fast only the latest is kept. Pure; the time is an argument."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

INTERVAL: Final = 0.1
"""Seconds between two values that are let through."""


class Coalescer(Generic[T]):
    """Lets a value through that comes after a pause, and holds what follows too soon.

    `merge(held, newer)` gives what is held after a newer value came.
    """

    __slots__ = ("_free_at", "_held", "_merge")

    def __init__(self, merge: Callable[[T, T], T]) -> None:
        self._merge = merge
        self._held: T | None = None
        self._free_at = float("-inf")

    @property
    def due(self) -> float | None:
        """When what is held is to be taken; None when nothing is held."""
        return None if self._held is None else self._free_at

    def offer(self, value: T, now: float) -> T | None:
        """Take a value in; gives what is to be sent at once, if anything is."""
        self._held = value if self._held is None else self._merge(self._held, value)
        return self.take(now) if now >= self._free_at else None

    def take(self, now: float) -> T | None:
        """What is held, to be sent now, whether or not it is due."""
        held, self._held = self._held, None
        if held is not None:
            self._free_at = now + INTERVAL
        return held
