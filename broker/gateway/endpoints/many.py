"""`GET /v1/stream`: the states of many runs on one event stream, with one cursor."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, NamedTuple

import msgspec
from aiohttp import web

from broker.errors import InvalidCursor, InvalidParameter, InvalidRequest, NotFound
from broker.gateway.endpoints.event_stream import EVENT_STREAM, STREAM_HEADERS, admit, unchanged
from broker.gateway.http.accept import preferred
from broker.gateway.http.parameters import require_known
from broker.gateway.http.sinks import release, transport_of
from broker.gateway.keys import BUNDLES, DRAIN, LIMITS, METRICS, OPTIONS, RUNS, TIMING
from broker.gateway.many.bundle import Bundle
from broker.gateway.many.bundles import Bundles
from broker.gateway.many.showing import RUNS_MAX
from broker.gateway.runs.cursors import REMEMBERED, remembered
from broker.model.heads import Heads, digest
from broker.model.subjects import DEFAULT_TENANT, RunKey
from broker.protocol.sse import CHUNKED, PLAIN
from broker.runs.query import PARAMETERS, Query, parse
from broker.stream.horizon import horizon
from broker.stream.live import LiveRuns
from broker.stream.replay import last_sequences

SLACK: Final = timedelta(seconds=30)
"""How much later than stored a change of one run may be shown, with later ones of others before.

