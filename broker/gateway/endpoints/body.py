"""What a request that changes something carries: its body, and its idempotency key."""

import asyncio
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from broker.errors import InvalidRequest, TooLarge, UnsupportedType
from broker.gateway.keys import METRICS, OPTIONS
from broker.protocol.elements import elements

BODY_TIMEOUT: Final = 30.0
"""Seconds that a client has for its body; aiohttp sets no limit."""

LONGEST_KEY: Final = 256

_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
"""What a page can make a browser send anywhere without asking first."""

_LINES: Final = (
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
)
"""What senders call one item per line: none of these names is registered."""

_Body = TypeVar("_Body", bound=msgspec.Struct)


async def read_body(request: web.Request) -> bytes:
    """The body, which must come in time. Raises InvalidRequest, TooLarge."""
    limit = request.app[OPTIONS].body_max
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            return await request.read()
    except TimeoutError:
        raise InvalidRequest(f"the body did not arrive in {BODY_TIMEOUT:g} s") from None
    except web.HTTPRequestEntityTooLarge:
        request.app[METRICS].limited.labels("body_max").inc()
        raise TooLarge("the body", limit) from None
    except web.RequestPayloadError:
        raise InvalidRequest(
            "the body cannot be read: its chunks, or its Content-Encoding, are not what they say"
        ) from None


async def read_json(request: web.Request, form: type[_Body], *, any_type: bool = False) -> _Body:
    """The body as an object of a form, of which no body at all is the empty one.

    Raises UnsupportedType for what an HTML form sends, unless it may be of `any_type`,
    InvalidRequest for fields that are unknown, missing or wrong, TooLarge.
    """
    body = await read_body(request)
    if not body.strip():
        body = b"{}"
    elif request.content_type in _FORMS and not any_type:
        raise UnsupportedType(request.content_type)
    try:
        body.decode()
        return msgspec.json.decode(body, type=form)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        known = ", ".join(form.__struct_encode_fields__)
        raise InvalidRequest(f"the body: {error}; its fields are {known}") from None


async def read_object(request: web.Request, what: str) -> dict[str, Any]:
    """The body as a JSON object with whatever members it has, which is `what` it says.

    Raises UnsupportedType, InvalidRequest, TooLarge.
    """
    body = await read_body(request)
    if not body.strip():
        return {}
    if request.content_type in _FORMS:
        raise UnsupportedType(request.content_type)
    try:
        body.decode()
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the body: {error}; it is one JSON object, {what}") from None


def texts_of(request: web.Request, body: bytes) -> list[bytes]:
    """The items of a body, each as its own text, whatever is wrong with it.

    The body is a JSON object, an array, or has one item per line (NDJSON). It may say that it is
    text, or a form as `curl -d` says of everything: a page that sends such without being asked is
    known by its origin. Raises UnsupportedType, InvalidRequest.
    """
    if request.content_type.startswith("multipart/"):  # where no JSON can begin
        raise UnsupportedType(request.content_type)
    if request.content_type in _LINES:
        return [line for line in body.split(b"\n") if line.strip()]
    if not body.lstrip().startswith(b"["):
        return [body] if body.strip() else []
    try:
        return [bytes(item) for item in msgspec.json.decode(body, type=list[msgspec.Raw])]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        found = elements(body)
        if found is None:
            raise InvalidRequest(f"the body is not a JSON array: {error}") from None
        return found


def idempotency_key(request: web.Request) -> str | None:
    """What makes a repetition of the request harmless. Raises InvalidRequest."""
    keys = request.headers.getall("Idempotency-Key", [])
    if not keys:
        return None
    return checked_key(keys[0] if len(keys) == 1 else "")


def checked_key(key: str) -> str:
    """The key, if it is one that a header can carry. Raises InvalidRequest."""
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise InvalidRequest(
            f"Idempotency-Key is one text of 1 to {LONGEST_KEY} printable ASCII characters"
        )
    return key
