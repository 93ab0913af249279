"""A client's messages are read or refused with a reason, and the server's are what is promised."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.conversation import (
    BadMessage,
    GiveCommand,
    ListMessages,
    Ping,
    RunMessages,
    Subscribe,
    SubscribeList,
    Unsubscribe,
    read,
    tell,
)
from tests.unit.protocol.test_websocket import theirs


def said(frame: bytes) -> Any:
    """What a server's frame says."""
    return json.loads(bytes(theirs(frame).data))


@pytest.mark.parametrize(
    ("text", "action"),
    [
        (b'{"op":"subscribe","run":"r"}', Subscribe("r")),
        (
            b'{"op":"subscribe","run":"r","view":"events","cursor":"e-1","id":7}',
            Subscribe("r", "events", "e-1", 7),
        ),
        (b'{"op":"subscribe","run":"r","id":null,"cursor":null}', Subscribe("r")),
        (b'{"op":"subscribe","list":"status=failed","id":7}', SubscribeList("status=failed", 7)),
        (b'{"op":"subscribe","list":"","run":null}', SubscribeList("")),
        (b'{"op":"unsubscribe","run":"r"}', Unsubscribe("r")),
        (b'{"op":"unsubscribe","list":""}', Unsubscribe(list="")),
        (b'{"op":"unsubscribe","id":1.5}', Unsubscribe(id=1.5)),
        (b'{"op":"command","run":"r","command":"cancel"}', GiveCommand("r", "cancel")),
        (
            b'{"op":"command","run":"r","command":"retry","by":"a","reason":"b","mode":"c",'
            b'"idempotency_key":"k","id":7}',
            GiveCommand("r", "retry", "b", "a", "c", "k", 7),
        ),
        (b' {"id":"x" , "op":"ping"}', Ping("x")),
        (b'{"op":"ping"}', Ping()),
    ],
)
def test_what_can_be_said(text: bytes, action: object) -> None:
    """Null is absent."""
    assert action == read(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "truncated"),
        (b"x", "malformed"),
        (b"[]", "Expected `object`"),
        (b"null", "Expected `object`"),
        (b"{}", "the ops are subscribe, unsubscribe, command, ping"),
        (b'{"op":"order"}', "the ops are subscribe, unsubscribe, command, ping"),
        (b'{"op":"command"}', "`run`"),
        (b'{"op":"command","run":"r"}', "`command`"),
        (b'{"op":"command","run":"","command":"cancel"}', "is empty"),
        (b'{"op":"command","run":"r","command":"cancel","id":[]}', "$.id"),
        (b'{"op":7}', "the ops are"),
        (
            b'{"op":"command","run":"r","command":"stop"}',
            "the commands are cancel, retry, pause, resume",
        ),
        (b'{"op":"subscribe"}', "`run`"),
        (b'{"op":"subscribe","run":7}', "$.run"),
        (b'{"op":"subscribe","list":7}', "$.list"),
        (b'{"op":"subscribe","list":"","run":"r"}', "not `run`"),
        (b'{"op":"subscribe","list":"","view":"state","tail":1}', "not `view`, `tail`"),
        (b'{"op":"subscribe","list":"","id":"' + b"x" * 65 + b'"}', "$.id"),
        (b'{"op":"subscribe","run":""}', "is empty"),
        (b'{"op":"subscribe","run":"' + b"x" * 257 + b'"}', "longer than 256"),
        (b'{"op":"subscribe","run":"\\ud800"}', ""),
        (b'{"op":"subscribe","run":"r","view":7}', "$.view"),
        (b'{"op":"subscribe","run":"r","cursor":7}', "$.cursor"),
        (b'{"op":"subscribe","run":"r","id":[]}', "$.id"),
        (b'{"op":"subscribe","run":"r","id":true}', "$.id"),
        (b'{"op":"subscribe","run":"r","id":"' + b"x" * 65 + b'"}', "$.id"),
        (b'{"op":"subscribe","run":"r","id":' + b"1" * 65 + b"}", "$.id"),
        (b'{"op":"subscribe","run":"r","id":1e999}', ""),
        (b'{"op":"unsubscribe"}', "`id`, the `run` or the `list`"),
        (b'{"op":"ping","x":' + b"[" * 8000 + b"]" * 8000 + b"}", ""),
        (b'{"op":"ping"} {"op":"ping"}', ""),
        (b'{"op":"ping","more":[]}', "`more`"),
        (b'{"op":"subscribe","run":"r","veiw":"events"}', "`veiw`; did you mean `view`?"),
        (b'{"op":"subscribe","list":"","limit":7}', "`limit`; did you mean `list`?"),
        (b'{"op":"unsubscribe","id":1,"runs":"r"}', "`runs`; did you mean `run`?"),
        (b'{"op":"command","run":"r","command":"cancel","raeson":"x"}', "`reason`?"),
    ],
)
def test_what_cannot(text: bytes, reason: str) -> None:
    """The reason names the member."""
    with pytest.raises(BadMessage) as caught:
        read(text)
    assert reason in str(caught.value)