More than it takes to find out that a live message was lost, and to read it.
"""
_OWN: Final = ("run", "view", "after", *REMEMBERED)
_TAKES: Final = (*_OWN, *sorted(PARAMETERS))
_OF_PAGES: Final = ("sort", "limit", "offset", "page_token")
_NAMED: Final = 3
"""Runs that an error names; of the others it tells how many."""


class Since(NamedTuple):
    """The cursor that a client came with, as it can be shown, and what it is worth.

    What was stored up to `upto` the client has; it is None where the cursor means nothing here.
    """

    text: str
    heads: Heads | None = None
    upto: int | None = None


async def stream(request: web.Request) -> web.StreamResponse:
    """Open a stream of the runs named or selected by a filter, or say why there is none."""
    preferred(request.headers.getall("Accept", []), (EVENT_STREAM,))
    _require_state_view(request)
    query = _query_of(request)
    named = _runs_of(request) if query is None else []
    cursor = _cursor_of(request)
    who = admit(request)
    limits, bundles, runs = request.app[LIMITS], request.app[BUNDLES], request.app[RUNS]
    since = await _since(cursor, runs)
    if query is None:
        heads = await _heads(runs, named)
        if since is not None and _is_at_end(since, heads, runs.epoch):
            return unchanged()
        if not any(heads.values()):
            raise NotFound(_named(named))
    else:
        heads = {}
    count = len(heads) if query is None else _selected(bundles, query)
    bundles.showing.require_room(count)  # before anything is sent
    response = web.StreamResponse(headers=STREAM_HEADERS)
    response.force_close()
    if request.method == "HEAD":
        return response
    closed = limits.streams.open(who, "sse")
    try:
        await response.prepare(request)
        transport = transport_of(request)
    except BaseException:
        closed("client")
        raise
    events = CHUNKED if request.version >= (1, 1) else PLAIN
    bundle = bundles.take(transport, events, query, closed)
    release(request, transport, bundle, high_water=request.app[OPTIONS].high_water)
    if request.app[DRAIN].began:
        bundle.abort("drain")
        return response
    if query is not None:
        heads = dict.fromkeys(bundles.showing.selections.selected(query, RUNS_MAX + 1), 1)
        since = _of_the_same(since, heads)
    _begin(request, bundle, heads, since)
    return response


def _begin(
    request: web.Request, bundle: Bundle, heads: Mapping[RunKey, int], since: Since | None
) -> None:
    app = request.app
    upto = 0 if since is None or since.upto is None else since.upto
    said: dict[str, object] = {"resumed": bool(upto)}
    if since is not None:
        app[METRICS].resumes.labels("resumed" if upto else "snapshot").inc()
        said["from"] = since.text
    said |= {
        "heartbeat": app[BUNDLES].limits.heartbeat,
        "max_age": round(bundle.expires_at - app[TIMING].now(), 1),
        "runs": len(heads),
        "missing": [key.run for key, seq in heads.items() if not seq],
    }
    app[METRICS].opens.labels(f"many:{bundle.events.name}", "state").inc()
    bundle.write(bundle.events.message("hello", msgspec.json.encode(said)))
    app[BUNDLES].showing.show(bundle, heads, upto)


# What is asked for.


def _require_state_view(request: web.Request) -> None:
    view = request.query.get("view", "state")
    if view != "state":
        raise InvalidRequest(
            f"view={view[:64]!r} is not to be had of many runs: one cursor cannot say of which "
            "runs a client has every event. Leave it out for the states, or subscribe to the "
            "events of each run on one WebSocket (/v1/ws)"
        )


def _query_of(request: web.Request) -> Query | None:
    """The filter; None where runs are named, or nothing is. Raises InvalidRequest."""
    require_known(request, _TAKES, "a stream of many runs")
    given = [name for name in request.query if name not in _OWN]
    if "run" in request.query:
        if given:
            raise InvalidRequest(f"runs are named, and {given[0]} selects some: give either")
        return None
    if not given:
        return None
    pages = [name for name in given if name in _OF_PAGES]
    if pages:
        raise InvalidParameter(pages[0], "is for lists that have pages and an order")
    return parse(request.query.items(), besides=_OWN)


def _selected(bundles: Bundles, query: Query) -> int:
    """How many runs a filter selects. Raises InvalidRequest if these are more than are shown."""
    count = len(bundles.showing.selections.selected(query, RUNS_MAX + 1))
    if count > RUNS_MAX:
        raise InvalidRequest(
            f"the filter selects more than the {RUNS_MAX} runs that one stream shows: narrow it, "
            "for example with status=running"
        )
    return count


def _runs_of(request: web.Request) -> list[RunKey]:
    """The runs named, each once. Raises InvalidRequest, InvalidName."""
    named = dict.fromkeys(request.query.getall("run", []))
    if not named:
        raise InvalidRequest(
            "no run is named: name each, as in /v1/stream?run=a&run=b, or give a filter, as in "
            "/v1/stream?pipeline=import&status=running"
        )
    if len(named) > RUNS_MAX:
        raise InvalidRequest(
            f"{len(named)} runs are named, more than the {RUNS_MAX} that one stream shows: "
            "open several streams"
        )
    return [RunKey.checked(DEFAULT_TENANT, run) for run in named]


def _named(keys: list[RunKey]) -> str:
    named = ", ".join(key.run for key in keys[:_NAMED])
    more = len(keys) - _NAMED
    return named if more <= 0 else f"{named} or {more} more"


# Where it begins.


def _cursor_of(request: web.Request) -> tuple[str, Heads | None] | None:
    """The cursor of a request; None for a first connection.

    What a browser remembered is never refused; `after`, which a person writes, is.
    """
    text = remembered(request)
    if text:
        return text[:64], Heads.parse(text)
    text = request.query.get("after")
    if not text:
        return None
    heads = Heads.parse(text)
    if heads is None:
        raise InvalidCursor(text, "after")
    return text, heads


async def _heads(runs: LiveRuns, keys: list[RunKey]) -> dict[RunKey, int]:
    """The last sequence of each run; 0 where nothing is stored of it."""
    last = await last_sequences(runs.reads, [key.subject for key in keys])
    return {key: last.get(key.subject, 0) for key in keys}


async def _since(cursor: tuple[str, Heads | None] | None, runs: LiveRuns) -> Since | None:
    if cursor is None:
        return None
    text, heads = cursor
    if heads is None or heads.cursor.epoch != runs.epoch:
        return Since(text)
    return Since(text, heads, await horizon(runs.reads, heads.cursor.seq, SLACK))


def _of_the_same(since: Since | None, heads: Mapping[RunKey, int]) -> Since | None:
    """What a cursor is worth where a filter selects these runs: nothing if it selected others."""
    if since is None or since.heads is None:
        return since
    if since.heads.digest == digest(key.subject for key in heads):
        return since
    return since._replace(upto=None)


def _is_at_end(since: Since, heads: Mapping[RunKey, int], epoch: str) -> bool:
    """Whether the client has seen the end of every run, and none has gone on."""
    if since.heads is None or not since.heads.digest or not all(heads.values()):
        return False
    now = Heads.at_end(epoch, {key.subject: seq for key, seq in heads.items()})
    return now == since.heads
