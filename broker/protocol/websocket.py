"""WebSocket (RFC 6455), the server's side: frames out as bytes, frames in as they arrive.

A frame of the server is not masked, so it is built once and written to every client as it is.
"""

from typing import Final, NamedTuple

from broker.protocol.close import Close

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_LONGEST_CONTROL: Final = 125
_FOREIGN_CODES: Final = frozenset([1000, 1001, 1002, 1003, *range(1007, 1015)])
"""What a peer may close with, besides 3000-4999 (RFC 6455 §7.4.2 and the IANA registry)."""


class Message(NamedTuple):
    """A whole text message, as the UTF-8 that it came in."""

    text: bytes


class Fragment(NamedTuple):
    """A part of a message that is not whole yet."""


class Ping(NamedTuple):
    """The client asks for a pong with the same payload."""

    payload: bytes


class Pong(NamedTuple):
    """The client answers a ping."""

    payload: bytes


class Closed(NamedTuple):
    """The client closes; its code, None where it gave none, is to be sent back."""

    code: int | None


class Failed(NamedTuple):
    """The client broke the protocol; nothing that follows can be read."""

    code: Close
    reason: str


Received = Message | Fragment | Ping | Pong | Closed | Failed


class _Violation(Exception):
    def __init__(self, code: Close, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class Reader:
    """Reads a client's frames, however they are cut.

    After a `Closed` or `Failed` it is `done` and drops what it is given.
    """

    __slots__ = ("_buffer", "_limit", "_parts", "done")

    def __init__(self, limit: int) -> None:
        self._buffer = bytearray()
        self._limit = limit
        self._parts: bytearray | None = None
        """The message so far, between its first fragment and its last."""
        self.done = False

    @property
    def idle(self) -> bool:
        """Whether nothing is left or half read, so that a new reader would do as well."""
        return not self._buffer and self._parts is None and not self.done

    def receive(self, data: bytes) -> None:
        """Take bytes; call `next` until it gives None."""
        if not self.done:
            self._buffer += data

    def next(self) -> Received | None:
        """What the next frame says; None until it is whole. Never raises."""
        if self.done:
            return None
        try:
            received = self._next()
        except _Violation as violation:
            received = Failed(violation.code, violation.reason)
        if isinstance(received, Closed | Failed):
            self.done = True
            self._buffer.clear()
            self._parts = None
        return received

    def _next(self) -> Received | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        opcode, final = first & 0x0F, bool(first & _FINAL)
        self._check(first, second)
        header, length = _length(buffer)
        if length is None:
            return None
        if opcode < _CLOSE and len(self._parts or b"") + length > self._limit:
            raise _Violation(Close.TOO_BIG, f"a message is larger than {self._limit} bytes")
        end = header + 4 + length
        if len(buffer) < end:
            return None
        payload = _unmasked(bytes(buffer[header + 4 : end]), bytes(buffer[header : header + 4]))
        del buffer[:end]
        if opcode >= _CLOSE:
            return _control(opcode, payload)
        return self._data(payload, final)

    def _check(self, first: int, second: int) -> None:
        """Refuse a frame by its first two bytes."""
        opcode = first & 0x0F
        if first & 0x70:
            raise _Violation(Close.PROTOCOL_ERROR, "a reserved bit is set")
        if opcode not in (_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG):
            raise _Violation(Close.PROTOCOL_ERROR, f"opcode {opcode} is reserved")
        if not second & _MASKED:
            raise _Violation(Close.PROTOCOL_ERROR, "a frame is not masked")
        if opcode >= _CLOSE:
            if not first & _FINAL:
                raise _Violation(Close.PROTOCOL_ERROR, "a control frame is fragmented")
            if second & 0x7F > _LONGEST_CONTROL:
                raise _Violation(Close.PROTOCOL_ERROR, "a control frame is too long")
        elif opcode == _CONTINUATION:
            if self._parts is None:
                raise _Violation(Close.PROTOCOL_ERROR, "nothing to continue")
        elif self._parts is not None:
            raise _Violation(Close.PROTOCOL_ERROR, "a message begins within another")
        elif opcode == _BINARY:
            raise _Violation(Close.UNSUPPORTED, "messages are text, not binary")

    def _data(self, payload: bytes, final: bool) -> Message | Fragment:
        if not final:
            self._parts = bytearray() if self._parts is None else self._parts
            self._parts += payload
            return Fragment()
        if self._parts is not None:
            payload, self._parts = bytes(self._parts + payload), None
        _require_utf8(payload)
        return Message(payload)


def _length(buffer: bytearray) -> tuple[int, int | None]:
    """Where the mask begins, and the length of the payload; None until it is there."""
    short = buffer[1] & 0x7F
    if short < 126:
        return 2, short
    header, least = (4, 126) if short == 126 else (10, 1 << 16)
    if len(buffer) < header:
        return header, None
    length = int.from_bytes(buffer[2:header])
    if length < least or length >> 63:
        raise _Violation(Close.PROTOCOL_ERROR, "a length is not in its shortest form")
    return header, length


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)


def _control(opcode: int, payload: bytes) -> Received:
    if opcode == _PING:
        return Ping(payload)
    if opcode == _PONG:
        return Pong(payload)
    if not payload:
        return Closed(None)
    code = int.from_bytes(payload[:2])
    if len(payload) == 1 or not (code in _FOREIGN_CODES or 3000 <= code < 5000):
        raise _Violation(Close.PROTOCOL_ERROR, "no such close code")
    _require_utf8(payload[2:])
    return Closed(code)


def _require_utf8(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError:
        raise _Violation(Close.INVALID_DATA, "text is not UTF-8") from None


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return b"%c%c%b" % (_FINAL | opcode, size, payload)
    if size < 1 << 16:
        return b"%c\x7e%b%b" % (_FINAL | opcode, size.to_bytes(2), payload)
    return b"%c\x7f%b%b" % (_FINAL | opcode, size.to_bytes(8), payload)


def text_frame(payload: bytes) -> bytes:
    """One text message; the payload must be UTF-8."""
    return _frame(_TEXT, payload)


def close_frame(code: int | None, reason: str = "") -> bytes:
    """The last frame; a reason that is too long is cut."""
    if code is None:
        return _frame(_CLOSE, b"")
    text = reason.encode()[: _LONGEST_CONTROL - 2].decode(errors="ignore").encode()
    return _frame(_CLOSE, code.to_bytes(2) + text)


def pong(payload: bytes) -> bytes:
    """The answer to a ping."""
    return _frame(_PONG, payload)


def is_empty_pong(data: bytes) -> bool:
    """Whether what came is the answer to `PING` and nothing else."""
    return len(data) == _EMPTY_LENGTH and data.startswith(_EMPTY_PONG)


_EMPTY_PONG: Final = bytes([_FINAL | _PONG, _MASKED])
_EMPTY_LENGTH: Final = len(_EMPTY_PONG) + 4
"""With the mask, which has nothing to mask."""
PING: Final = _frame(_PING, b"")
"""Asks whether the client is still there."""
