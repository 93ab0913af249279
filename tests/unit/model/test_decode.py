"""What is an event, what is an unknown one, and what is malformed."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from broker.errors import MalformedEvent
from broker.model.decode import TAGS, canonical, decode, decode_all, encode, tag_of
from broker.model.events import (
    Event,
    Failure,
    RunCancelled,
    RunProgress,
    RunStarted,
    StepCancelled,
    StepFailed,
    Unknown,
)
from tests import strategies as some
from tests.unit.runs import T0

BEGUN = b'{"type":"run.started",'


def nested(levels: int, opened: bytes = b"[", closed: bytes = b"]") -> bytes:
    return opened * levels + closed * levels


def outcome(payload: bytes) -> str:
    """The tag of the event, `unknown`, or `malformed`."""
    try:
        event = decode(payload)
    except MalformedEvent:
        return "malformed"
    return "unknown" if isinstance(event, Unknown) else tag_of(event)


# --- Properties -----------------------------------------------------------------------------------


@settings(max_examples=300)
@given(some.any_event)
def test_decode_is_the_inverse_of_encode(event: Event) -> None:
    """Every event of every type comes back from the store as it was."""
    assert event == decode(encode(event))


@given(some.any_event, some.documents)
def test_fields_that_nobody_knows_are_ignored(event: Event, extra: dict[str, Any]) -> None:
    """A newer producer may say more than this version reads."""
    fields = {**extra, **json.loads(encode(event))}
    assert event == decode(json.dumps(fields).encode())


@settings(max_examples=300)
@given(some.payloads | st.binary(max_size=40))
@example(b'{"type":"run.started","x":%b}' % (b"7" * 5000))
@example(b'{"type":"run.cancelled","reason":"canceled","x":1e999}')
@example(b'{"type":"run.\\u0063anceled"}')
@example(BEGUN + b'"canceled":%b}' % nested(450))
def test_what_decode_accepts_any_client_can_read(payload: bytes) -> None:
    """An accepted payload is JSON, and is shown on one line as the same object, spelled our way."""
    try:
        event = decode(payload)
    except MalformedEvent:
        return
    shown = canonical(payload)
    assert b"\n" not in shown
    assert b"\r" not in shown
    assert {**json.loads(payload), "type": tag_of(event)} == json.loads(shown)
    assert event == decode(shown)


@settings(max_examples=500)
@given(some.payloads, st.data())
def test_a_damaged_payload_is_an_event_or_malformed(payload: bytes, data: st.DataObject) -> None:
    """Whatever befalls the bytes, nothing but MalformedEvent is raised."""
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(payload))] * 2)))
    noise = data.draw(
        st.binary(max_size=4) | st.sampled_from([b"\\ud800", b"\xff", b'"', b"1e999"])
    )
    damaged = payload[:start] + noise + payload[end:]
    if outcome(damaged) != "malformed":
        assert isinstance(json.loads(damaged), dict)


@given(st.binary(max_size=64))
def test_random_bytes_are_malformed_or_an_event(payload: bytes) -> None:
    """The same for bytes that never were an event."""
    assert outcome(payload) in {*TAGS, "unknown", "malformed"}


@given(some.texts, some.documents)
def test_an_unknown_type_is_kept(tag: str, document: dict[str, Any]) -> None:
    """Any string is a type; of one that this version does not know, the name is read alone."""
    payload = json.dumps({**document, "type": f"x.{tag}"}).encode()
    assert Unknown(tag=f"x.{tag}") == decode(payload)


# --- Known, unknown, malformed --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(b'{"type":"run.started"}', "run.started", id="the smallest event"),
        pytest.param(b' \r\n{ "type" :\t"run.started" }\n', "run.started", id="white space"),
        pytest.param(b'{"\\u0074ype":"run.started"}', "run.started", id="an escaped name"),
        pytest.param(BEGUN + b'"name":null,"id":null}', "run.started", id="null is absent"),
        pytest.param(BEGUN + b'"x":{"y":[null,1e9]}}', "run.started", id="an unknown field"),
        pytest.param(BEGUN + b'"name":"\\ud83d\\ude00"}', "run.started", id="a surrogate pair"),
        pytest.param(BEGUN + '"x":"größer 😀"}'.encode(), "run.started", id="UTF-8"),
        pytest.param(b'{"type":"run.canceled"}', "run.cancelled", id="one l in a run"),
        pytest.param(
            b'{"type":"step.canceled","step":"a"}', "step.cancelled", id="one l in a step"
        ),
        pytest.param(b'{"type":"step.canceled"}', "malformed", id="one l, and no step"),
        # what this version does not know
        pytest.param(b'{"type":"run.exploded"}', "unknown", id="an unknown type"),
        pytest.param(b'{"type":""}', "unknown", id="an empty type"),
        pytest.param(b'{"type":"Run.Started"}', "unknown", id="a type in capitals"),
        pytest.param(b'{"type":"x.y","attempt":"many"}', "unknown", id="an unknown type's fields"),
        # what is not a JSON object with a type
        pytest.param(b"", "malformed", id="empty"),
        pytest.param(b" ", "malformed", id="blank"),
        pytest.param(b"hello", "malformed", id="text"),
        pytest.param(b"null", "malformed", id="null"),
        pytest.param(b'"run.started"', "malformed", id="a string"),
        pytest.param(b'[{"type":"run.started"}]', "malformed", id="an array"),
        pytest.param(b"{}", "malformed", id="no type"),
        pytest.param(b'{"type":null}', "malformed", id="type null"),
        pytest.param(b'{"type":1}', "malformed", id="type 1"),
        pytest.param(b'{"type":["run.started"]}', "malformed", id="an array of types"),
        pytest.param(b'{"type":"run.started"', "malformed", id="cut short"),
        pytest.param(b'{"type":"run.started"}{}', "malformed", id="two objects"),
        pytest.param(BEGUN + b"}", "malformed", id="a comma too many"),
        pytest.param(b"{'type':'run.started'}", "malformed", id="single quotes"),
        pytest.param(b'\xef\xbb\xbf{"type":"run.started"}', "malformed", id="a byte order mark"),
        pytest.param('{"type":"run.started"}'.encode("utf-16"), "malformed", id="UTF-16"),
        # a type told twice
        pytest.param(BEGUN + b'"type":"run.started"}', "run.started", id="the same type twice"),
        pytest.param(BEGUN + b'"type":"run.completed"}', "malformed", id="two known types"),
        pytest.param(BEGUN + b'"type":"x.y"}', "unknown", id="the last type is unknown"),
        pytest.param(
            b'{"type":"x.y","type":"run.started"}', "malformed", id="the first type is unknown"
        ),
        # fields of a wrong type
        pytest.param(b'{"type":"run.progress"}', "malformed", id="a required field is missing"),
        pytest.param(b'{"type":"run.progress","current":null}', "malformed", id="current null"),
        pytest.param(b'{"type":"run.progress","current":"1"}', "malformed", id="a number as text"),
        pytest.param(
            b'{"type":"run.progress","current":true}', "malformed", id="true is no number"
        ),
        pytest.param(b'{"type":"run.progress","current":-1}', "malformed", id="less than nothing"),
        pytest.param(b'{"type":"run.progress","current":-0.0}', "run.progress", id="minus zero"),
        pytest.param(b'{"type":"step.started","step":""}', "malformed", id="an empty name"),
        pytest.param(
            b'{"type":"step.started","step":"%b"}' % (b"x" * 257), "malformed", id="a name of 257"
        ),
        pytest.param(BEGUN + b'"attempt":0}', "malformed", id="attempt 0"),
        pytest.param(BEGUN + b'"attempt":1.5}', "malformed", id="attempt 1.5"),
        pytest.param(BEGUN + b'"labels":{"a":[]}}', "malformed", id="a label that is an array"),
        pytest.param(BEGUN + b'"plan":[{}]}', "malformed", id="a plan of nothing"),
        pytest.param(
            BEGUN + b'"time":"2026-01-01T00:00:00"}', "malformed", id="a time without offset"
        ),
        pytest.param(BEGUN + b'"time":1767225600}', "malformed", id="a time as a number"),
        pytest.param(BEGUN + b'"time":"2026-02-30T00:00:00Z"}', "malformed", id="no such day"),
        # numbers
        pytest.param(
            b'{"type":"run.progress","current":9007199254740992}', "run.progress", id="2**53"
        ),
        pytest.param(
            b'{"type":"run.progress","current":9007199254740993}', "malformed", id="2**53+1"
        ),
        pytest.param(b'{"type":"run.progress","current":1e15}', "run.progress", id="1e15"),
        pytest.param(b'{"type":"run.progress","current":1e400}', "malformed", id="1e400"),
        pytest.param(b'{"type":"run.progress","current":NaN}', "malformed", id="NaN"),
        pytest.param(BEGUN + b'"x":NaN}', "malformed", id="NaN unread"),
        pytest.param(BEGUN + b'"x":-Infinity}', "malformed", id="-Infinity unread"),
        pytest.param(BEGUN + b'"x":01}', "malformed", id="a leading zero unread"),
        pytest.param(
            BEGUN + b'"metadata":{"x":%d}}' % 2**70, "run.started", id="2**70 in metadata"
        ),
        pytest.param(
            BEGUN + b'"metadata":{"x":%b}}' % (b"7" * 5000), "malformed", id="5000 digits"
        ),
        pytest.param(BEGUN + b'"x":%b}' % (b"7" * 5000), "malformed", id="5000 digits unread"),
        pytest.param(BEGUN + b'"x":"%b"}' % (b"7" * 5000), "run.started", id="5000 digits as text"),
        pytest.param(BEGUN + b'"x":0.%b}' % (b"7" * 5000), "run.started", id="5000 decimals"),
        pytest.param(
            b'{"type":"x.y","x":%b}' % (b"7" * 5000), "malformed", id="5000 digits unknown"
        ),
        # characters
        pytest.param(BEGUN + b'"name":"\\ud800"}', "malformed", id="a lone surrogate"),
        pytest.param(BEGUN + b'"x":"\\ud800"}', "malformed", id="a lone surrogate unread"),
        pytest.param(BEGUN + b'"x":{"\\udc00":1}}', "malformed", id="a lone surrogate as a name"),
        pytest.param(BEGUN + b'"x":"\xed\xa0\x80"}', "malformed", id="a surrogate in UTF-8"),
        pytest.param(b'{"type":"x.y","x":"\\ud800"}', "malformed", id="a lone surrogate unknown"),
        pytest.param(BEGUN + b'"name":"\xff"}', "malformed", id="not UTF-8"),
        pytest.param(BEGUN + b'"x":"\xff"}', "malformed", id="not UTF-8 unread"),
        pytest.param(b'{"type":"x.y","x":"\xff"}', "malformed", id="not UTF-8 unknown"),
        pytest.param(BEGUN + b'"x":"\xc0\x80"}', "malformed", id="an overlong NUL"),
        pytest.param(BEGUN + b'"x":"\\u0000"}', "run.started", id="an escaped NUL"),
        pytest.param(BEGUN + b'"x":"a\nb"}', "malformed", id="a raw line end in text"),
        pytest.param(BEGUN + b'"x":"\\q"}', "malformed", id="no such escape"),
        # nesting
        pytest.param(BEGUN + b'"x":%b}' % nested(400), "run.started", id="400 levels unread"),
        pytest.param(BEGUN + b'"x":%b}' % nested(100_000), "malformed", id="100,000 levels unread"),
        pytest.param(
            BEGUN + b'"metadata":{"x":%b}}' % nested(100_000), "malformed", id="100,000 levels"
        ),
        pytest.param(
            BEGUN + b'"x":%b}' % nested(100_000, b'{"a":', b"}").replace(b":}", b":1}", 1),
            "malformed",
            id="100,000 objects",
        ),
        pytest.param(b'{"type":"x.y","x":%b}' % nested(100_000), "malformed", id="100,000 unknown"),
        pytest.param(
            BEGUN + b'"x":[%b[]]}' % (b"[]," * 50_000), "run.started", id="wide, not deep"
        ),
        pytest.param(BEGUN + b'"x":"%b"}' % (b"[" * 50_000), "run.started", id="brackets in text"),
        pytest.param(
            BEGUN + b'"x":"%b"}' % (b'\\"[' * 50_000),
            "run.started",
            id="brackets and quotes in text",
        ),
    ],
)
def test_what_a_payload_is(payload: bytes, expected: str) -> None:
    """The tag of a known event, `unknown` for another type, `malformed` for anything else."""
    assert expected == outcome(payload)


@pytest.mark.parametrize("payload", [BEGUN + b'"x":%b}' % nested(n) for n in (499, 500)])
def test_the_same_payload_is_the_same_event_everywhere(payload: bytes) -> None:
    """How deep the caller's own stack is does not tell an event from a malformed one."""

    def from_below(frames: int) -> str:
        return from_below(frames - 1) if frames else outcome(payload)

    assert outcome(payload) == from_below(300)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"type":"run.progress","current":-1}', "Expected `int` >= 0 - at `$.current`"),
        (b'{"type":"run.progress"}', "Object missing required field `current`"),
        (b'{"type":"step.canceled"}', "Object missing required field `step`"),
        (BEGUN + b'"x":"\xff"}', "not valid UTF-8 (byte 27)"),
        (BEGUN + b'"x":%b}' % nested(100_000), "nested too deeply"),
    ],
)
def test_a_malformed_event_says_why(payload: bytes, reason: str) -> None:
    """The reason names the field, so that a producer can be mended."""
    with pytest.raises(MalformedEvent) as caught:
        decode(payload)
    assert reason == caught.value.reason == str(caught.value)


