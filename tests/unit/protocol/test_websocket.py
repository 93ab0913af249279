"""Frames of a client are read as RFC 6455 says, however they are cut; whatever else is refused."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close as TheirClose
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from broker.protocol.close import Close
from broker.protocol.websocket import (
    PING,
    Closed,
    Failed,
    Fragment,
    Message,
    Ping,
    Pong,
    Reader,
    Received,
    close_frame,
    is_empty_pong,
    pong,
    text_frame,
)

LIMIT = 1024
CONTINUATION, TEXT, BINARY, CLOSE, PINGED, PONGED = 0, 1, 2, 8, 9, 10
OPCODES = [CONTINUATION, TEXT, BINARY, CLOSE, PINGED, PONGED]


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    mask: bytes | None = b"\x01\x02\x03\x04",
    form: int | None = None,
    rsv: int = 0,
) -> bytes:
    """A client's frame, spelled out; `form` is the length form, whether or not it fits."""
    size = len(payload)
    if form is None:
        form = 7 if size < 126 else 16 if size < 1 << 16 else 64
    masked = 0x80 if mask is not None else 0
    length = {
        7: bytes([masked | size % 126]),
        16: bytes([masked | 126]) + (size % (1 << 16)).to_bytes(2, "big"),
        64: bytes([masked | 127]) + size.to_bytes(8, "big"),
    }[form]
    head = bytes([fin << 7 | rsv << 4 | opcode]) + length
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def read(*pieces: bytes) -> list[Received]:
    """Everything that a reader makes of the pieces."""
    reader = Reader(LIMIT)
    found: list[Received] = []
    for piece in pieces:
        reader.receive(piece)
        while (received := reader.next()) is not None:
            found.append(received)
    return found


def cut(data: bytes, at: Iterable[int]) -> list[bytes]:
    """The bytes in pieces."""
    edges = [0, *sorted(at), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def test_the_example_of_the_standard() -> None:
    """RFC 6455 §5.7: a masked "Hello"."""
    hello = bytes.fromhex("8185 37fa213d 7f9f4d5158")
    assert [Message(b"Hello")] == read(hello)
    assert [Message(b"Hello")] == read(*cut(hello, range(1, len(hello))))


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 125, 126, 127, 1023, 1024])
def test_every_length_form(size: int) -> None:
    """The short one up to 125 bytes, the longer one from there on."""
    assert [Message(b"x" * size)] == read(frame(TEXT, b"x" * size))


def test_the_longest_length_form() -> None:
    """Eight bytes, from 64 KiB on."""
    reader = Reader(1 << 20)
    reader.receive(frame(TEXT, b"x" * 70_000))
    assert Message(b"x" * 70_000) == reader.next()


