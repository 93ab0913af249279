"""Each frame of a stream of many runs names its run, and none has an id."""

import json

from broker.protocol.named import NamedEvents
from broker.protocol.sse import CHUNKED, PLAIN


def test_a_patch_is_given_its_run() -> None:
    """The first member; what a client folds is the same with it."""
    events = NamedEvents(PLAIN, 'r"1')
    frame = events.message("patch", b'{"status":"running","cursor":"e-1"}', "e-1")
    assert b'event: patch\ndata: {"run":"r\\"1","status":"running","cursor":"e-1"}\n\n' == frame
    assert {"run": 'r"1', "status": "running", "cursor": "e-1"} == json.loads(
        frame.split(b"data: ")[1]
    )


def test_a_snapshot_and_an_end_name_it_themselves() -> None:
    events = NamedEvents(PLAIN, "r1")
    assert b'event: snapshot\ndata: {"run":"r1"}\n\n' == events.message(
        "snapshot", b'{"run":"r1"}', "e-1"
    )
    assert b'event: end\ndata: {"run":"r1"}\n\n' == events.message("end", b'{"run":"r1"}')


def test_a_run_that_is_over_ends_nothing() -> None:
    """The stream says when it ends, and keeps its own heartbeat."""
    events = NamedEvents(CHUNKED, "r1")
    assert (b"", b"", b"") == (events.heartbeat, events.retry(5), events.close())


def test_frames_are_shared_by_transport() -> None:
    """Two sockets of one transport are of one group, HTTP/1.0 is of another."""
    assert NamedEvents(CHUNKED, "r1").name == NamedEvents(CHUNKED, "r1").name
    assert NamedEvents(CHUNKED, "r1").name not in (NamedEvents(PLAIN, "r1").name, CHUNKED.name)
