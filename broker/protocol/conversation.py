"""What is said over a WebSocket: a client's messages read, the server's written. No I/O."""

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec

from broker.errors import InvalidName
from broker.model.decide import COMMANDS, By, CommandName, Mode, Reason
from broker.model.subjects import encode_token
from broker.protocol.websocket import text_frame

LONGEST_ID: Final = 64

_encode: Final = msgspec.json.Encoder().encode
_BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Id = int | float | Annotated[str, msgspec.Meta(max_length=LONGEST_ID)]
"""Names a subscription; given back as it came."""


class Subscribe(msgspec.Struct, tag_field="op", tag="subscribe", frozen=True):
    """Show a run in a view, from a cursor on; without an id the run is the id.

    Of log lines, those of a least `level`, a `step`, an `attempt` and a text `q`; without a cursor
    from the beginning, or from the last `tail` lines on.
    """

    run: str
    view: str = "state"
    cursor: str | None = None
    id: Id | None = None
    tail: int | None = None
    level: str | None = None
    step: str | None = None
    attempt: int | None = None
    q: str | None = None


class Unsubscribe(msgspec.Struct, tag_field="op", tag="unsubscribe", frozen=True):
    """End the subscriptions of an id, or of a run; if both are given, both must fit."""

    run: str | None = None
    id: Id | None = None


class GiveCommand(msgspec.Struct, tag_field="op", tag="command", frozen=True):
    """Ask something of a run; the same `idempotency_key` asks nothing twice."""

    run: str
    command: CommandName
    reason: Reason | None = None
    by: By | None = None
    mode: Mode | None = None
    idempotency_key: str | None = None
    id: Id | None = None


class Ping(msgspec.Struct, tag_field="op", tag="ping", frozen=True):
    """Ask for a pong: nothing of what was ended before the ping comes after it."""

    id: Id | None = None


Action = Subscribe | Unsubscribe | GiveCommand | Ping
OPS: Final = ("subscribe", "unsubscribe", "command", "ping")


class BadMessage(Exception):
    """A message is none of these; `run` and `id` are what could be read of them."""

    def __init__(self, reason: str, run: str | None = None, id: Id | None = None) -> None:
        super().__init__(reason)
        self.reason, self.run, self.id = reason, run, id

    def __str__(self) -> str:
        return self.reason


class _Addressed(msgspec.Struct):
    run: str | None = None
    id: Id | None = None


_read: Final[Callable[[bytes], Action]] = msgspec.json.Decoder(Action).decode
_read_address: Final = msgspec.json.Decoder(_Addressed).decode


def read(text: bytes) -> Action:
    """A client's message. Raises BadMessage."""
    try:
        action = _read(text)
        if isinstance(action, Subscribe | GiveCommand):
            encode_token(action.run)
        if not isinstance(action.id, str):
            _require_short(action.id)
    except (*_BROKEN, InvalidName, _TooLong) as error:
        raise _bad(text, str(error)) from None
    if isinstance(action, Unsubscribe) and action.run is None and action.id is None:
        raise BadMessage("unsubscribe needs the `id` or the `run` of a subscription")
    return action


class _TooLong(Exception):
    def __str__(self) -> str:
        return f"an id has at most {LONGEST_ID} characters - at `$.id`"


def _require_short(number: float | None) -> None:
    if len(_encode(number)) > LONGEST_ID:
        raise _TooLong


def _bad(text: bytes, reason: str) -> BadMessage:
    if "`$.op`" in reason or "`op`" in reason:
        reason += f"; the ops are {', '.join(OPS)}"
    elif "enum value" in reason and "`$.command`" in reason:
        reason += f"; the commands are {', '.join(COMMANDS)}"
    try:
        known = _read_address(text)
        if not isinstance(known.id, str):
            _require_short(known.id)
    except (*_BROKEN, _TooLong):
        return BadMessage(reason)
    return BadMessage(reason, known.run, known.id)


def tell(kind: str, data: Any, *, run: str | None = None, id: Id | None = None) -> bytes:
    """A message to one client, framed."""
    said: dict[str, Any] = {"type": kind}
    if run is not None:
        said["run"] = run
    if id is not None:
        said["id"] = id
    if data is not None:
        said["data"] = data
    return text_frame(_encode(said))


_OWN_KINDS: Final = frozenset(["hello", "snapshot", "patch", "log", "end", "error"])


class RunMessages:
    """Frames what is said of a run under an id: the same bytes for every socket that uses it."""

    __slots__ = ("_about", "name")

    heartbeat = b""

    def __init__(self, run: str, id: Id) -> None:
        named = _encode(id)
        self.name = f"ws:{named.decode()}"
        self._about = b'"run":%b,"id":%b,' % (_encode(run), named)

    def message(self, kind: str, data: bytes, cursor: str | None = None) -> bytes:
        """One message; what is not the broker's own is an event, whose type is in its data."""
        said = kind.encode() if kind in _OWN_KINDS else b"event"
        at = b"" if cursor is None else b'"cursor":"%b",' % cursor.encode("ascii")
        return text_frame(b'{"type":"%b",%b%b"data":%b}' % (said, self._about, at, data))

    def retry(self, milliseconds: int) -> bytes:
        """The subscription ends although the run does not."""
        told = {
            "name": "interrupted",
            "detail": "subscribe again, with your last cursor, after so many seconds",
            "retry_after": round(milliseconds / 1000, 3),
        }
        return self.message("error", _encode(told))

    def close(self) -> bytes:
        """The socket stays open."""
        return b""