def test_a_fragmented_message_with_control_frames_in_between() -> None:
    """The message is whole with its last fragment; a letter may be cut in two."""
    letter = "ü".encode()
    assert [Fragment(), Ping(b"1"), Fragment(), Pong(b"2"), Message(b"a" + letter)] == read(
        frame(TEXT, b"a" + letter[:1], fin=False)
        + frame(PINGED, b"1")
        + frame(CONTINUATION, b"", fin=False)
        + frame(PONGED, b"2")
        + frame(CONTINUATION, letter[1:])
    )


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"x", mask=None), Close.PROTOCOL_ERROR),
        (frame(TEXT, b"x", rsv=4), Close.PROTOCOL_ERROR),
        (frame(TEXT, b"x", rsv=2), Close.PROTOCOL_ERROR),
        (frame(TEXT, b"x", rsv=1), Close.PROTOCOL_ERROR),
        *[(frame(op), Close.PROTOCOL_ERROR) for op in range(16) if op not in OPCODES],
        (frame(CONTINUATION, b"x"), Close.PROTOCOL_ERROR),
        (frame(CONTINUATION, b"x", fin=False), Close.PROTOCOL_ERROR),
        (frame(TEXT, b"x", fin=False) + frame(TEXT, b"x"), Close.PROTOCOL_ERROR),
        (frame(TEXT, b"x", fin=False) + frame(BINARY, b"x"), Close.PROTOCOL_ERROR),
        (frame(PINGED, b"x", fin=False), Close.PROTOCOL_ERROR),
        (frame(PINGED, b"x" * 126), Close.PROTOCOL_ERROR),
        (frame(CLOSE, b"\x03\xe8" + b"x" * 124), Close.PROTOCOL_ERROR),
        (frame(CLOSE, b"\x03"), Close.PROTOCOL_ERROR),
        (frame(TEXT, b"x", form=16), Close.PROTOCOL_ERROR),
        (frame(TEXT, b"x" * 200, form=64), Close.PROTOCOL_ERROR),
        (b"\x81\xff" + b"\xff" * 8, Close.PROTOCOL_ERROR),
        (frame(BINARY, b"x"), Close.UNSUPPORTED),
        (frame(BINARY, b"x", fin=False), Close.UNSUPPORTED),
        (frame(TEXT, b"\xff"), Close.INVALID_DATA),
        (frame(TEXT, b"\xed\xa0\x80"), Close.INVALID_DATA),
        (frame(TEXT, b"\xc3", fin=False) + frame(CONTINUATION, b"x"), Close.INVALID_DATA),
        (frame(CLOSE, b"\x03\xe8\xff"), Close.INVALID_DATA),
        (frame(TEXT, b"x" * 1025), Close.TOO_BIG),
        (frame(TEXT, b"x" * 1025, fin=False), Close.TOO_BIG),
        (frame(TEXT, b"x" * 1000, fin=False) + frame(CONTINUATION, b"x" * 25), Close.TOO_BIG),
        (b"\x81\xfe\x04\x01", Close.TOO_BIG),
        (b"\x81\xff\x00\x00\x00\xff\xff\xff\xff\xff", Close.TOO_BIG),
    ],
)
def test_what_is_not_allowed(data: bytes, code: Close) -> None:
    """It is refused with the code that the standard names, and nothing after it is read."""
    for pieces in ([data + frame(TEXT, b"x")], cut(data, range(1, len(data)))):
        *before, last = read(*pieces)
        assert isinstance(last, Failed)
        assert code == last.code
        assert all(isinstance(received, Fragment) for received in before)


def test_an_illegal_frame_is_refused_before_it_is_whole() -> None:
    """Its header is enough; nobody waits for a payload of 2^62 bytes."""
    assert [Close.TOO_BIG] == [f.code for f in read(b"\x81\xff\x40" + bytes(7)) if f]  # type: ignore[union-attr]
    assert [Close.PROTOCOL_ERROR] == [f.code for f in read(b"\x8f\x80")]  # type: ignore[union-attr]


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 4000, 4999])
def test_a_close_that_may_be_sent(code: int) -> None:
    """Its code is given back, and nothing after it is read."""
    close = frame(CLOSE, code.to_bytes(2, "big") + b"bye")
    assert [Closed(code)] == read(close + frame(TEXT, b"x"), frame(TEXT, b"x"))


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535])
def test_a_close_that_may_not_be_sent(code: int) -> None:
    """A code that is reserved for what is never sent, or not given out."""
    [failed] = read(frame(CLOSE, code.to_bytes(2, "big")))
    assert Failed(Close.PROTOCOL_ERROR, "no such close code") == failed


def test_a_close_without_a_code() -> None:
    """It may have none."""
    assert [Closed(None)] == read(frame(CLOSE))


@pytest.mark.parametrize("mask", [bytes(4), b"\x01\x02\x03\x04"])
def test_an_empty_pong_is_known_by_its_looks(mask: bytes) -> None:
    """Of what is taken for one, a reader finds just that."""
    empty = frame(PONGED, mask=mask)
    assert is_empty_pong(empty)
    assert [Pong(b"")] == read(empty)
    for other in (
        frame(PONGED, b"x", mask=mask),
        frame(PINGED, mask=mask),
        frame(PONGED, mask=mask, fin=False),
        frame(PONGED, mask=mask, rsv=1),
        frame(PONGED, mask=None) + frame(TEXT, b"12", mask=None),
        empty + empty,
        empty[:-1],
        empty + b"\x89",
    ):
        assert not is_empty_pong(other)


