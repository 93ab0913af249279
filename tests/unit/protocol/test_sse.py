"""What is written as an event stream reads back, by the parsers that clients use."""

from collections.abc import Iterator

import pytest
from httpx_sse import ServerSentEvent
from httpx_sse._decoders import SSEDecoder, SSELineDecoder
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.sse import CHUNKED, LAST_CHUNK, PLAIN, Framing, chunk, event

names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), min_size=1, max_size=8
)
data = st.text(
    st.sampled_from("\r\n :a\0\ufeff\u2028ü") | st.characters(exclude_categories=["Cs"]), min_size=1
)
cursors = st.none() | st.from_regex(r"[0-9a-z]{1,8}-[1-9][0-9]{0,8}", fullmatch=True)


def parsed(stream: bytes, *, pieces: int = 7) -> list[ServerSentEvent]:
    """The events of a stream that arrives in small pieces.

    A browser wakes nobody for an event without data; this parser does, so they are left out.
    """
    lines, events = SSELineDecoder(), SSEDecoder()
    text = stream.decode()
    found = [lines.decode(text[i : i + pieces]) for i in range(0, len(text), pieces)]
    found.append(lines.flush())
    decoded = [events.decode(line) for some in found for line in some]
    return [one for one in decoded if one is not None and one.data]


def unchunked(stream: bytes) -> Iterator[bytes]:
    """The chunks of a stream (RFC 9112 §7.1), the last one, which is empty, included."""
    while stream:
        size, stream = stream.split(b"\r\n", 1)
        length = int(size, 16)
        body, end, stream = stream[:length], stream[length : length + 2], stream[length + 2 :]
        assert (length, b"\r\n") == (len(body), end)
        yield body


def lines_of(text: str) -> str:
    """The text with the line ends that an event stream can carry."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@given(st.lists(st.tuples(names, data, cursors), max_size=4), st.integers(1, 20))
def test_what_is_written_reads_back(
    written: list[tuple[str, str, str | None]], pieces: int
) -> None:
    """Name, data and id of every event, for any text; an event without id keeps the last one."""
    stream = b"".join(event(kind, text.encode(), cursor) for kind, text, cursor in written)
    last = ""
    for sent, (kind, text, cursor) in zip(parsed(stream, pieces=pieces), written, strict=True):
        last = cursor or last
        assert (kind, lines_of(text), last) == (sent.event, sent.data, sent.id)


@given(st.lists(st.tuples(names, data, cursors), max_size=4))
def test_chunks_carry_the_same_events(written: list[tuple[str, str, str | None]]) -> None:
    """With or without chunks the client reads the same, and each message is a chunk of its own."""
    messages = [(kind, text.encode(), cursor) for kind, text, cursor in written]
    plain = [PLAIN.message(*message) for message in messages]
    chunked = b"".join(CHUNKED.message(*message) for message in messages) + CHUNKED.close()
    assert [*plain, b""] == list(unchunked(chunked))


@given(st.binary(min_size=1, max_size=5000))
def test_a_chunk_is_parsed_back(body: bytes) -> None:
    """The size in hex, the bytes as they are, and the end."""
    assert [body] == list(unchunked(chunk(body)))


@pytest.mark.parametrize("kind", ["a\nb", "a\rb", "a\r\nid: x", "a\0b", "\n"])
def test_a_name_cannot_inject_fields(kind: str) -> None:
    """A name with a line end would write fields of its own; it is refused, not repaired."""
    with pytest.raises(ValueError, match="line end or NUL"):
        event(kind, b"{}")


@pytest.mark.parametrize("cursor", ["e1-7\ndata: x", "e1-7\r", "e1-7\n\n", "e1\0-7"])
def test_a_cursor_cannot_inject_fields(cursor: str) -> None:
    """Nor can a cursor; one with a NUL would be ignored by the client."""
    with pytest.raises(ValueError, match="line end or NUL"):
        event("patch", b"{}", cursor)


@pytest.mark.parametrize("data", [b"1\n\nevent: end", b"1\revent: end", b"1\r\nid: x\r\n\r\n2"])
def test_data_cannot_inject_fields(data: bytes) -> None:
    """Every line of the data stays data."""
    [sent] = parsed(event("patch", data))
    assert ("patch", lines_of(data.decode()), "") == (sent.event, sent.data, sent.id)


def test_frames() -> None:
    """The bytes of an event with and without a cursor."""
    assert b'id: e1-7\nevent: patch\ndata: {"a":1}\n\n' == event("patch", b'{"a":1}', "e1-7")
    assert b"event: end\ndata: {}\n\n" == event("end", b"{}")


@pytest.mark.parametrize("framing", [CHUNKED, PLAIN], ids=lambda framing: framing.name)
def test_heartbeat_and_retry_are_no_events(framing: Framing) -> None:
    """A comment keeps the connection open, `retry` sets the pause; neither wakes the page."""
    stream = framing.heartbeat + framing.retry(1500) + framing.message("end", b"{}")
    body = b"".join(unchunked(stream)) if framing is CHUNKED else stream
    assert b":\nretry: 1500\nevent: end\ndata: {}\n\n" == body
    assert [("end", "{}")] == [(sent.event, sent.data) for sent in parsed(body)]


def test_the_end_of_a_stream() -> None:
    """A chunked stream says that it ended; a plain one ends with its connection."""
    assert (LAST_CHUNK, b"") == (CHUNKED.close(), PLAIN.close())
    assert [b""] == list(unchunked(LAST_CHUNK))
