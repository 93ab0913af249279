"""An event stream is read as the standard says, however its bytes are cut."""

import pytest
from httpx_sse._decoders import SSEDecoder, SSELineDecoder
from hypothesis import example, given
from hypothesis import strategies as st

from broker.errors import MalformedEvent
from broker.protocol.sse import event
from broker.protocol.sse_reader import EventReader, SentEvent

lines = st.sampled_from(
    [
        *(b"", b"data: a", b"data:  b", b"data", b"data:", b"event: patch", b"event"),
        *(b"id: 7", b"id", b"id: a\0b", b"retry: 120", b"retry: 1s", b": heartbeat", b""),
        *(b"nonsense: 1", b"data: \xc3\xbc", b"data: \xff", "data: \ufeff\u2028".encode()),
    ]
)
ends = st.sampled_from([b"\n", b"\r", b"\r\n"])
streams = st.lists(st.tuples(lines, ends).map(b"".join), max_size=20).map(b"".join)


def read(stream: bytes, pieces: int = 1 << 20, last_id: str = "") -> list[SentEvent]:
    reader = EventReader(last_id)
    cuts = range(0, len(stream), pieces)
    return [found for i in cuts for found in reader.feed(stream[i : i + pieces])]


@given(streams, st.integers(1, 9))
@example(b"data: a\r\n\r\ndata: b\r\r", 8)
def test_where_the_bytes_are_cut_makes_no_difference(stream: bytes, pieces: int) -> None:
    assert read(stream) == read(stream, pieces)


@given(streams)
def test_another_reader_finds_the_same(stream: bytes) -> None:
    """httpx-sse keeps events without data, which a browser drops."""
    text, events = SSELineDecoder(), SSEDecoder()
    decoded = [
        events.decode(line)
        for line in [*text.decode(stream.decode(errors="replace")), *text.flush()]
    ]
    with_data = [one for one in decoded if one is not None and one.data]
    assert [SentEvent(one.event, one.data, one.id) for one in with_data] == [
        one for one in read(stream) if one.data
    ]


@given(st.lists(st.tuples(st.sampled_from(["patch", "log"]), st.text(min_size=1)), max_size=5))
def test_what_the_gateway_writes_is_read(written: list[tuple[str, str]]) -> None:
    stream = b"".join(event(name, data.encode(), "e-1") for name, data in written)
    told = [(name, data.replace("\r\n", "\n").replace("\r", "\n")) for name, data in written]
    assert [SentEvent(name, data, "e-1") for name, data in told] == read(stream)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [SentEvent("message", "a", "")]),
        (b"\xef\xbb\xbfdata: a\n\n", [SentEvent("message", "a", "")]),
        (b"data\n\n", [SentEvent("message", "", "")]),
        (b"data: a\ndata\n\n", [SentEvent("message", "a\n", "")]),
        (b"event: x\n\ndata: a\n\n", [SentEvent("message", "a", "")]),
        (b"id: 1\n\ndata: a\n\n", [SentEvent("message", "a", "1")]),
        (b"id: 1\ndata: a\n\nid\ndata: b\n\n", [("message", "a", "1"), ("message", "b", "")]),
        (b"id: 1\ndata: cut", []),
        (b"id: 1\ndata: cut\n", []),
    ],
)
def test_the_rules(stream: bytes, events: list[SentEvent]) -> None:
    assert events == read(stream)


def test_an_id_counts_only_once_its_event_is_whole() -> None:
    """Coming back with the id of half an event would miss the event."""
    reader = EventReader("e-1")
    reader.feed(b"id: e-2\ndata: half")
    assert "e-1" == reader.last_id
    reader.feed(b"\n\n")
    assert "e-2" == reader.last_id


def test_the_pause_is_digits() -> None:
    reader = EventReader()
    reader.feed(b"retry: 250\nretry: soon\nretry: -1\nretry: " + 5000 * b"9" + b"\n")
    assert 250 == reader.retry


@pytest.mark.parametrize("stream", [b"x" * 101, b"data: 0123456789\n" * 11])
def test_a_stream_without_end_is_refused(stream: bytes) -> None:
    """A server gone mad must not fill the memory of who listens."""
    with pytest.raises(MalformedEvent, match="100 bytes"):
        EventReader(most=100).feed(stream)