def test_a_reader_is_idle_between_messages_only() -> None:
    """So that nothing is kept for a client that is silent."""
    for data in (frame(TEXT, b"x"), frame(TEXT, b"a", fin=False) + frame(CONTINUATION)):
        reader = Reader(LIMIT)
        for at in range(len(data)):
            assert reader.idle == (at == 0)
            reader.receive(data[at : at + 1])
            while reader.next() is not None:
                pass
        assert reader.idle


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 1_000_000])
def test_our_text_frames_are_read_by_another_parser(size: int) -> None:
    """Every length form."""
    found = theirs(text_frame(b"x" * size))
    assert (Opcode.TEXT, b"x" * size, True) == (found.opcode, bytes(found.data), found.fin)


def test_our_control_frames_are_read_by_another_parser() -> None:
    """Ping, pong, and a close whose reason is cut to what a frame holds."""
    assert (Opcode.PING, b"") == (theirs(PING).opcode, bytes(theirs(PING).data))
    assert (Opcode.PONG, b"17") == (theirs(pong(b"17")).opcode, bytes(theirs(pong(b"17")).data))
    assert b"" == bytes(theirs(close_frame(None)).data)
    close = TheirClose.parse(bytes(theirs(close_frame(4400, "ü" * 100)).data))
    assert (4400, "ü" * 61) == (close.code, close.reason)


def theirs(data: bytes) -> Frame:
    """A frame as the `websockets` package reads it."""
    reader = StreamReader()
    reader.feed_data(data)
    parsing = Frame.parse(reader.read_exact, mask=False, max_size=None)
    try:
        next(parsing)
    except StopIteration as done:
        found: Frame = done.value
        return found
    raise AssertionError("the frame is not whole")


frames = st.builds(
    frame,
    st.sampled_from(OPCODES) | st.integers(0, 15),
    st.sampled_from([b"", b"x", b"\x03\xe8", b"\xff", "ü".encode()]) | st.binary(max_size=1100),
    fin=st.booleans(),
    mask=st.binary(min_size=4, max_size=4) | st.sampled_from([b"\0\0\0\0", None]),
    form=st.sampled_from([None, None, None, 16, 64]),
    rsv=st.sampled_from([0, 0, 0, 0, 1, 4]),
)
legal_frames = st.one_of(
    st.builds(frame, st.just(TEXT), st.text(max_size=200).map(str.encode)),
    st.builds(frame, st.sampled_from([PINGED, PONGED]), st.binary(max_size=125)),
)


@given(st.lists(frames | legal_frames, max_size=6), st.data())
def test_any_cut_gives_the_same(sent: list[bytes], data: st.DataObject) -> None:
    """Whatever the frames are, legal or not, and wherever the stream is cut."""
    stream = b"".join(sent)
    at = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    assert read(stream) == read(*cut(stream, at)) == read(*cut(stream, range(1, len(stream))))


@given(st.lists(st.binary(max_size=64), max_size=8))
def test_any_garbage_ends_in_a_close_or_waits(pieces: list[bytes]) -> None:
    """Nothing raises, nothing follows a failure, and what is kept is bounded."""
    found = read(*pieces)
    assert not any(isinstance(received, Failed | Closed) for received in found[:-1])


@given(
    st.lists(st.text(max_size=300), max_size=5),
    st.lists(st.integers(0, 5000), max_size=5),
    st.binary(min_size=4, max_size=4),
)
def test_messages_come_back_however_they_are_fragmented(
    texts: list[str], cuts: list[int], mask: bytes
) -> None:
    """Cut anywhere, in the middle of a letter too."""
    sent = b""
    for text in texts:
        payload = text.encode()[:LIMIT].decode(errors="ignore").encode()
        parts = cut(payload, [at % (len(payload) + 1) for at in cuts])
        for number, part in enumerate(parts):
            opcode = CONTINUATION if number else TEXT
            sent += frame(opcode, part, fin=number == len(parts) - 1, mask=mask)
    messages = [found for found in read(sent) if not isinstance(found, Fragment)]
    assert [text.encode()[:LIMIT].decode(errors="ignore").encode() for text in texts] == [
        message.text for message in messages if isinstance(message, Message)
    ]
    assert len(texts) == len(messages)
