"""Messages of a WebSocket that shows one thing: each is a text of its own, with nothing around."""

from typing import Final

from broker.protocol.websocket import text_frame


class Texts:
    """Frames the data alone; why it ends, the close code says."""

    name = "ws-text"
    heartbeat = b""

    def message(self, kind: str, data: bytes, cursor: str | None = None) -> bytes:
        return text_frame(data)

    def retry(self, milliseconds: int) -> bytes:
        return b""

    def close(self) -> bytes:
        return b""


TEXTS: Final = Texts()
