"""Ids become subject tokens and come back; none leaves its tenant's subjects."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from broker.errors import InvalidName
from broker.model.subjects import (
    LONGEST_TOKEN,
    RunKey,
    decode_token,
    dialect_of,
    dialect_subject,
    encode_token,
    run_of,
    tenant_of,
)

ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
"""Twenty characters of at most four bytes, each of at most three: always short enough."""

subject_like = st.text(st.sampled_from(".*>= /\\\r\n\0aA0-_ü😀"), min_size=1, max_size=20)


@given(ids | subject_like)
@example(".")
@example("*")
@example(">")
@example("..")
@example("=2E")
@example("\0")
def test_decoding_is_the_inverse_of_encoding(text: str) -> None:
    """Every id comes back as it was, and every token is a literal one."""
    token = encode_token(text)
    assert re.fullmatch(r"[A-Za-z0-9_=-]+", token)
    assert text == decode_token(token)


@given(ids | subject_like, ids | subject_like)
def test_no_id_leaves_its_tenant(tenant: str, run: str) -> None:
    """Whatever the ids hold, a subject has its three tokens, none of them a wildcard."""
    key = RunKey(tenant, run)
    for subject, prefix in (
        (key.subject, ["progress"]),
        (key.live_subject, ["live", "progress"]),
        (key.log_subject, ["logs"]),
    ):
        *before, second, last = subject.split(".")
        assert (prefix, encode_token(tenant), encode_token(run)) == (before, second, last)
        assert key == run_of(subject)


@given(ids | subject_like, ids | subject_like)
def test_different_ids_have_different_tokens(one: str, other: str) -> None:
    """No two runs share a subject."""
    assert (one == other) == (encode_token(one) == encode_token(other))


@given(st.text(max_size=20) | subject_like | st.from_regex(r"(=[0-9A-Fa-f]{2}|[a-z]){1,8}\n?"))
def test_a_token_has_one_written_form(token: str) -> None:
    """What can be decoded is what encoding writes; anything else is refused."""
    try:
        text = decode_token(token)
    except InvalidName:
        return
    assert token == encode_token(text)


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("r1", "r1"),
        ("Run_7-b", "Run_7-b"),
        ("2026.01", "2026=2E01"),
        ("*", "=2A"),
        (">", "=3E"),
        ("a b", "a=20b"),
        ("=", "=3D"),
        ("ü", "=C3=BC"),
        ("\r\n", "=0D=0A"),
    ],
)
def test_tokens(text: str, token: str) -> None:
    """Letters, digits, `_` and `-` stay; every other byte is written in hex."""
    assert token == encode_token(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the run id is empty"),
        ("x" * (LONGEST_TOKEN + 1), "the run id is longer than 256 bytes once encoded"),
        ("." * 86, "the run id is longer than 256 bytes once encoded"),
        ("\ud800", "the run id is not valid Unicode"),
    ],
)
def test_ids_that_are_refused(text: str, problem: str) -> None:
    """An id that has no token is refused by name, before anything is published."""
    with pytest.raises(InvalidName) as caught:
        encode_token(text)
    assert problem == str(caught.value)


def test_the_longest_ids() -> None:
    """The limit counts the bytes of the encoded form."""
    assert LONGEST_TOKEN == len(encode_token("x" * 256))
    assert 255 == len(encode_token("." * 85))


def test_a_refused_tenant_is_called_a_tenant() -> None:
    """The message names what the caller gave."""
    with pytest.raises(InvalidName, match="the tenant id is empty"):
        _ = RunKey("", "r1").subject


@pytest.mark.parametrize(
    "token", ["", ".", "a.b", "*", ">", "=2e", "=2", "=", "=41", "=FF", "=ED=A0=80", "ü", "a\n"]
)
def test_tokens_that_are_refused(token: str) -> None:
    """Lower-case hex, hex of what needs none, and what is not UTF-8 were never written here."""
    with pytest.raises(InvalidName):
        decode_token(token)


@pytest.mark.parametrize(
    "subject", ["progress.default.r1", "live.progress.default.r1", "logs.default.r1"]
)
def test_run_of(subject: str) -> None:
    """The run of an event, of its republished copy, and of a log line."""
    assert RunKey("default", "r1") == run_of(subject)


@pytest.mark.parametrize(
    "subject",
    ["", "progress", "progress.default", "progress.default.r1.x", "progress..r1", "live.a.b"],
)
def test_subjects_of_no_run(subject: str) -> None:
    """A subject of another shape is refused, not guessed at."""
    with pytest.raises(InvalidName):
        run_of(subject)


@given(ids | subject_like, ids | subject_like, ids | subject_like)
def test_a_subject_of_a_dialect_comes_back(dialect: str, tenant: str, run: str) -> None:
    key = RunKey(tenant, run)
    subject = dialect_subject(dialect, key)
    assert (dialect, key) == dialect_of(subject)
    assert tenant == tenant_of(subject) == tenant_of(key.subject)


@pytest.mark.parametrize(
    "subject",
    ["dialect.a.b", "dialect.a.b.c.d", "dialect.a.b.*", "dialect..b.c", "dialect.a.b.=zz"],
)
def test_subjects_of_no_dialect(subject: str) -> None:
    with pytest.raises(InvalidName):
        dialect_of(subject)
    with pytest.raises(InvalidName):
        tenant_of(subject)