# --- Spelling and form ----------------------------------------------------------------------------


def test_canceled_is_read_as_cancelled() -> None:
    """Both spellings are one type, with all its fields."""
    assert RunCancelled(by="ada", time=T0) == decode(
        b'{"type":"run.canceled","by":"ada","time":"2026-01-01T00:00:00Z"}'
    )
    assert StepCancelled(step="a") == decode(b'{"type":"step.canceled","step":"a"}')


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"type":"run.started"}', b'{"type":"run.started"}'),
        (b'\r\n{\n  "type": "run.started"\r\n}\n', b'{   "type": "run.started"  }'),
        (b'{"type":"run.canceled","by":"ada"}', b'{"type":"run.cancelled","by":"ada"}'),
        (b'{"type":"step.\\u0063anceled","step":"a"}', b'{"type":"step.cancelled","step":"a"}'),
        (
            b'{"type":"run.cancelled","reason":"canceled", "x":1.50}',
            b'{"type":"run.cancelled","reason":"canceled", "x":1.50}',
        ),
        (b'{"type":"order.canceled"}', b'{"type":"order.canceled"}'),
    ],
)
def test_canonical(payload: bytes, expected: bytes) -> None:
    """One line, one spelling of the type; everything else is shown as it was sent."""
    assert expected == canonical(payload)


