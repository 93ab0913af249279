"""Ids of 26 characters: sortable ones (ULIDs), and ones that follow from what they name."""

import threading
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SHIFTS: Final = range(125, -1, -5)


class Ulids:
    """Makes ids; may be called from any thread."""

    def __init__(self, now: Callable[[], datetime], random_bytes: Callable[[int], bytes]) -> None:
        self._now = now
        self._random_bytes = random_bytes
        self._lock = threading.Lock()
        self._last = 0

    def __call__(self) -> str:
        """The next id; a clock that stands still or goes back does not make it smaller."""
        with self._lock:
            moment = int(self._now().timestamp() * 1000)
            if moment > self._last >> 80:
                self._last = moment << 80 | int.from_bytes(self._random_bytes(10), "big")
            else:
                self._last += 1
            value = self._last
        return _text(value)


def id_of(*parts: str) -> str:
    """The one id of these parts, in this order: the same wherever and whenever it is made."""
    digest = sha256()
    for part in parts:
        text = part.encode()
        digest.update(b"%d:%b" % (len(text), text))
    return _text(int.from_bytes(digest.digest()[:16], "big"))


def _text(value: int) -> str:
    return "".join([_ALPHABET[value >> shift & 31] for shift in _SHIFTS])
