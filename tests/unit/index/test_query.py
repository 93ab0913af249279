"""What a list may be asked for, and how it is told what it may not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from broker.errors import InvalidParameter
from broker.runs.query import NUMBERS, SORTS, Position, Query, parse


def test_without_parameters_the_newest_fifty() -> None:
    assert Query(sort="updated_at", descending=True, limit=50) == parse([])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"status": "failed,running"}, {"statuses": ("running", "failed")}),
        ({"status": ["failed", "running"]}, {"statuses": ("running", "failed")}),
        ({"status": "canceled"}, {"statuses": ("cancelled",)}),
        ({"pipeline": "a,b"}, {"pipelines": ("a,b",)}),
        ({"pipeline": ["b", "a", "b"]}, {"pipelines": ("a", "b")}),
        ({"label": ["env:prod", "url:http://x"]}, {"labels": ("env:prod", "url:http://x")}),
        ({"label": "note:"}, {"labels": ("note:",)}),
        ({"q": "  Straße 7 straSSE "}, {"terms": ("7", "strasse")}),
        ({"q": " "}, {"terms": ()}),
        ({"parent": "r 1"}, {"parent": "r 1"}),
        ({"since": "2026-01-31T12:00:00Z"}, {"since": 1769860800.0}),
        ({"until": "2026-01-31T13:00:00+01:00"}, {"until": 1769860800.0}),
        ({"until": "2026-01-31T13:00:00 01:00"}, {"until": 1769860800.0}),
        ({"sort": "name"}, {"sort": "name", "descending": False}),
        ({"sort": "-duration"}, {"sort": "duration", "descending": True}),
        ({"limit": "500"}, {"limit": 500}),
        ({"offset": "80000"}, {"offset": 80_000}),
    ],
)
def test_parameters_are_read(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert Query(**expected) == parse(pairs(given))


@pytest.mark.parametrize(
    ("given", "parameter", "says"),
    [
        ({"status": "done"}, "status", "'done' is none of queued, running"),
        ({"status": ""}, "status", "'' is none of"),
        ({"pipeline": ""}, "pipeline", "empty"),
        ({"label": "prod"}, "label", "key:value"),
        ({"label": ":prod"}, "label", "key:value"),
        ({"q": "a b c d e f g h i"}, "q", "8 words"),
        ({"q": "x" * 513}, "q", "512"),
        ({"q": "\ud800"}, "q", "Unicode"),
        ({"parent": ""}, "parent", "empty"),
        ({"limit": "000000001000"}, "limit", "from 1 to 500"),
        ({"limit": "1" + "0" * 5000}, "limit", "512"),
        ({"since": "yesterday"}, "since", "2026-01-31T12:00:00Z"),
        ({"since": "2026-01-31"}, "since", "2026-01-31T12:00:00Z"),
        ({"since": "2026-01-31T12:00:00"}, "since", "2026-01-31T12:00:00Z"),
        ({"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "until", "since"),
        ({"sort": "size"}, "sort", "updated_at"),
        ({"sort": "--name"}, "sort", "updated_at"),
        ({"sort": ["name", "status"]}, "sort", "more than once"),
        ({"limit": "0"}, "limit", "from 1 to 500"),
        ({"limit": "501"}, "limit", "from 1 to 500"),
        ({"limit": "1e2"}, "limit", "from 1 to 500"),
        ({"limit": "٣"}, "limit", "from 1 to 500"),
        ({"offset": "-1"}, "offset", "from 0 to 10000000"),
        ({"offset": "10000001"}, "offset", "from 0 to 10000000"),
        ({"offset": "0", "page_token": "x"}, "offset", "exclude each other"),
        ({"stauts": "failed"}, "stauts", "did you mean status?"),
        ({"page_token": "rubbish"}, "page_token", "next"),
        ({"page_token": "ünïcode"}, "page_token", "next"),
        ({"page_token": ""}, "page_token", "next"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    given: dict[str, Any], parameter: str, says: str
) -> None:
    with pytest.raises(InvalidParameter) as refused:
        parse(pairs(given))
    assert parameter == refused.value.parameter
    assert says in str(refused.value)
    assert str(refused.value).startswith(f"{parameter}: ")


@pytest.mark.parametrize("sort", SORTS)
def test_a_token_leads_on_from_a_row(sort: str) -> None:
    """Also past a row without the time that is sorted by, and with another limit."""
    at = Position(-float("inf") if sort in NUMBERS else "étape\nr1", "r 1")
    token = parse([("sort", sort), ("q", "x y")]).token(at)
    again = parse([("sort", sort), ("q", "Y x"), ("limit", "7"), ("page_token", token)])
    assert (at, 7) == (again.after, again.limit)


@pytest.mark.parametrize(
    "other", [{"q": "y"}, {"sort": "updated_at"}, {"status": "failed"}, {"label": "a:b"}]
)
def test_a_token_of_another_query_is_refused(other: dict[str, str]) -> None:
    token = parse([("q", "x")]).token(Position(5.0, "r1"))
    with pytest.raises(InvalidParameter, match="page_token"):
        parse([*({"q": "x"} | other).items(), ("page_token", token)])


def test_a_token_that_was_altered_is_refused() -> None:
    """Whatever is altered: it is no secret, but an error of a client must show."""
    query = parse([])
    token = query.token(Position(5.0, "r1"))
    forged = query.token(Position("name", "r1")), query.token(Position(float("nan"), "r1"))
    for text in (*forged, token[:-2], token[1:], token + "AAAA", token.swapcase()):
        with pytest.raises(InvalidParameter, match="page_token"):
            parse([("page_token", text)])


@pytest.mark.parametrize("text", ["k8QBYaH_of8", "kw", "é", "A", "_" * 512])
def test_a_token_that_is_none_is_refused(text: str) -> None:
    """The first is one but for its text, which is not valid UTF-8."""
    with pytest.raises(InvalidParameter, match="page_token"):
        parse([("page_token", text)])


def test_parameters_of_others_are_left_alone() -> None:
    assert parse([]) == parse([("ticket", "x"), ("ticket", "y")], besides={"ticket"})


def test_times_are_those_of_utc() -> None:
    moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert moment.timestamp() == parse([("since", moment.isoformat())]).since


def pairs(given: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, value)
        for name, values in given.items()
        for value in (values if isinstance(values, list) else [values])
    ]
