"""What a list of runs is asked for: filters, order and position, read from request parameters."""

import base64
import difflib
import hashlib
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple, get_args

import msgspec

from broker.errors import InvalidParameter
from broker.model.state import RunStatus
from broker.model.subjects import DEFAULT_TENANT
from broker.model.summary import Summary
from broker.runs.fields import ABSENT, began, labels_of, parent_of, text_of

STATUSES: Final[tuple[RunStatus, ...]] = get_args(RunStatus)
"""In the order in which a run may pass through them; a sort by status keeps it."""

NUMBERS: Final = (
    "updated_at",
    "began_at",
    "queued_at",
    "started_at",
    "ended_at",
    "duration",
    "status",
)
"""`began_at` is when a run was queued, or else started."""
TEXTS: Final = ("name", "pipeline")
SORTS: Final = NUMBERS + TEXTS
NEWEST_FIRST: Final = "-updated_at"
PAGE: Final = 50
LARGEST_PAGE: Final = 500
LARGEST_OFFSET: Final = 10_000_000
"""More rows than an index can have."""
TERMS: Final = 8
"""Words of `q`; more would cost without finding less."""
LONGEST: Final = 512
"""Characters of one value."""

_FINGERPRINT: Final = 8
_UNICODE: Final = re.compile(r"[^\ud800-\udfff]*")
_SEVERAL: Final = ("status", "pipeline", "label")
_encode: Final = msgspec.msgpack.Encoder().encode


class Position(NamedTuple):
    """A place in an order: the sort key of a row there, and its run."""

    value: float | str
    run: str


class _Token(msgspec.Struct, frozen=True, array_like=True):
    query: bytes
    value: float | str
    run: str


