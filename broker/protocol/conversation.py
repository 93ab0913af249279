"""What is said over a WebSocket: a client's messages read, the server's written. No I/O."""

import difflib
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec

from broker.errors import InvalidName
from broker.model.decide import COMMANDS, By, CommandName, Mode, Reason
from broker.model.subjects import encode_token
from broker.protocol.websocket import text_frame

LONGEST_ID: Final = 64

_encode: Final = msgspec.json.Encoder().encode
_OF_RUNS: Final = ("view", "cursor", "tail", "level", "step", "attempt", "q")
_BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Id = int | float | Annotated[str, msgspec.Meta(max_length=LONGEST_ID)]
"""Names a subscription; given back as it came."""


class Subscribe(msgspec.Struct, frozen=True):
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


class SubscribeList(msgspec.Struct, frozen=True):
    """Show the list of a query string as `GET /v1/runs` takes it; without an id that is the id."""

    list: str
    id: Id | None = None


class Unsubscribe(
    msgspec.Struct, tag_field="op", tag="unsubscribe", frozen=True, forbid_unknown_fields=True
):
    """End the subscriptions of an id, a run, or a list; all that is given must fit."""

    run: str | None = None
    id: Id | None = None
    list: str | None = None


class GiveCommand(
    msgspec.Struct, tag_field="op", tag="command", frozen=True, forbid_unknown_fields=True
):
    """Ask something of a run; the same `idempotency_key` asks nothing twice."""

    run: str
    command: CommandName
    reason: Reason | None = None
    by: By | None = None
    mode: Mode | None = None
    idempotency_key: str | None = None
    id: Id | None = None


class Ping(msgspec.Struct, tag_field="op", tag="ping", frozen=True, forbid_unknown_fields=True):
    """Ask for a pong: nothing of what was ended before the ping comes after it."""

    id: Id | None = None


class _Subscribe(msgspec.Struct, tag_field="op", tag="subscribe", forbid_unknown_fields=True):
    """Either of the two, as it comes."""

    run: str | None = None
    list: str | None = None
    view: str | None = None
    cursor: str | None = None
    id: Id | None = None
    tail: int | None = None
    level: str | None = None
    step: str | None = None
    attempt: int | None = None
    q: str | None = None


Action = Subscribe | SubscribeList | Unsubscribe | GiveCommand | Ping
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


_Said = _Subscribe | Unsubscribe | GiveCommand | Ping
_UNKNOWN: Final = "Object contains unknown field `"
_LONGEST_REASON: Final = 128
_MEMBERS: Final = sorted(
    {"op"}.union(
        *(kind.__struct_fields__ for kind in (_Subscribe, Unsubscribe, GiveCommand, Ping)),
    )
)
_read: Final[Callable[[bytes], _Said]] = msgspec.json.Decoder(_Said).decode
_read_address: Final = msgspec.json.Decoder(_Addressed).decode


def read(text: bytes) -> Action:
    """A client's message. Raises BadMessage."""
    try:
        said = _read(text)
        action = _chosen(said) if isinstance(said, _Subscribe) else said
        if isinstance(action, Subscribe | GiveCommand):
            encode_token(action.run)
        if not isinstance(action.id, str):
            _require_short(action.id)
    except (*_BROKEN, InvalidName, _TooLong) as error:
        raise _bad(text, str(error)) from None
    if isinstance(action, Unsubscribe) and action.run is action.list is action.id is None:
        raise BadMessage("unsubscribe needs the `id`, the `run` or the `list` of a subscription")
    return action


def _chosen(said: _Subscribe) -> Subscribe | SubscribeList:
    """What is to be shown. Raises BadMessage."""
    of_runs = {name: getattr(said, name) for name in _OF_RUNS}
    given = {name: value for name, value in of_runs.items() if value is not None}
    if said.list is None:
        if said.run is None:
            raise BadMessage("subscribe needs the `run` or the `list` to show", id=said.id)
        return Subscribe(said.run, id=said.id, **given)
    if said.run is not None or given:
        also = ", ".join(f"`{name}`" for name in (*given, "run") if getattr(said, name) is not None)
        raise BadMessage(f"subscribe with a `list` takes an `id` alone, not {also}", id=said.id)
    return SubscribeList(said.list, said.id)


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
    elif reason.startswith(_UNKNOWN):
        reason = f"{reason[:_LONGEST_REASON]}{_meant(reason)}"
    try:
        known = _read_address(text)
        if not isinstance(known.id, str):
            _require_short(known.id)
    except (*_BROKEN, _TooLong):
        return BadMessage(reason)
    return BadMessage(reason, known.run, known.id)


def _meant(reason: str) -> str:
    """The member that was meant, of any message that there is."""
    name = reason.removeprefix(_UNKNOWN).partition("`")[0]
    near = difflib.get_close_matches(name[:LONGEST_ID], _MEMBERS, n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


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


class _Messages:
    """Frames what is said of one thing under an id: the same bytes for all sockets that use it."""

    __slots__ = ("_about", "name")

    heartbeat = b""
    _come_back = "subscribe again after so many seconds"

    def __init__(self, what: str, which: str, id: Id) -> None:
        self._about = b'"%b":%b,"id":%b,' % (what.encode(), _encode(which), _encode(id))
        self.name = f"ws:{self._about.decode()}"

    def message(self, kind: str, data: bytes, cursor: str | None = None) -> bytes:
        """One message; what is not the broker's own is an event, whose type is in its data."""
        said = kind.encode() if kind in _OWN_KINDS else b"event"
        at = b"" if cursor is None else b'"cursor":"%b",' % cursor.encode("ascii")
        return text_frame(b'{"type":"%b",%b%b"data":%b}' % (said, self._about, at, data))

    def retry(self, milliseconds: int) -> bytes:
        """The subscription ends although the run does not."""
        told = {
            "name": "interrupted",
            "detail": self._come_back,
            "retry_after": round(milliseconds / 1000, 3),
        }
        return self.message("error", _encode(told))

    def close(self) -> bytes:
        """The socket stays open."""
        return b""


class RunMessages(_Messages):
    """What is said of a run."""

    __slots__ = ()

    _come_back = "subscribe again, with your last cursor, after so many seconds"

    def __init__(self, run: str, id: Id) -> None:
        super().__init__("run", run, id)


class ListMessages(_Messages):
    """What is said of a list, named by its query string."""

    __slots__ = ()

    def __init__(self, list: str, id: Id) -> None:
        super().__init__("list", list, id)
