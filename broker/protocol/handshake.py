"""The opening handshake of a WebSocket (RFC 6455 §4.2), and who may open one from a browser."""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha1
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from broker.protocol.problem import Problem

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PORTS: Final = {"http": 80, "https": 443}


class Refusal(NamedTuple):
    """Why a request does not become a WebSocket, and what its answer must carry."""

    problem: Problem
    headers: Mapping[str, str] = {}


def accept_key(key: str) -> str:
    """The proof that the server has read the client's key."""
    return b64encode(sha1(key.encode("ascii") + _GUID, usedforsecurity=False).digest()).decode()


def answer(key: str) -> bytes:
    """The head of the answer that turns the connection into a WebSocket.

    It takes up no subprotocol and no extension: frames are shared, and compressing them for each
    client on its own costs far more than sending them.
    """
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept_key(key).encode()
    )


def refusal(method: str, headers: Iterable[tuple[str, str]]) -> Refusal | None:
    """Why a request is no opening handshake; None where it is a valid one."""
    fields: dict[str, str] = {}
    for name, value in headers:
        known = fields.get(name.lower())
        fields[name.lower()] = value if known is None else f"{known}, {value}"
    tokens = {token.strip().lower() for token in fields.get("connection", "").split(",")}
    upgrade = fields.get("upgrade", "").strip().lower()
    if method != "GET" or upgrade != "websocket" or "upgrade" not in tokens:
        return _upgrade("this is a WebSocket: open it with one, or use /v1/runs/{run}/events")
    if fields.get("sec-websocket-version", "").strip() != "13":
        return _upgrade("Sec-WebSocket-Version must be 13")
    if not _is_key(fields.get("sec-websocket-key", "")):
        return _bad("Sec-WebSocket-Key must be 16 bytes in base64")
    if fields.get("content-length", "0").strip() != "0" or "transfer-encoding" in fields:
        return _bad("an opening handshake has no body")
    return None


def same_origin(origin: str, host: str) -> bool:
    """Whether a page of this origin is served under the host that it asks.

    The scheme is left out: a proxy may have ended TLS.
    """
    try:
        page = urlsplit(origin)
        asked = urlsplit(f"{page.scheme}://{host}")
        default = _PORTS.get(page.scheme)
        return (
            default is not None
            and page.hostname is not None
            and page.hostname == asked.hostname
            and (page.port or default) == (asked.port or default)
        )
    except ValueError:
        return False


FOREIGN: Final = Refusal(
    Problem(
        "origin-refused",
        "A page of this origin may not connect",
        403,
        "add the origin to --allowed-origins, or serve the page under the broker's own address",
    )
)


def _is_key(text: str) -> bool:
    try:
        return len(b64decode(text.strip(), validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def _upgrade(detail: str) -> Refusal:
    return Refusal(
        Problem("upgrade-required", "Upgrade required", 426, detail),
        {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"},
    )


def _bad(detail: str) -> Refusal:
    return Refusal(Problem("bad-handshake", "Not an opening handshake", 400, detail))
