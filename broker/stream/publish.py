"""Appending to a stream: deduplicated by message id, acknowledgements pipelined."""

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from broker.errors import BrokerError, StorageFull, StreamUnavailable, Superseded, TooLarge
from broker.stream.connection import REQUEST_TIMEOUT, Connection
from broker.stream.topology import MAX_EVENT, NO_ROOM

MESSAGE_ID: Final = "Nats-Msg-Id"
EXPECTED_LAST: Final = "Nats-Expected-Last-Subject-Sequence"
IN_FLIGHT: Final = 1024
"""Messages sent and not yet acknowledged; the server queues 10,000 per stream."""

_MESSAGE_TOO_LARGE: Final = 10054
"""JetStream's code for a message over the stream's `max_msg_size`."""

_WRONG_LAST_SEQUENCE: Final = 10071
"""JetStream's code for a message that expected another last sequence."""

_FULL: Final = ("maximum bytes exceeded", "maximum messages exceeded")
"""What it says of a stream that drops nothing to make room."""


class Message(NamedTuple):
    """Something to store. `message_id` makes a repetition within two minutes harmless."""

    subject: str
    payload: bytes
    message_id: str | None = None
    headers: Mapping[str, str] = MappingProxyType({})


class Stored(msgspec.Struct, frozen=True):
    """The server's acknowledgement: stored as `seq`, or known before as `seq`."""

    seq: int = 0
    duplicate: bool = False
    error: dict[str, str | int] | None = None


_decode: Final = msgspec.json.Decoder(Stored).decode


async def publish(
    connection: Connection, message: Message, *, expected_last: int | None = None
) -> Stored:
    """Store one message.

    With `expected_last` it is stored only if that is the subject's last sequence; else Superseded
    is raised. Raises TooLarge, and StreamUnavailable where the server refuses or does not answer;
    then it may have been stored.
    """
    acknowledged = await submit(connection, message, expected_last)
    return await _acknowledged(acknowledged)


async def publish_all(connection: Connection, messages: Sequence[Message]) -> list[Stored]:
    """Store messages in their order, many in flight.

    Raises StreamUnavailable, or TooLarge, if any is refused or unanswered; the others may have been
    stored.
    """
    stored: list[Stored] = []
    for begin in range(0, len(messages), IN_FLIGHT):
        window: list[asyncio.Future[Stored]] = []
        try:
            for message in messages[begin : begin + IN_FLIGHT]:
                window += [await submit(connection, message)]
        except BaseException:
            for acknowledged in window:
                acknowledged.cancel()
            raise
        answers = await asyncio.gather(*map(_acknowledged, window), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            stored.append(answer)
    return stored


async def submit(
    connection: Connection, message: Message, expected_last: int | None = None
) -> "asyncio.Future[Stored]":
    """Send a message and do not wait; the future is its acknowledgement.

    It fails with StreamUnavailable where the server refuses, with TooLarge where it always will,
    with Superseded where `expected_last` is not the subject's last sequence.
    Nothing ends it when the connection is lost: cancel it. Raises StreamUnavailable.
    """
    acknowledged: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()

    def take(subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        forget()
        if acknowledged.done():
            return
        stored = _decode(data) if data else Stored(error={"description": "no stream there"})
        if stored.error is not None:
            acknowledged.set_exception(_refusal(message.subject, stored.error))
        else:
            acknowledged.set_result(stored)

    reply, forget = connection.expect(take)
    acknowledged.add_done_callback(lambda done: forget())
    headers = dict(message.headers)
    if message.message_id is not None:
        headers[MESSAGE_ID] = message.message_id
    if expected_last is not None:
        headers[EXPECTED_LAST] = str(expected_last)
    try:
        await connection.publish(
            message.subject, message.payload, reply=reply, headers=headers or None
        )
    except BaseException:
        acknowledged.cancel()
        raise
    return acknowledged


def _refusal(subject: str, error: dict[str, str | int]) -> BrokerError:
    if error.get("err_code") == _WRONG_LAST_SEQUENCE:
        return Superseded(subject)
    if error.get("err_code") == _MESSAGE_TOO_LARGE:
        return TooLarge("an event", MAX_EVENT)
    description = str(error.get("description", "refused"))
    if error.get("err_code") in NO_ROOM or description in _FULL:
        return StorageFull("store an event", description)
    return StreamUnavailable("store an event", description)


async def _acknowledged(acknowledged: "asyncio.Future[Stored]") -> Stored:
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT):
            return await acknowledged
    except TimeoutError:
        raise StreamUnavailable(
            "store an event",
            f"not acknowledged in {REQUEST_TIMEOUT:g} s: the stream has no leader, or NATS cannot "
            "write to its disk",
        ) from None