def test_a_bad_message_is_answered_under_its_id() -> None:
    """So that a client knows which of its messages it was."""
    with pytest.raises(BadMessage) as caught:
        read(b'{"op":"subscribe","run":"r","id":7,"view":[]}')
    assert ("r", 7) == (caught.value.run, caught.value.id)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_anything_is_read_or_refused(text: bytes) -> None:
    """And the refusal can be told."""
    try:
        read(text)
    except BadMessage as bad:
        tell("error", {"detail": str(bad)}, run=bad.run, id=bad.id)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=4,
    ),
    st.sampled_from(["subscribe", "unsubscribe", "ping"]),
    st.sampled_from(["run", "view", "cursor", "id"]),
)
def test_any_member_is_read_or_refused(value: Any, op: str, member: str) -> None:
    """Whatever JSON stands there."""
    try:
        read(json.dumps({"op": op, "run": "r", member: value}).encode())
    except BadMessage as bad:
        tell("error", {"detail": str(bad)}, run=bad.run, id=bad.id)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.text(st.characters(exclude_categories=["Cs"])) | st.integers() | st.floats(-1e9, 1e9),
)
def test_messages_of_a_run(run: str, id: str | int | float) -> None:
    """The run and the id come back as they were, whatever they hold."""
    messages = RunMessages(run, id)
    about = {"run": run, "id": id}
    assert {"type": "patch", **about, "cursor": "e-1", "data": {"a": 1}} == said(
        messages.message("patch", b'{"a":1}', "e-1")
    )
    assert {"type": "end", **about, "data": {}} == said(messages.message("end", b"{}"))


def test_messages_of_a_list() -> None:
    """As of a run; no cursor leads back into a list."""
    messages = ListMessages('q="x"', "1")
    about = {"list": 'q="x"', "id": "1"}
    assert {"type": "patch", **about, "data": {}} == said(messages.message("patch", b"{}"))
    assert "cursor" not in said(messages.retry(1500))["data"]["detail"]
    assert messages.name != RunMessages('q="x"', "1").name


@pytest.mark.parametrize("kind", ["step.progress", "lab.sampled", "unknown"])
def test_events_are_called_event(kind: str) -> None:
    """Their own type is in the data; so no producer can speak for the broker."""
    assert "event" == said(RunMessages("r", 1).message(kind, b"{}", "e-1"))["type"]


def test_nothing_is_written_that_a_socket_has_of_its_own() -> None:
    """No heartbeat and no end; an end that comes too early is told."""
    messages = RunMessages("r", 1)
    assert (b"", b"") == (messages.heartbeat, messages.close())
    told = said(messages.retry(1500))
    assert ("error", "r", 1, "interrupted", 1.5) == (
        told["type"],
        told["run"],
        told["id"],
        told["data"]["name"],
        told["data"]["retry_after"],
    )


def test_the_same_id_shares_frames() -> None:
    """The name makes the group: 1 and "1" are two."""
    assert RunMessages("a", 1).name == RunMessages("a", 1).name
    assert RunMessages("a", 1).name != RunMessages("a", "1").name
