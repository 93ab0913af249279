"""The streaming manager of a workflow orchestrator, as its code imports it.

A module `app/execution.py` that holds this line is all that is needed:

    from broker.producer.adapters.workflows import StreamEvent, get_streaming_manager

$BROKER_NATS_URL says where NATS is, or `configure` does, before the first event.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Unpack

from broker.dialects.workflows import read
from broker.producer.adapters.reporter import Options, Reporter


@dataclass
class StreamEvent:
    """What happened in an execution; `docs/compatibility.md` has the types and their data."""

    type: str
    execution_id: str
    data: dict[str, Any] = field(default_factory=dict)


class StreamingManager(Reporter):
    """Reports the events of any number of executions, from any thread or event loop."""

    def __init__(self, url: str | None = None, **how: Unpack[Options]) -> None:
        super().__init__("workflows", read, url, **how)

    def emit(self, execution_id: str, event: StreamEvent) -> None:
        """Report an event of an execution. Never raises, and never waits."""
        now = datetime.now(UTC)
        self._emitter.emit(partial(_message, execution_id, event, now))


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
