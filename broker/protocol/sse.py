"""Server-sent events: frames as bytes (WHATWG HTML §9.2), with or without HTTP chunks (RFC 9112).

A frame is built once and written to every client as it is, so the chunk header is part of it.
"""

from typing import Final, Protocol

LAST_CHUNK: Final = b"0\r\n\r\n"
_BLANK_COMMENT: Final = b":\n\n"
_COMMENT: Final = b":\n"  # no blank line: some clients take one for an empty event


class Framing(Protocol):
    """How a transport frames messages. The bytes are shared by all clients that use it."""

    name: str
    heartbeat: bytes

    def message(self, kind: str, data: bytes, cursor: str | None = None) -> bytes:
        """One message."""

    def retry(self, milliseconds: int) -> bytes:
        """Tells the client how long to wait before it connects again."""

    def close(self) -> bytes:
        """Ends the stream, so that its end can be told from a cut."""


class PlainEvents:
    """Event-stream frames for HTTP/1.0, which knows no chunks: the end of the connection ends."""

    name = "sse-1.0"
    heartbeat = _COMMENT

    def message(self, kind: str, data: bytes, cursor: str | None = None) -> bytes:
        return event(kind, data, cursor)

    def retry(self, milliseconds: int) -> bytes:
        return b"retry: %d\n" % milliseconds

    def close(self) -> bytes:
        return b""


class ChunkedEvents:
    """Event-stream frames, each in a chunk of its own."""

    name = "sse"
    heartbeat = b"%x\r\n%b\r\n" % (len(_COMMENT), _COMMENT)

    def message(self, kind: str, data: bytes, cursor: str | None = None) -> bytes:
        return chunk(event(kind, data, cursor))

    def retry(self, milliseconds: int) -> bytes:
        return chunk(b"retry: %d\n" % milliseconds)

    def close(self) -> bytes:
        return LAST_CHUNK


class BareEvents:
    """Frames of another framing whose clients never resume: data and nothing else.

    Such clients often take them apart by hand, at blank lines: a comment that stood before a frame
    would hide it from them, so it has a blank line of its own.
    """

    def __init__(self, events: Framing, heartbeat: bytes) -> None:
        self.name = f"bare-{events.name}"
        self.heartbeat = heartbeat
        self.retry = events.retry
        self.close = events.close
        self._message = events.message

    def message(self, kind: str, data: bytes, cursor: str | None = None) -> bytes:
        return self._message("", data)


def event(kind: str, data: bytes, cursor: str | None = None) -> bytes:
    """One event; without a `kind` a browser calls it `message`.

    `kind` and `cursor` must hold no CR, LF or NUL: they would inject fields.
    """
    fields = kind if cursor is None else kind + cursor
    if "\n" in fields or "\r" in fields or "\0" in fields:
        raise ValueError(f"a name or cursor with a line end or NUL: {kind!r}, {cursor!r}")
    if b"\n" in data or b"\r" in data:
        lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        data = b"\ndata: ".join(lines)
    named = b"event: %b\n" % kind.encode() if kind else b""
    if cursor is None:
        return b"%bdata: %b\n\n" % (named, data)
    return b"id: %b\n%bdata: %b\n\n" % (cursor.encode("ascii"), named, data)


def chunk(body: bytes) -> bytes:
    """The body as one HTTP/1.1 chunk (RFC 9112 §7.1)."""
    return b"%x\r\n%b\r\n" % (len(body), body)


CHUNKED: Final = ChunkedEvents()
PLAIN: Final = PlainEvents()
BARE: Final[dict[str, Framing]] = {
    CHUNKED.name: BareEvents(CHUNKED, chunk(_BLANK_COMMENT)),
    PLAIN.name: BareEvents(PLAIN, _BLANK_COMMENT),
}
"""By the name of the framing without ids and names that it is to be."""
