"""Frames of one run in a stream of many: each names its run.

They carry no `id:`. Frames of several runs come in no common order, so the cursor of one does not
say that a client has what came before it in the others; the stream sends its own (`cursor`).
"""

from typing import Final

import msgspec

from broker.protocol.sse import Framing

_encode: Final = msgspec.json.Encoder().encode


class NamedEvents:
    """Frames for every stream of many runs that uses the same transport: the same bytes for all."""

    __slots__ = ("_about", "_events", "name")

    heartbeat = b""

    def __init__(self, events: Framing, run: str) -> None:
        self._events = events
        self.name = f"many:{events.name}"
        self._about = b'{"run":%b,' % _encode(run)

    def message(self, kind: str, data: bytes, cursor: str | None = None) -> bytes:
        """One message; a patch is given the run that the others name themselves."""
        if kind == "patch":
            data = self._about + data[1:]
        return self._events.message(kind, data)

    def retry(self, milliseconds: int) -> bytes:
        """The stream as a whole says that, if it must end."""
        return b""

    def close(self) -> bytes:
        """The stream goes on with the other runs."""
        return b""
