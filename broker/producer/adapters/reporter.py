"""What the objects that take an existing system's calls have in common."""

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from broker.dialects.said import Dialect
from broker.producer.adapters.emitter import Emitter


class Options(TypedDict, total=False):
    """How events are reported: see `Emitter`."""

    tenant: str
    most: int
    close_timeout: float
    nats_options: Mapping[str, Any] | None


class Reporter:
    """Reports messages of a dialect to the NATS at `url`, else at $BROKER_NATS_URL."""

    def __init__(
        self, name: str, dialect: Dialect, url: str | None, **how: Unpack[Options]
    ) -> None:
        self._emitter = Emitter(dialect, url, name=name, **how)

    @property
    def dropped(self) -> int:
        """Messages that were not taken because too many wait."""
        return self._emitter.dropped

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything told so far is stored; False if it is not in so many seconds."""
        return self._emitter.flush(timeout)

    def close(self) -> None:
        """Take nothing more, and give what waits some time to be stored."""
        self._emitter.close()
