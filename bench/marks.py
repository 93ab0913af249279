"""What the publisher puts into an event so that a reader can check and time it.

A mark is `"@` + when it was sent (CLOCK_MONOTONIC in ns, the same clock for all processes of a
machine) + ` ` + the event's number in its run. It holds no line end and no brace, so a chunk of a
stream that ends with either cuts no mark.
"""

import re
from collections.abc import Callable
from typing import Final

MARK: Final = b'"@'
SENT: Final = slice(2, 21)
NUMBER: Final = slice(22, 31)
LENGTH: Final = 31

FULL: Final = re.compile(rb'"@(\d{19}) (\d{9})')


def progress(size: int, now: int, number: int) -> bytes:
    """A `run.progress` event of `size` bytes, the `number`th of its run, sent at `now`."""
    head = b'{"type":"run.progress","current":%d,"message":"@%019d %09d ' % (number, now, number)
    return head + b"x" * (size - len(head) - 2) + b'"}'


def failure(size: int, now: int, number: int) -> bytes:
    """A `step.failed` event of a step of its own: every interface tells it, and its message."""
    head = b'{"type":"step.failed","step":"%d","error":{"message":"@%019d %09d ' % (
        number,
        now,
        number,
    )
    return head + b"x" * (size - len(head) - 3) + b'"}}'


EVENTS: Final[dict[str, Callable[[int, int, int], bytes]]] = {
    "progress": progress,
    "failure": failure,
}
"""The events that a publisher can send."""
