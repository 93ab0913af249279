"""What the `state` view of a stream folds to, as any client would fold it (RFC 7396)."""

import json
from typing import Any

from broker.model.patch import merge

SNAPSHOT = b"event: snapshot"


def folded(stream: bytes | bytearray) -> str:
    """The state after the last whole frame, its members in order; empty if no snapshot came."""
    state: Any = None
    kind = b""
    for line in bytes(stream).split(b"\n")[:-1]:
        if line.startswith(b"event: "):
            kind = line[7:].rstrip()
        elif line.startswith(b"data: ") and kind == b"snapshot":
            state = json.loads(line[6:])
        elif line.startswith(b"data: ") and kind == b"patch":
            state = merge(state, json.loads(line[6:]))
    return "" if state is None else json.dumps(state, sort_keys=True)
