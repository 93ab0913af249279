"""The close codes of a WebSocket: one table, which `docs/websocket.md` repeats."""

from enum import IntEnum
from typing import Final, NamedTuple


class Close(IntEnum):
    """Why the gateway closes a socket."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED = 1003
    INVALID_DATA = 1007
    TOO_BIG = 1009
    INTERNAL = 1011
    RESTART = 1012
    BAD_MESSAGE = 4400
    UNAUTHORISED = 4401
    UNKNOWN_RUN = 4404
    TOO_SLOW = 4408
    TOO_MANY = 4429


class Meaning(NamedTuple):
    """What a close code tells the client."""

    text: str
    reconnect: bool


CLOSES: Final[dict[Close, Meaning]] = {
    Close.NORMAL: Meaning("the client closed", False),
    Close.GOING_AWAY: Meaning("the gateway drains, or the socket has reached its age", True),
    Close.PROTOCOL_ERROR: Meaning("a frame breaks RFC 6455", False),
    Close.UNSUPPORTED: Meaning("a binary message", False),
    Close.INVALID_DATA: Meaning("text that is not UTF-8", False),
    Close.TOO_BIG: Meaning("a message over the size limit", False),
    Close.INTERNAL: Meaning("the gateway made a mistake", True),
    Close.RESTART: Meaning("the gateway stops at once", True),
    Close.BAD_MESSAGE: Meaning("too many bad messages", False),
    Close.UNAUTHORISED: Meaning("not allowed, or not any more", False),
    Close.UNKNOWN_RUN: Meaning("the run is unknown (sockets of a single run)", False),
    Close.TOO_SLOW: Meaning("took no byte, or answered no ping, for too long", True),
    Close.TOO_MANY: Meaning("asked for more than a limit allows, again and again", False),
}
"""Every code that the gateway closes with, and whether the client should connect again."""
