"""What the executions interface says when something is wrong."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from broker.gateway.compat.sockets import Complaint
from broker.views.native import rfc3339

UNKNOWN: Final = "Execution not found"


def complaining(now: Callable[[], datetime]) -> Complaint:
    """Says what is wrong as an `error` message, which is of no event and so takes its own time."""

    def complain(detail: str) -> bytes:
        said = {"type": "error", "message": detail, "timestamp": rfc3339(now())}
        return msgspec.json.encode(said)

    return complain
