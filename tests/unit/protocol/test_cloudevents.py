"""A CloudEvent is an event of a run, or it is refused with a reason."""

import json
from typing import Any

import pytest

from broker.errors import MalformedEvent
from broker.protocol.cloudevents import Given, is_binary, is_foreign, read, read_binary

LEAST = {"specversion": "1.0", "id": "7", "source": "/etl", "type": "run.started"}
HEADERS = [(f"Ce-{name.title()}", value) for name, value in LEAST.items()]


def event(**more: Any) -> bytes:
    """A structured CloudEvent; None takes an attribute away."""
    return json.dumps({k: v for k, v in {**LEAST, **more}.items() if v is not None}).encode()


def shown(given: Given | None) -> Any:
    """The event that it is."""
    assert given is not None
    return json.loads(given.event)


def test_attributes_and_data_become_fields() -> None:
    given = read(
        event(
            type="progress.step.progress",
            subject="import-7",
            time="2026-01-31T12:00:00Z",
            datacontenttype="application/json; charset=utf-8",
            dataschema="https://example.org/schema",
            traceparent="an extension",
            data={"step": "fetch", "current": 3, "type": "not this", "id": "nor this"},
        )
    )
    assert {
        "type": "step.progress",
        "id": "7",
        "time": "2026-01-31T12:00:00Z",
        "run": "import-7",
        "source": "/etl",
        "step": "fetch",
        "current": 3,
    } == shown(given)


@pytest.mark.parametrize(
    ("more", "run"),
    [
        ({}, None),
        ({"subject": "r1"}, "r1"),
        ({"data": {"run": "r1"}}, "r1"),
        ({"subject": "r1", "data": {"run": "r1"}}, "r1"),
    ],
)
def test_the_run_is_the_subject_or_in_the_data(more: dict[str, Any], run: str | None) -> None:
    assert run == shown(read(event(**more))).get("run")


def test_data_in_base64() -> None:
    assert 3 == shown(read(event(data_base64="eyJjdXJyZW50Ijoz fQ==".replace(" ", ""))))["current"]


def test_the_binary_mode() -> None:
    """Header values are percent-encoded UTF-8, and may be quoted."""
    headers = [*HEADERS, ("ce-subject", "caf%C3%A9"), ("CE-TIME", '"2026-01-31T12:00:00Z"')]
    given = read_binary(headers, "application/json", b'{"pipeline":"p"}')
    assert {
        "type": "run.started",
        "id": "7",
        "time": "2026-01-31T12:00:00Z",
        "run": "café",
        "source": "/etl",
        "pipeline": "p",
    } == shown(given)
    assert "run.started" == shown(read_binary(HEADERS, "", b""))["type"]
    assert is_binary({"ce-specversion": "1.0"}, "application/json")
    assert is_binary({"ce-type": "run.started"}, "application/json")
    assert not is_binary({"ce-specversion": "1.0"}, "application/cloudevents+json")
    assert not is_binary({}, "application/json")


def test_an_id_is_unique_for_its_source_alone() -> None:
    """Two sources that count from 1 do not take each other's events for repetitions."""
    keys = [read(event(source=source, id=id)) for source in ("/a", "/b") for id in ("1", "2")]
    assert 4 == len({given.key for given in keys if given})
    assert read(event()) == read(event())


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"run.started"}',
        b'{"type":"x.y","data":{"specversion":"1.0"}}',
        b'{"type":"x.y","specversion":',
        b"7",
        b"",
    ],
)
def test_what_is_no_cloud_event_is_left_to_others(text: bytes) -> None:
    assert None is read(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (event(specversion="0.3"), "specversion is '0.3', not '1.0'"),
        (event(specversion=1.0), "specversion is 1.0"),
        (event(id=None), "'id'"),
        (event(id=""), "'id'"),
        (event(source=None), "'source'"),
        (event(type=7), "'type'"),
        (event(time=7), "'time'"),
        (event(subject=7), "'subject'"),
        (event(data=[1]), "its data is not a JSON object"),
        (event(data="x"), "its data is not a JSON object"),
        (event(datacontenttype="text/xml", data={}), "'text/xml', not application/json"),
        (event(data_base64="!"), "not base64"),
        (event(data_base64=7), "not base64"),
        (event(data_base64="Ww=="), "its data"),
        (event(data_base64="e30=", data={}), "both data and data_base64"),
        (event(subject="a", data={"run": "b"}), "its subject is not the run"),
        (event(data={"x": "\ud800"}), "truncated|surrogate"),
    ],
)
def test_what_is_wrong_with_one(text: bytes, reason: str) -> None:
    with pytest.raises(MalformedEvent, match=reason):
        read(text, required=True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"type":"run.started"}', "specversion is missing"),
        (b"7", "a JSON object"),
        (b"{", "truncated"),
        (b'{"x":"\xff"}', "not valid UTF-8"),
        (b"[" * 100_000, "."),
    ],
)
def test_where_everything_must_be_one(text: bytes, reason: str) -> None:
    with pytest.raises(MalformedEvent, match=reason):
        read(text, required=True)


@pytest.mark.parametrize(
    ("headers", "content_type", "body", "reason"),
    [
        (HEADERS, "text/plain", b"{}", "'text/plain', not application/json"),
        (HEADERS, "application/json", b"[]", "not a JSON object"),
        (HEADERS, "application/json", b'{"x":"\xff"}', "its data"),
        ([*HEADERS, ("ce-subject", "%FF")], "", b"", "the header ce-subject"),
        ([*HEADERS, ("ce-subject", "é")], "", b"", "the header ce-subject"),
        (HEADERS[:2], "", b"", "'source'"),
    ],
)
def test_what_is_wrong_in_the_binary_mode(
    headers: list[tuple[str, str]], content_type: str, body: bytes, reason: str
) -> None:
    with pytest.raises(MalformedEvent, match=reason):
        read_binary(headers, content_type, body)


def test_formats_that_are_not_read() -> None:
    for kind in ("application/cloudevents+avro", "application/cloudevents+protobuf"):
        assert is_foreign(kind)
    for kind in ("application/cloudevents+json", "application/cloudevents-batch+json", "text/xml"):
        assert not is_foreign(kind)
