"""The streaming manager of a workflow orchestrator, as its code imports it.

A module `app/execution.py` that holds this line is all that is needed:

    from broker.producer.adapters.workflows import StreamEvent, get_streaming_manager

$BROKER_NATS_URL says where NATS is, or `configure` does, before the first event.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from broker.dialects.workflows import read
from broker.model.subjects import DEFAULT_TENANT
from broker.producer.adapters.emitter import Emitter


@dataclass
class StreamEvent:
    """What happened in an execution; `docs/compatibility.md` has the types and their data."""

    type: str
    execution_id: str
    data: dict[str, Any] = field(default_factory=dict)


class StreamingManager:
    """Reports the events of any number of executions, from any thread or event loop."""

    def __init__(
        self,
        url: str | None = None,
        *,
        tenant: str = DEFAULT_TENANT,
        most: int = 50_000,
        close_timeout: float = 5.0,
        nats_options: Mapping[str, Any] | None = None,
    ) -> None:
        self._emitter = Emitter(
            read,
            url,
            tenant=tenant,
            name="workflows",
            most=most,
            close_timeout=close_timeout,
            nats_options=nats_options,
        )

    @property
    def dropped(self) -> int:
        """Events that were not taken because too many wait."""
        return self._emitter.dropped

    def emit(self, execution_id: str, event: StreamEvent) -> None:
        """Report an event of an execution. Never raises, and never waits."""
        now = datetime.now(UTC)
        self._emitter.emit(partial(_message, execution_id, event, now))

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything emitted so far is stored; False if it is not in so many seconds."""
        return self._emitter.flush(timeout)

    def close(self) -> None:
        """Take nothing more, and give what waits some time to be stored."""
        self._emitter.close()


_manager = StreamingManager()


def get_streaming_manager() -> StreamingManager:
    """The one manager of this process."""
    return _manager


def configure(url: str | None = None, **how: Any) -> StreamingManager:
    """Make the manager of this process anew, with the arguments of `StreamingManager`."""
    global _manager
    before, _manager = _manager, StreamingManager(url, **how)
    before.close()
    return _manager


def _message(execution_id: object, event: StreamEvent, now: datetime) -> dict[str, Any]:
    return {
        "type": event.type,
        "execution_id": str(execution_id),
        "data": event.data,
        "timestamp": now,
    }
