"""How the broker logs: lines for people, or one JSON object per line for machines.

`docs/logs-of-the-gateway.md` tells the names. What a line says may come from a stranger, so it is
bounded, and nothing in it reaches a terminal as a control character.
"""

import logging
import math
import re
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

AGAIN: Final = 60.0
"""Seconds after which a failure that goes on is told again."""
FAILURES: Final = 64
"""Different failures that are remembered."""
LONGEST: Final = 2_048
"""Characters of a message; of a traceback four times as many."""
ALIKE: Final = 10
"""Lines of one kind ..."""
WINDOW: Final = 10.0
"""... in so many seconds; of others only the number is told, with the next line of the kind."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_IN_TRACEBACK: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_RAW: Final = re.compile(rb"\x7f|\xc2[\x80-\x9f]")

Value = str | int | float


def about(event: str, **context: Value) -> dict[str, object]:
    """What a line is about, for `extra=`: its `event`, and what a machine may look for.

    Where a metric counts the same, the event has its name. Never payloads, tokens or queries.
    """
    return {"event": event, "context": context}


def set_up(level: str, form: str) -> None:
    """Log to standard error, from `level` on, as `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    handler.addFilter(_shortened)
    handler.addFilter(Calm(time.monotonic).allows)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("nats").setLevel(logging.CRITICAL)


class Failures:
    """What is tried again until it succeeds: a failure is told when it is news, not each time.

    News is another error, or the same after `AGAIN` seconds; a line tells how often it was seen.
    """

    def __init__(self, log: logging.Logger, now: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._now = now
        self._told: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()
        """When a failure was told last, and how often it was seen since."""

    def tell(self, doing: str, error: Exception, level: int = logging.INFO) -> None:
        """`doing`, one of few, failed.

        An error that has a `reason` is told apart by it: the rest may each time name another run.
        """
        failure = (doing, f"{type(error).__name__}: {getattr(error, 'reason', error)}")
        now = self._now()
        told_at, times = self._told.get(failure, (-math.inf, 0))
        if now - told_at < AGAIN:
            self._told[failure] = (told_at, times + 1)
            return
        self._told[failure] = (now, 0)
        self._told.move_to_end(failure)
        if len(self._told) > FAILURES:
            self._told.popitem(last=False)
        more = about("tried_again", doing=doing, error_type=type(error).__name__)
        again = f" ({times} more times before)" if times else ""
        self._log.log(level, "%s: %s%s", doing, error, again, extra=more, stacklevel=2)


class Calm:
    """Lets a few lines of a kind through in a while: a kind is a place in the code."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._seen: dict[tuple[str, int], tuple[float, int]] = {}
        """When the window of a kind began, and how many lines came in it."""

    def allows(self, record: logging.LogRecord) -> bool:
        """Whether a line is to be written; it is told how many of its kind were not."""
        kind = (record.pathname, record.lineno)
        now = self._now()
        began, count = self._seen.get(kind, (now, 0))
        if now - began >= WINDOW:
            if count > ALIKE:
                record.suppressed = count - ALIKE
            began, count = now, 0
        self._seen[kind] = (began, count + 1)
        return count < ALIKE


def _shortened(record: logging.LogRecord) -> bool:
    """Say of a broken request or connection in a line what aiohttp would tell with a traceback.

    Its words are what the client sent, query and all: only the name of the error is told.
    """
    if record.name != "aiohttp.server" or not record.exc_info:
        return True
    kind = record.exc_info[0]
    if kind is None or not (
        issubclass(kind, ConnectionError) or kind.__module__.startswith("aiohttp.http")
    ):
        return True
    record.levelno, record.levelname = logging.INFO, "INFO"
    record.msg, record.args = "a request that cannot be read: %s", (kind.__name__,)
    record.exc_info, record.exc_text = None, None
    record.pathname, record.lineno = __file__, 0  # of one kind, wherever aiohttp tells it
    vars(record).update(about("request_malformed", error_type=kind.__name__))
    return logging.getLogger().isEnabledFor(logging.INFO)


class TextLines(logging.Formatter):
    """A line for people; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        said = _CONTROL.sub(_escaped, _bounded(record.getMessage(), LONGEST))
        line = f"{record.levelname[0]} {record.name} {said}"
        if suppressed := getattr(record, "suppressed", 0):
            line += f" ({suppressed} more like this before)"
        if record.exc_info:
            line += "\n" + _IN_TRACEBACK.sub(_escaped, self._traceback(record))
        return line

    def _traceback(self, record: logging.LogRecord) -> str:
        return _bounded(self.formatException(record.exc_info), 4 * LONGEST)  # type: ignore[arg-type]


class JsonLines(logging.Formatter):
    """One object per line; the encoder escapes control characters, so a line stays a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": getattr(record, "event", "other"),
            "msg": _bounded(record.getMessage(), LONGEST),
        }
        for name, value in getattr(record, "context", {}).items():
            line[name] = _bounded(value, LONGEST) if isinstance(value, str) else value
        if suppressed := getattr(record, "suppressed", 0):
            line["suppressed"] = suppressed
        if record.exc_info:
            kind = record.exc_info[0]
            line["error_type"] = "" if kind is None else kind.__name__
            line["error"] = _bounded(self.formatException(record.exc_info), 4 * LONGEST)
        encoded = msgspec.json.encode(line)
        return _RAW.sub(lambda found: b"\\u00%02x" % found[0][-1], encoded).decode()


def _bounded(text: str, most: int) -> str:
    """The text as it can be encoded, cut where it is too long.

    What is cut is the middle: a traceback's last lines tell most.
    """
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} … {len(text) - 2 * half} characters … {text[-half:]}"


def _escaped(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"
