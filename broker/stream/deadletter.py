"""Malformed payloads: what is wrong with one, and its copy on DEADLETTER.

A fold skips what is malformed by itself; the copy is so that somebody hears of it. It is made where
each stored message is looked at once among all gateways (`marks.py`).
"""

from broker.errors import InvalidName, MalformedEvent
from broker.model.cursor import Cursor
from broker.model.decode import decode
from broker.model.subjects import DEFAULT_TENANT, encode_token, tenant_of
from broker.stream.publish import Message
from broker.stream.topology import PROGRESS


def fault(payload: bytes) -> str | None:
    """What is wrong with a stored payload; None where it is an event."""
    try:
        decode(payload)
    except MalformedEvent as malformed:
        return malformed.reason
    return None


def copy(
    subject: bytes, payload: bytes, cursor: Cursor, reason: str, *, stream: str = PROGRESS
) -> Message:
    """The message for DEADLETTER: the payload as it is, what is wrong beside it.

    Its message id is the original's cursor: within two minutes it is stored once, however often
    the original is looked at.
    """
    try:
        tenant = encode_token(tenant_of(subject.decode()), "tenant")
    except (InvalidName, UnicodeDecodeError):
        tenant = DEFAULT_TENANT
    return Message(
        f"deadletter.{tenant}",
        payload,
        str(cursor) if stream == PROGRESS else f"{stream}-{cursor}",
        {
            "Broker-Reason": reason.encode("ascii", "backslashreplace").decode()[:512],
            "Broker-Subject": subject.decode("ascii", "backslashreplace"),
            "Broker-Cursor": str(cursor),
        },
    )
