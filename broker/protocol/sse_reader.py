"""Server-sent events read as they arrive (WHATWG HTML §9.2.5 and §9.2.6)."""

from typing import Final, NamedTuple

from broker.errors import MalformedEvent

MOST_BYTES: Final = 64 * 1024 * 1024
"""What one line, or the data of one event, may have; a snapshot of 10,000 steps has about 2 MB."""

_BOM: Final = b"\xef\xbb\xbf"


class SentEvent(NamedTuple):
    """One event. `id` is the last id seen, on this event or before it; empty where there was none.

    Coming back with that id as `Last-Event-ID` continues after this event.
    """

    name: str
    data: str
    id: str


class EventReader:
    """Reads one connection's bytes, cut anywhere, as events.

    What follows the last blank line when the connection ends is no event, so nothing is to be
    done at the end. Raises MalformedEvent where a line or an event has more than `most` bytes.
    """

    def __init__(self, last_id: str = "", *, most: int = MOST_BYTES) -> None:
        self.last_id = last_id
        """The id to come back with."""
        self.retry: int | None = None
        """Milliseconds to wait before coming back, as the server last asked for."""
        self._most = most
        self._rest = bytearray()
        self._searched = 0
        self._begun = False
        self._after_return = False
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        self._id = last_id

    def feed(self, piece: bytes) -> list[SentEvent]:
        """The events that are complete with these bytes."""
        self._rest += piece
        if not self._begun:
            if len(self._rest) < len(_BOM) and _BOM.startswith(self._rest):
                return []
            self._begun = True
            if self._rest.startswith(_BOM):
                del self._rest[: len(_BOM)]
        return [event for line in self._lines() if (event := self._take(line))]

    def _lines(self) -> list[bytes]:
        """The complete lines; LF, CR and CRLF end one, also where CR and LF come apart."""
        rest = self._rest
        if self._after_return and rest:
            self._after_return = False
            if rest.startswith(b"\n"):
                del rest[:1]
        end = max(rest.rfind(b"\n", self._searched), rest.rfind(b"\r", self._searched))
        if end < 0:
            self._searched = len(rest)
            self._check(len(rest))
            return []
        whole = bytes(rest[: end + 1])
        self._after_return = whole.endswith(b"\r") and end + 1 == len(rest)
        del rest[: end + 1]
        self._searched = len(rest)
        self._check(len(rest))
        lines = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        return lines[:-1]

    def _take(self, line: bytes) -> SentEvent | None:
        if not line:
            return self._dispatch()
        name, _, rest = line.partition(b":")
        value = rest.removeprefix(b" ").decode(errors="replace")
        if name == b"data":
            self._size += len(rest)
            self._check(self._size)
            self._data.append(value)
        elif name == b"event":
            self._name = value
        elif name == b"id" and "\0" not in value:
            self._id = value
        elif name == b"retry" and value.isascii() and value.isdigit() and len(value) < 10:
            self.retry = int(value)
        return None

    def _dispatch(self) -> SentEvent | None:
        """The event that a blank line completes; one without data is none, yet its id counts."""
        name, data = self._name or "message", self._data
        self._name, self._data, self._size = "", [], 0
        self.last_id = self._id
        return SentEvent(name, "\n".join(data), self.last_id) if data else None

    def _check(self, size: int) -> None:
        if size > self._most:
            raise MalformedEvent(f"the event stream sent more than {self._most} bytes as one event")