_decode: Final = msgspec.msgpack.Decoder(_Token).decode


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Filters, all of which hold, an order, and where a page begins.

    `statuses` and `pipelines` name alternatives; empty, any will do. `labels` are `key:value`.
    `terms` are folded words, each found somewhere in a run's id, name, pipeline or labels. `since`
    and `until` bound when a run began, in seconds since 1970; `until` is exclusive.
    """

    tenant: str = DEFAULT_TENANT
    statuses: tuple[RunStatus, ...] = ()
    pipelines: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    parent: str | None = None
    since: float | None = None
    until: float | None = None
    sort: str = "updated_at"
    descending: bool = True
    limit: int = PAGE
    after: Position | None = None
    offset: int = 0
    """Rows left out before the page; where `after` is given, none are."""

    @property
    def fingerprint(self) -> bytes:
        """Tells queries apart that differ in filters or order; page and length are left out."""
        what = msgspec.structs.replace(self, after=None, offset=0, limit=0)
        return hashlib.blake2b(_encode(what), digest_size=_FINGERPRINT).digest()

    def token(self, last: Position) -> str:
        """What asks for the page after a row."""
        packed = _encode(_Token(self.fingerprint, *last))
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()

    def admits(self, summary: Summary) -> bool:
        """Whether a run passes the filters."""
        return (
            (not self.statuses or summary.status in self.statuses)
            and summary.tenant == self.tenant
            and (not self.pipelines or summary.pipeline in self.pipelines)
            and (not self.labels or set(self.labels).issubset(labels_of(summary)))
            and (self.parent is None or parent_of(summary) == self.parent)
            and self._in_span(began(summary))
            and (not self.terms or _holds(text_of(summary), self.terms))
        )

    def _in_span(self, at: float) -> bool:
        if self.since is None and self.until is None:
            return True
        since, until = self.since, self.until
        return at != ABSENT and (since is None or at >= since) and (until is None or at < until)


def parse(
    parameters: Iterable[tuple[str, str]],
    *,
    tenant: str = DEFAULT_TENANT,
    besides: Collection[str] = (),
) -> Query:
    """The query that request parameters spell; `besides` names those that are not of the query.

    `status`, `pipeline` and `label` may be repeated. Raises InvalidParameter.
    """
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        if name in besides:
            continue
        if name not in _READERS:
            raise InvalidParameter(name, f"is no parameter of a list{_nearest(name)}")
        if len(value) > LONGEST:
            raise InvalidParameter(name, f"is longer than {LONGEST} characters")
        if not _UNICODE.fullmatch(value):
            raise InvalidParameter(name, "is not valid Unicode")
        given.setdefault(name, []).append(value)
    fields: dict[str, object] = {"tenant": tenant}
    for name, values in given.items():
        if len(values) > 1 and name not in _SEVERAL:
            raise InvalidParameter(name, "is given more than once")
        fields |= _READERS[name](values)
    token = fields.pop("page_token", None)
    query = Query(**fields)  # type: ignore[arg-type]  # each reader gives its own fields
    if query.since is not None and query.until is not None and query.since >= query.until:
        raise InvalidParameter("until", "is not after since, so that nothing lies between")
    if token is None:
        return query
    if "offset" in given:
        raise InvalidParameter("offset", "and page_token exclude each other: give one of them")
    return _continued(query, str(token))


def _continued(query: Query, text: str) -> Query:
    """The query from where a token says; it must be of the same filters and order."""
    refused = InvalidParameter(
        "page_token",
        "is not of this query: give `next` of the page before, with the same filters and sort",
    )
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        token = _decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, msgspec.DecodeError):  # of base64, of ASCII, or of UTF-8 inside
        raise refused from None
    of_its_kind = isinstance(token.value, str) == (query.sort in TEXTS)
    if token.query != query.fingerprint or not of_its_kind or math.isnan(_number(token.value)):
        raise refused
    return msgspec.structs.replace(query, after=Position(token.value, token.run))


def _number(value: float | str) -> float:
    return 0.0 if isinstance(value, str) else value


def _statuses(values: list[str]) -> dict[str, object]:
    wanted = {each.strip() for value in values for each in value.split(",")}
    wanted = {"cancelled" if each == "canceled" else each for each in wanted}
    for each in sorted(wanted):
        if each not in STATUSES:
            raise InvalidParameter("status", f"{each!r} is none of {', '.join(STATUSES)}")
    return {"statuses": tuple(status for status in STATUSES if status in wanted)}


def _pipelines(values: list[str]) -> dict[str, object]:
    if not all(values):
        raise InvalidParameter("pipeline", "is empty")
    return {"pipelines": tuple(sorted(set(values)))}


def _labels(values: list[str]) -> dict[str, object]:
    for value in values:
        key, colon, _ = value.partition(":")
        if not key or not colon:
            raise InvalidParameter("label", f"{value!r} is not of the form key:value")
    return {"labels": tuple(sorted(set(values)))}


def _terms(values: list[str]) -> dict[str, object]:
    terms = tuple(sorted(set(values[0].casefold().split())))
    if len(terms) > TERMS:
        raise InvalidParameter("q", f"has more than {TERMS} words")
    return {"terms": terms}


def _parent(values: list[str]) -> dict[str, object]:
    if not values[0]:
        raise InvalidParameter("parent", "is empty: give the id of a run")
    return {"parent": values[0]}


def _moment(name: str) -> Callable[[list[str]], dict[str, object]]:
    def read(values: list[str]) -> dict[str, object]:
        # A plus that was not escaped arrives as a space.
        try:
            moment = datetime.fromisoformat(values[0].replace(" ", "+"))
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None or "T" not in values[0].upper():
            raise InvalidParameter(
                name, f"{values[0]!r} is not a time such as 2026-01-31T12:00:00Z"
            )
        return {name: moment.timestamp()}

    return read


def _sort(values: list[str]) -> dict[str, object]:
    key = values[0].removeprefix("-")
    if key not in SORTS:
        raise InvalidParameter(
            "sort", f"{values[0]!r} is none of {', '.join(SORTS)}, or one of these after a `-`"
        )
    return {"sort": key, "descending": values[0].startswith("-")}


def _number_of(name: str, least: int, most: int) -> Callable[[list[str]], dict[str, object]]:
    def read(values: list[str]) -> dict[str, object]:
        text = values[0]
        digits = text.isascii() and text.isdigit() and len(text) <= 16
        if not digits or not least <= int(text) <= most:
            raise InvalidParameter(name, f"{text[:32]!r} is not a number from {least} to {most}")
        return {name: int(text)}

    return read


def _page_token(values: list[str]) -> dict[str, object]:
    return {"page_token": values[0]}


_READERS: Final[Mapping[str, Callable[[list[str]], dict[str, object]]]] = {
    "status": _statuses,
    "pipeline": _pipelines,
    "label": _labels,
    "q": _terms,
    "parent": _parent,
    "since": _moment("since"),
    "until": _moment("until"),
    "sort": _sort,
    "limit": _number_of("limit", 1, LARGEST_PAGE),
    "offset": _number_of("offset", 0, LARGEST_OFFSET),
    "page_token": _page_token,
}
PARAMETERS: Final = frozenset(_READERS)
"""The names that `parse` reads."""


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, _READERS, n=1)
    return f": did you mean {near[0]}?" if near else f": these are {', '.join(_READERS)}"


def _holds(text: str, terms: Iterable[str]) -> bool:
    return all(term in text for term in terms)
