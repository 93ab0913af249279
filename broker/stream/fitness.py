"""Whether a NATS server can do what the broker needs."""

import re
from typing import Final

import msgspec

from broker.errors import NatsUnfit, StreamUnavailable
from broker.stream.connection import Connection
from broker.stream.topology import PROGRESS

OLDEST: Final = (2, 11)
"""The first version that reads the last messages of many subjects at once, and pins consumers."""

_DISABLED: Final = frozenset({10039, 10076})
"""JetStream's codes for an account, or a server, that does not have it."""


async def inspect(connection: Connection) -> None:
    """Raise NatsUnfit for a server too old or without JetStream, StreamUnavailable if in doubt."""
    version = str(connection.server.get("version", ""))
    found = re.match(r"(\d+)\.(\d+)", version)
    if found and (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise NatsUnfit(f"NATS is version {version}: upgrade it to {oldest} or newer")
    try:
        answer = await connection.request(f"$JS.API.STREAM.INFO.{PROGRESS}", b"")
    except StreamUnavailable:
        if connection.server.get("jetstream") or not connection.connected:
            raise
        raise NatsUnfit(_without_jetstream("NATS")) from None
    if msgspec.json.decode(answer).get("error", {}).get("err_code") in _DISABLED:
        raise NatsUnfit(_without_jetstream("the account of the NATS user"))


def _without_jetstream(what: str) -> str:
    return (
        f"{what} has no JetStream, which keeps the events: give the server `jetstream {{}}` in its "
        "configuration, or start it with -js"
    )
