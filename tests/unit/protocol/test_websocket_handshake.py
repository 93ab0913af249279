"""A request becomes a WebSocket only if it is a valid handshake of a page that may connect."""

import pytest

from broker.protocol.handshake import accept_key, answer, refusal, same_origin

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
VALID = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def test_the_example_of_the_standard() -> None:
    """RFC 6455 §1.3."""
    assert "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" == accept_key(KEY)
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n" in answer(KEY)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Upgrade": "WebSocket", "Connection": "keep-alive, upgrade"},
        {"Origin": "http://localhost", "Sec-WebSocket-Extensions": "permessage-deflate"},
        {"Content-Length": "0"},
    ],
)
def test_a_valid_handshake(headers: dict[str, str]) -> None:
    """Case does not count, nor what is asked for besides."""
    assert refusal("GET", {**VALID, **headers}.items()) is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upgrade": "h2c"}, 426),
        ({"Upgrade": "websocket, h2c"}, 426),
        ({"Connection": "keep-alive"}, 426),
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Version": ""}, 426),
        ({"Sec-WebSocket-Key": ""}, 400),
        ({"Sec-WebSocket-Key": "c2hvcnQ="}, 400),
        ({"Sec-WebSocket-Key": "ü" * 24}, 400),
        ({"Sec-WebSocket-Key": "!" * 24}, 400),
        ({"Content-Length": "5"}, 400),
        ({"Transfer-Encoding": "chunked"}, 400),
    ],
)
def test_what_is_no_handshake(headers: dict[str, str], status: int) -> None:
    """The answer says what is wrong; one that could be upgraded says to what."""
    refused = refusal("GET", {**VALID, **headers}.items())
    assert refused is not None
    assert status == refused.problem.status
    assert (status == 426) == (refused.headers.get("Sec-WebSocket-Version") == "13")
    assert (status == 426) == (refused.headers.get("Upgrade") == "websocket")


def test_another_method() -> None:
    """Only GET can be upgraded."""
    refused = refusal("HEAD", VALID.items())
    assert refused is not None
    assert 426 == refused.problem.status


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://a.test", "a.test"),
        ("http://a.test", "a.test:80"),
        ("https://a.test", "a.test"),
        ("https://a.test", "A.test:443"),
        ("http://a.test:8080", "a.test:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_the_same_origin(origin: str, host: str) -> None:
    """Host and port agree, said or not."""
    assert same_origin(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("null", "a.test"),
        ("", "a.test"),
        ("http://b.test", "a.test"),
        ("http://a.test.b.test", "a.test"),
        ("http://a.test:8080", "a.test"),
        ("http://a.test", "a.test:8080"),
        ("https://a.test", "a.test:80"),
        ("file://a.test", "a.test"),
        ("http://a.test:x", "a.test"),
        ("http://[", "a.test"),
        ("http://", ""),
    ],
)
def test_another_origin(origin: str, host: str) -> None:
    """Anything else is somebody else."""
    assert not same_origin(origin, host)
