"""The boundary between errors and answers: every error becomes problem+json, here alone."""

import logging
import math
import time
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from broker import errors
from broker.gateway.compat.errors import members
from broker.gateway.keys import METRICS, PAGES
from broker.logs import about
from broker.protocol.problem import MEDIA_TYPE, Problem

log = logging.getLogger(__name__)

Check = Callable[[web.Request], None]

RETRY_AFTER: Final = "1"
_LATER: Final = {"storage-full": "10"}
"""Seconds to wait for what does not pass by itself."""

_PROBLEMS: Final[dict[type[errors.BrokerError], tuple[int, str, str]]] = {
    errors.NotFound: (404, "run-not-found", "Run not found"),
    errors.StoryNotKept: (404, "story-not-kept", "The run's beginning is not kept"),
    errors.MomentNotFound: (404, "moment-not-found", "The run had not begun"),
    errors.AttemptNotFound: (404, "attempt-not-found", "Attempt not found"),
    errors.GraphNotFound: (404, "graph-not-found", "Graph not found"),
    errors.PipelineNotFound: (404, "pipeline-not-found", "Pipeline not found"),
    errors.InvalidName: (422, "invalid-id", "An id that cannot be"),
    errors.InvalidCursor: (422, "invalid-cursor", "Not a cursor of this stream"),
    errors.InvalidEvents: (422, "invalid-events", "Events refused"),
    errors.InvalidRequest: (422, "invalid-request", "Request refused"),
    errors.MalformedEvent: (422, "invalid-events", "Events refused"),
    errors.UnsupportedType: (415, "unsupported-media-type", "A type of body that is not read"),
    errors.ForeignOrigin: (403, "origin-refused", "A page of this origin may not do that"),
    errors.CommandRefused: (409, "command-refused", "The state of the run forbids it"),
    errors.Superseded: (409, "superseded", "The run has gone on meanwhile"),
    errors.TooLarge: (413, "too-large", "Too large"),
    errors.StreamUnavailable: (503, "stream-unavailable", "The event stream does not answer"),
    errors.StorageFull: (503, "storage-full", "The event stream has no room left"),
    errors.IndexNotBuilt: (503, "index-not-built", "The list of runs is being built"),
    errors.RateLimited: (429, "rate-limited", "Too much at once"),
    errors.Overloaded: (503, "overloaded", "A limit of this gateway is reached"),
    errors.Draining: (503, "draining", "The gateway is stopping"),
}

_GONE: Final = 499
"""What is counted where the client went before it was answered; nobody gets it."""

_HTTP_DETAIL: Final = {
    404: "nothing is served here; the API begins at /v1, see docs/api.md",
    405: "this path does not take that method",
}


def problems(check: Check) -> Middleware:
    """Answer errors, and count and time requests by route; `check` raises to refuse one.

    One layer for all of it, since every request pays for each.
    """

    @web.middleware
    async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        response: web.StreamResponse
        try:
            check(request)
            response = await handler(request)
        except errors.RateLimited as error:
            response = _told(_answer(request, problem_of(error)), error)
        except errors.BrokerError as error:
            response = _answer(request, problem_of(error))
        except web.HTTPException as error:
            if error.status < 400:
                raise
            if isinstance(error, web.HTTPMethodNotAllowed) and error.allowed_methods == {"OPTIONS"}:
                error = web.HTTPNotFound()  # preflights alone are answered everywhere
            page = _page_instead(request) if error.status == 404 else None
            response = page or _answer(request, _http_problem(error))
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        except ConnectionError:
            if request.transport is not None and not request.transport.is_closing():
                raise
            response = web.Response(status=_GONE)
        except Exception:
            more = about("request_failed", method=request.method, path=request.path)
            log.exception("answering %s %s", request.method, request.path, extra=more)
            mistake = "it is in the gateway's log"
            response = _answer(
                request, Problem("internal", "The broker made a mistake", 500, mistake)
            )
        resource = request.match_info.route.resource
        endpoint = resource.canonical if resource is not None else "unknown"
        took = time.perf_counter() - began
        request.app[METRICS].answered(endpoint, _method(request), response.status, took)
        return response

    return answered


def _method(request: web.Request) -> str:
    known = ("GET", "HEAD", "POST", "OPTIONS")
    return request.method if request.method in known else "other"


def problem_of(error: errors.BrokerError) -> Problem:
    """An error as it is told to a client."""
    for kind in type(error).__mro__:
        if kind in _PROBLEMS:
            status, name, title = _PROBLEMS[kind]
            break
    else:
        more = about("problem_undefined", error_type=type(error).__name__)
        log.error("no problem is defined for %r", error, extra=more)
        status, name, title = 500, "internal", "The broker made a mistake"
    extra: dict[str, Any] = {}
    if isinstance(error, errors.InvalidEvents):
        extra["errors"] = [{"index": index, "detail": text} for index, text in error.problems]
    if isinstance(error, errors.InvalidParameter):
        extra["parameter"] = error.parameter
    if isinstance(error, errors.AttemptNotFound):
        extra["attempts"] = error.there
    if isinstance(error, errors.Overloaded):
        extra |= {"limit": error.limit, "value": error.value}
    if isinstance(error, errors.RateLimited):
        extra |= {"limit": error.limit, "rate": error.rate, "burst": error.burst}
    if isinstance(error, errors.TooLarge):
        extra["limit"] = error.limit
    return Problem(name, title, status, str(error), extra)


def _told(response: web.Response, error: errors.RateLimited) -> web.Response:
    """Say when to come back (RFC 9110 §10.2.3, draft-ietf-httpapi-ratelimit-headers-11)."""
    wait = math.ceil(error.wait)
    window = math.ceil(error.burst / error.rate) if error.rate else wait
    response.headers["Retry-After"] = str(wait)
    response.headers["RateLimit-Policy"] = f'"{error.limit}";q={error.burst:.0f};w={window}'
    response.headers["RateLimit"] = f'"{error.limit}";r=0;t={wait}'
    return response


def _http_problem(error: web.HTTPException) -> Problem:
    name = (error.reason or "error").lower().replace(" ", "-")
    return Problem(name, error.reason, error.status, _HTTP_DETAIL.get(error.status, ""))


def _page_instead(request: web.Request) -> web.Response | None:
    """What a person with a browser sees where nothing is served."""
    pages = request.app.get(PAGES)
    return None if pages is None else pages.missing(request)


def _answer(request: web.Request, problem: Problem) -> web.Response:
    body = problem.encode(**members(request.path, problem))
    response = web.Response(status=problem.status, body=body, content_type=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    if problem.status == 503:
        response.headers["Retry-After"] = _LATER.get(problem.name, RETRY_AFTER)
    return response
