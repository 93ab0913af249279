"""Which jobs a request asks for."""

from typing import Final, NamedTuple, cast

import msgspec
from aiohttp import web

from broker.errors import InvalidParameter
from broker.model.state import TERMINAL, RunStatus
from broker.model.summary import Summary
from broker.runs.query import STATUSES, Query
from broker.views.job import WORDS, JobStatus

LIMIT: Final = 500
LARGEST: Final = 1_000
"""Jobs of one list."""
TAIL: Final = 100
LONGEST_TAIL: Final = 1_000
"""Log lines of each job that a socket begins with."""

ACTIVE: Final[tuple[RunStatus, ...]] = tuple(s for s in STATUSES if s not in TERMINAL)
ENDED: Final[tuple[RunStatus, ...]] = tuple(s for s in STATUSES if s in TERMINAL)

FILTERED: Final = {"projectId": "project", "subjectId": "subject"}
"""The label that a parameter looks at."""


class Wanted(NamedTuple):
    """The jobs that are asked for: those of a query, or the one of an id."""

    query: Query
    job: str | None = None

    def admits(self, summary: Summary) -> bool:
        """Whether a run is one of them."""
        return self.job in (None, summary.run) and self.query.admits(summary)

    def among(self, statuses: tuple[RunStatus, ...], limit: int) -> Query | None:
        """The query for those with one of the statuses; None where none can be."""
        wanted = self.query.statuses
        both = tuple(s for s in statuses if s in wanted) if wanted else statuses
        return msgspec.structs.replace(self.query, statuses=both, limit=limit) if both else None


def wanted_by(request: web.Request) -> Wanted:
    """What the parameters ask for; those that are unknown are for others. Raises InvalidParameter.

    `status` may name several words, `jobId` is of a socket alone.
    """
    labels = [
        f"{label}:{request.query[name]}"
        for name, label in FILTERED.items()
        if request.query.get(name)
    ]
    query = Query(statuses=_statuses(request.query.getall("status", [])), labels=tuple(labels))
    return Wanted(query, request.query.get("jobId") or None)


def number(request: web.Request, name: str, *, least: int, most: int, otherwise: int) -> int:
    """A whole number in the query. Raises InvalidParameter."""
    text = request.query.get(name)
    if not text:
        return otherwise
    found = int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else -1
    if not least <= found <= most:
        raise InvalidParameter(name, f"{text[:32]!r} is not a number from {least} to {most}")
    return found


def _statuses(values: list[str]) -> tuple[RunStatus, ...]:
    words = {word.strip() for value in values for word in value.split(",")} - {""}
    known = list(dict.fromkeys(WORDS.values()))
    for word in sorted(words):
        if word not in known:
            raise InvalidParameter("status", f"{word[:32]!r} is none of {', '.join(known)}")
    named = {cast(JobStatus, word) for word in words}
    return tuple(status for status in STATUSES if WORDS[status] in named)
