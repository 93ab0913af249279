"""`POST /v1/events` and `/v1/runs/{run}/events`: all of a request is stored, or nothing."""

import asyncio
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
)
from broker.gateway.keys import (
    LIMITS,
    METRICS,
    OPTIONS,
    REGISTRY,
    RUNS,
    WRITES,
    run_key,
)
from broker.model.cursor import Cursor
from broker.model.decode import canonical, decode, tag_of
from broker.model.events import LogAppended, Unknown
from broker.model.subjects import DEFAULT_TENANT, RunKey
from broker.stream.publish import Message, publish_all
from broker.stream.topology import MAX_EVENT

BODY_TIMEOUT: Final = 30.0
"""Seconds that a client has for its body; aiohttp sets no limit."""

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
    """Store the events of a request: a JSON event, an array, or one per line (NDJSON)."""
    key = run_key(request) if "run" in request.match_info else None
    items: list[_Item] = []
    problems: list[tuple[int, str]] = []
    for index, text in enumerate(_events(request, await _body(request))):
        try:
            items.append(_item(text, key))
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
        "last_cursor": str(Cursor(request.app[RUNS].epoch, stored[-1].seq)),
    }
    unknown = sorted({item.unknown for item in items if item.unknown is not None})
    if unknown:
        answer["unknown_types"] = unknown
    return web.Response(
        status=202, body=msgspec.json.encode(answer), content_type="application/json"
    )


async def _body(request: web.Request) -> bytes:
    limit = request.app[OPTIONS].body_max
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            return await request.read()
    except TimeoutError:
        raise InvalidRequest(f"the body did not arrive in {BODY_TIMEOUT:g} s") from None
    except web.HTTPRequestEntityTooLarge:
        raise TooLarge("the body", limit) from None


def _events(request: web.Request, body: bytes) -> list[bytes]:
    """The events of a body, each as its own text."""
    if request.content_type in ("application/x-ndjson", "application/jsonl"):
        return [line for line in body.split(b"\n") if line.strip()]
    if not body.lstrip().startswith(b"["):
        return [body] if body.strip() else []
    try:
        return [bytes(item) for item in msgspec.json.decode(body, type=list[msgspec.Raw])]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the body is not a JSON array: {error}") from None


def _item(text: bytes, key: RunKey | None) -> _Item:
    """Judge one event. Raises what is wrong with it."""
    if len(text) > MAX_EVENT:
        raise TooLarge("the event", MAX_EVENT)
    event = decode(text)
    tag = tag_of(event)
    if tag in _RESERVED:
        raise MalformedEvent(f"{tag} is not accepted here: {_RESERVED[tag]}")
    key = _addressee(text, key)
    subject = key.log_subject if isinstance(event, LogAppended) else key.subject
    return _Item(
        key,
        Message(subject, canonical(text), event.id),
        tag if isinstance(event, Unknown) else None,
    )


def _addressee(text: bytes, key: RunKey | None) -> RunKey:
    """The run an event is of: the one in the path, else the one it names itself."""
    try:
        named = msgspec.json.decode(text, type=_Addressed).run
    except msgspec.ValidationError:
        raise InvalidName("run", "is not a string") from None
    if key is None:
        if named is None:
            raise InvalidName("run", 'is missing: give it as the field "run"')
        return RunKey(DEFAULT_TENANT, named)
    if named is not None and named != key.run:
        raise InvalidName("run", f"in the event is {named[:64]!r}, not the one in the path")
    return key
