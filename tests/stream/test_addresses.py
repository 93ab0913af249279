"""The URL of NATS: judged before it is used, and shown without its secrets."""

import pytest

from broker.errors import SettingsError
from broker.stream.addresses import inbox_of, judge, masked


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://localhost:4222", "http:// is not what NATS speaks"),
        ("nats://", "the host is missing"),
        ("nats://:4222", "the host is missing"),
        ("nats://my host:4222", "the host is missing"),
        ("nats://localhost:port", "the port is no number"),
        ("nats://localhost:99999", "the port is no number"),
        ("nats://localhost:0", "the port is no number"),
        ("nats://[::1:4222", "the port is no number from 1 to 65535, or the host no address"),
        ("nats://localhost:4222/progress", "something stands behind the port"),
        ("nats://localhost:4222,http://localhost:4222", "http:// is not what NATS speaks"),
        ("localhost:4222,,localhost:4223", "a server is empty"),
    ],
)
def test_what_is_no_url_of_nats_is_told_with_what_is(url: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        judge(url, "--nats-url")
    assert str(caught.value).startswith(f"--nats-url={url!r}: {problem}")
    assert "nats://USER:PASSWORD@HOST:PORT" in str(caught.value)


def test_a_password_with_a_slash_is_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        judge("nats://ann:pass/word@localhost:4222", "--nats-url")
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "nats://localhost:4222",
        "tls://ann:p%2Fw@nats-1:4222,tls://ann:p%2Fw@nats-2:4222",
        "nats://token@localhost",
        "nats://[::1]:4222/",
        "localhost:4222",
        "localhost, localhost:4223",
        "wss://nats.example.org",
    ],
)
def test_what_is_one_is_let_through(url: str) -> None:
    judge(url, "--nats-url")


def test_a_url_is_shown_without_its_secrets() -> None:
    assert "nats://***@a:1,nats://b:2" == masked("nats://u:p@a:1,nats://b:2")
    assert "nats://***@a:1" == masked("nats://u:p@ss@a:1")
    assert "nats://***@a:1" == masked("u:p@a:1")
    assert "tls://***@a:1,tls://***@b:2" == masked("tls://u:p@a:1,tls://u:p@b:2")


def test_answers_come_below_the_name_of_the_user() -> None:
    """But not where it may be a secret, or is no token of a subject."""
    assert b"_INBOX.ann" == inbox_of("nats://ann:secret@a:1,nats://b:2")
    for url in ("nats://a:1", "nats://token@a:1", "nats://a.b:secret@a:1"):
        assert b"_INBOX" == inbox_of(url)