def test_what_is_absent_is_not_written() -> None:
    """The stored form holds what was said, and no nulls."""
    assert b'{"type":"run.started"}' == encode(RunStarted())
    event = StepFailed(step="a", error=Failure(message="no"), attempt=2)
    assert b'{"type":"step.failed","attempt":2,"step":"a","error":{"message":"no"}}' == encode(
        event
    )


def test_whole_numbers_stay_whole() -> None:
    """An integer is not turned into a float, nor a float into an integer."""
    whole = decode(b'{"type":"run.progress","current":3,"total":10.0}')
    assert isinstance(whole, RunProgress)
    assert (int, float) == (type(whole.current), type(whole.total))


def test_tags_are_the_storage_format() -> None:
    """A tag is chosen once: renaming one would orphan what is stored."""
    assert TAGS == {
        "run.queued",
        "run.started",
        "run.progress",
        "run.heartbeat",
        "run.paused",
        "run.resumed",
        "run.completed",
        "run.failed",
        "run.cancelled",
        "run.annotated",
        "run.lost",
        "run.recovered",
        "step.started",
        "step.progress",
        "step.completed",
        "step.failed",
        "step.skipped",
        "step.retrying",
        "step.cancelled",
        "steps.counted",
        "artifact.added",
        "command.cancel",
        "command.retry",
        "command.pause",
        "command.resume",
        "command.acknowledged",
        "log.appended",
    }


@settings(max_examples=300)
@given(st.lists(some.event_payloads | some.payloads, max_size=8))
@example([BEGUN + b'"x":%b}' % nested(501)])
def test_many_are_decoded_like_each(payloads: list[bytes]) -> None:
    """Together or one by one, the same events; None says that one by one is the way."""
    found = decode_all(payloads)
    if found is not None:
        assert [decode(payload) for payload in payloads] == found


def test_many_of_what_producers_send_are_decoded_together() -> None:
    """No batch of ordinary events, of any script or length, needs the slow way."""
    events: list[Event] = [
        RunStarted(name="größe"),
        RunStarted(name="x" * 5000),
        RunProgress(current=1),
    ]
    assert events == decode_all([encode(event) for event in events])
    assert [] == decode_all([])
