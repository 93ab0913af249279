"""How the load generator speaks to a stream: the request, and where what comes may be cut."""

import json
from typing import Final, Protocol
from urllib.parse import parse_qs, unquote, urlsplit


class Transport(Protocol):
    """One way to receive a stream."""

    opened: bytes
    """How the answer begins."""
    end: int
    """A byte that frames end with and marks do not hold."""
    ping: bytes
    """What the server asks now and then; empty if it does not."""
    pong: bytes
    """What it must be answered."""

    def request(self, path: str, cursor: str = "") -> bytes:
        """What opens the stream of a path, a resumed one with its cursor."""


class EventStream:
    """Server-sent events."""

    opened = b"HTTP/1.1 200"
    end = ord("\n")
    ping = pong = b""

    def request(self, path: str, cursor: str = "") -> bytes:
        lines = [f"GET {path} HTTP/1.1", "Host: bench", "Accept: text/event-stream"]
        if cursor:
            lines.append(f"Last-Event-ID: {cursor}")
        return "\r\n".join([*lines, "", ""]).encode()


class WebSocket:
    """One WebSocket for each stream: the handshake, and right behind it the subscription.

    Of the path it takes the run and the view. The mask is zero, so that nothing needs masking.
    """

    opened = b"HTTP/1.1 101"
    end = ord("}")
    ping = b"\x89\x00"
    pong = b"\x8a\x80\0\0\0\0"

    def request(self, path: str, cursor: str = "") -> bytes:
        where = urlsplit(path)
        wanted = {
            "op": "subscribe",
            "run": unquote(where.path.split("/")[3]),
            "view": parse_qs(where.query)["view"][0],
        }
        text = json.dumps({**wanted, "cursor": cursor} if cursor else wanted).encode()
        frame = b"\x81\xfe" + len(text).to_bytes(2, "big") + b"\0\0\0\0" + text
        if len(text) < 126:
            frame = bytes([0x81, 0x80 | len(text)]) + b"\0\0\0\0" + text
        return _handshake("/v1/ws") + frame


class OneRun(WebSocket):
    """A WebSocket whose path alone says what it shows."""

    def request(self, path: str, cursor: str = "") -> bytes:
        return _handshake(path)


def _handshake(path: str) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: bench",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: YmVuY2ggYmVuY2ggYmVuYw==",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


TRANSPORTS: Final[dict[str, Transport]] = {
    "sse": EventStream(),
    "ws": WebSocket(),
    "ws-run": OneRun(),
}
