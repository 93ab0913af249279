"""How the load generator speaks to a stream: the request, and where what comes may be cut."""

from typing import Final, NamedTuple


class Transport(NamedTuple):
    """One way to receive a stream."""

    accept: str
    opened: bytes
    """How the answer begins."""
    end: int
    """A byte that frames end with and marks do not hold."""

    def request(self, path: str, cursor: str = "") -> bytes:
        """The request that opens the stream."""
        lines = [f"GET {path} HTTP/1.1", "Host: bench", f"Accept: {self.accept}"]
        if cursor:
            lines.append(f"Last-Event-ID: {cursor}")
        return "\r\n".join([*lines, "", ""]).encode()


TRANSPORTS: Final = {"sse": Transport("text/event-stream", b"HTTP/1.1 200", ord("\n"))}
