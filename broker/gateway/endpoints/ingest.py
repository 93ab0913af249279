"""`POST /v1/events` and `/v1/runs/{run}/events`: all of a request is stored, or nothing."""

from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
from aiohttp import web

from broker.errors import (
    BrokerError,
    InvalidEvents,
    InvalidName,
    InvalidRequest,
    MalformedEvent,
    TooLarge,
    UnsupportedType,
)
from broker.gateway.endpoints import dialect
from broker.gateway.endpoints.body import read_body, texts_of
from broker.gateway.http.parameters import require_known
from broker.gateway.keys import LIMITS, LOGS, METRICS, REGISTRY, RUNS, WRITES, run_key
from broker.model.cursor import Cursor
from broker.model.decode import canonical, decode, tag_of
from broker.model.events import LogAppended, Unknown
from broker.model.loglines import LARGEST_BATCH
from broker.model.subjects import DEFAULT_TENANT, RunKey
from broker.protocol import cloudevents
from broker.stream.publish import Message, publish_all
from broker.stream.topology import MAX_EVENT

_RESERVED: Final = {
    "run.lost": "the broker alone writes it",
    "run.recovered": "the broker alone writes it",
    "command.cancel": "a command is given by POST /v1/runs/{run}/cancel",
    "command.retry": "a command is given by POST /v1/runs/{run}/retry",
    "command.pause": "a command is given by POST /v1/runs/{run}/pause",
    "command.resume": "a command is given by POST /v1/runs/{run}/resume",
}


class _Addressed(msgspec.Struct, frozen=True):
    run: str | None = None


class _Item(msgspec.Struct, frozen=True):
    """One event that may be stored."""

    key: RunKey
    message: Message
    unknown: str | None


async def ingest(request: web.Request) -> web.Response:
    """Store the events of a request: a JSON event, an array, or one per line (NDJSON).

    Each may be a CloudEvent; in the binary mode, whose attributes are headers, the body is one.
    With `?dialect=` they are messages of an existing system.
    """
    if dialect.PARAMETER in request.query:
        return await dialect.translate(request)
    require_known(request, (dialect.PARAMETER,), "events")
    key = run_key(request) if "run" in request.match_info else None
    items: list[_Item] = []
    problems: list[tuple[int, str]] = []
    given_in = _cloud_events_of(request)
    for index, text in enumerate(_events(request, await read_body(request))):
        try:
            items.append(_item(text, given_in(text), key))
        except BrokerError as error:
            problems.append((index, str(error)))
    if problems:
        raise InvalidEvents(problems)
    if not items:
        raise InvalidRequest("the body holds no event")
    limits = request.app[LIMITS]
    limits.ingest.spend(limits.client(request), len(items))
    stored = await publish_all(request.app[WRITES], [item.message for item in items])
    for item in items:
        request.app[REGISTRY].known(item.key)
    request.app[METRICS].events_in.inc(len(items))
    answer: dict[str, object] = {
        "accepted": len(items),
        "last_cursor": str(Cursor(_epoch_of(request, items[-1]), stored[-1].seq)),
    }
    unknown = sorted({item.unknown for item in items if item.unknown is not None})
    if unknown:
        answer["unknown_types"] = unknown
    return web.Response(
        status=202, body=msgspec.json.encode(answer), content_type="application/json"
    )


def _events(request: web.Request, body: bytes) -> list[bytes]:
    """The events of a body, each as its own text, whatever is wrong with it."""
    if cloudevents.is_foreign(request.content_type):
        raise UnsupportedType(request.content_type)
    if cloudevents.is_binary(request.headers, request.content_type):
        return [body]
    return texts_of(request, body)


def _item(text: bytes, given: cloudevents.Given | None, key: RunKey | None) -> _Item:
    """Judge one event, given also as the CloudEvent that it is. Raises what is wrong with it."""
    if given is not None:
        text = given.event
    if len(text) > MAX_EVENT:
        raise TooLarge("the event", MAX_EVENT)
    event = decode(text)
    tag = tag_of(event)
    if tag in _RESERVED:
        raise MalformedEvent(f"{tag} is not accepted here: {_RESERVED[tag]}")
    key = _addressee(text, key, 'field "run"' if given is None else 'attribute "subject"')
    subject = key.subject
    if isinstance(event, LogAppended):
        if len(text) > LARGEST_BATCH:
            raise TooLarge("a log.appended event", LARGEST_BATCH)
        subject = key.log_subject
    return _Item(
        key,
        Message(subject, canonical(text), event.id if given is None else given.key),
        tag if isinstance(event, Unknown) else None,
    )


def _epoch_of(request: web.Request, item: _Item) -> str:
    """The epoch of the stream that holds an event."""
    logged = item.message.subject == item.key.log_subject
    return request.app[LOGS].source.epoch if logged else request.app[RUNS].epoch


def _cloud_events_of(request: web.Request) -> Callable[[bytes], cloudevents.Given | None]:
    """Reads the CloudEvent that a text of the request is; None where it is an event of our own."""
    if cloudevents.is_binary(request.headers, request.content_type):
        headers, content_type = request.headers.items(), request.headers.get("Content-Type", "")
        return lambda text: cloudevents.read_binary(headers, content_type, text)
    return partial(cloudevents.read, required=cloudevents.is_structured(request.content_type))


def _addressee(text: bytes, key: RunKey | None, place: str) -> RunKey:
    """The run an event is of: the one in the path, else the one it names itself in a place."""
    try:
        named = msgspec.json.decode(text, type=_Addressed).run
    except msgspec.ValidationError:
        raise InvalidName("run", "is not a string") from None
    if key is None:
        if named is None:
            raise InvalidName("run", f"is missing: give it as the {place}")
        return RunKey(DEFAULT_TENANT, named)
    if named is not None and named != key.run:
        raise InvalidName("run", f"in the event is {named[:64]!r}, not the one in the path")
    return key
