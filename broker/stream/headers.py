"""The headers that the server adds to stored messages, read from the raw block.

A publisher can send headers of the same names. The server puts its own behind them, so the last
one counts.
"""

from datetime import datetime


def number(headers: bytes, name: bytes) -> int | None:
    """The value of the last header `name`, given as b"\\r\\nName: "; None where there is none."""
    at = headers.rfind(name)
    if at < 0:
        return None
    begin = at + len(name)
    return int(headers[begin : headers.index(b"\r\n", begin)])


def moment(headers: bytes) -> datetime:
    """When the message was stored, in UTC, to the millisecond."""
    begin = headers.rfind(b"\r\nNats-Time-Stamp: ") + 19
    text = headers[begin : headers.index(b"\r\n", begin)].decode("ascii")
    if len(text) > 23 and text[19] == ".":
        return datetime.fromisoformat(text[:23] + "+00:00")
    parsed = datetime.fromisoformat(text)
    return parsed.replace(microsecond=parsed.microsecond // 1000 * 1000)


def status(headers: bytes) -> int:
    """The status of a message without content, such as 204 or 404; 0 for a message with some."""
    line = headers[8 : headers.index(b"\r\n")].strip()
    return int(line[:3]) if line else 0


def status_line(headers: bytes) -> str:
    """The status with the server's words, such as `409 Consumer Deleted`."""
    return headers[9 : headers.index(b"\r\n")].decode(errors="replace")


def is_usual_end(headers: bytes) -> bool:
    """Whether a request ended because there is no more, or it has brought what it may."""
    return status(headers) in (404, 408) or b"MaxBytes" in headers or b"Completed" in headers


SEQUENCE = b"\r\nNats-Sequence: "
LAST_SEQUENCE = b"\r\nNats-Last-Sequence: "
