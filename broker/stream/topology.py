"""The streams as values, created or verified at start (design: one source of truth)."""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from broker.errors import (
    BrokerError,
    NatsRefused,
    StorageFull,
    StreamRefused,
    StreamUnavailable,
    TopologyMismatch,
)
from broker.logs import Failures
from broker.stream.connection import Connection

MIB: Final = 1024 * 1024
PROGRESS: Final = "PROGRESS"
LOGS: Final = "LOGS"
DEADLETTER: Final = "DEADLETTER"
CHECKPOINTS: Final = "KV_RUNS"
"""A key-value bucket, as NATS tools know it: `nats kv get RUNS default.<run>`."""
JOBS: Final = "JOBS"
DIALECTS: Final = "DIALECTS"
"""What producers of existing systems send, until a gateway has translated it."""
GRAPHS: Final = "KV_GRAPHS"
"""The graphs that were loaded, as a bucket: `nats kv get GRAPHS default.<graph>`."""
MOST_GRAPHS: Final = 1000
MAX_GRAPH: Final = 16 * 1024
"""Bytes that a graph may have."""
MAX_EVENT: Final = 256 * 1024
"""Bytes that one stored event may have."""

DEDUPLICATION: Final = timedelta(minutes=2)
_FIXED: Final = ("storage", "retention")
"""What the server does not change on an existing stream."""
NO_ROOM: Final = frozenset({10002, 10023, 10028, 10047})
"""JetStream's codes for a server or an account that has no storage left."""
_NEVER: Final = frozenset({10025, 10052, 10065, 10074})
"""Its codes for a stream that it will not make next time either: its configuration is invalid, its
subjects are those of another stream, or a server alone is to have replicas."""


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between installations."""

    replicas: int = 1
    storage: str = "file"
    progress_max_bytes: int = -1
    logs_max_bytes: int = -1
    log_batches: int = 10_000
    """Batches of log lines kept of one run; 0: all."""


def streams(settings: StreamSettings) -> list[dict[str, Any]]:
    """The configuration of every stream, as the JetStream API spells it. Durations: nanoseconds."""
    common = {
        "storage": settings.storage,
        "num_replicas": settings.replicas,
        "retention": "limits",
        "discard": "old",
        "allow_direct": True,
    }
    return [
        common
        | {
            "name": PROGRESS,
            "subjects": ["progress.*.*"],
            "max_age": _nanoseconds(timedelta(days=7)),
            "max_bytes": settings.progress_max_bytes,
            "max_msg_size": MAX_EVENT + 4096,
            "max_consumers": 1000,
            "duplicate_window": _nanoseconds(DEDUPLICATION),
            "republish": {"src": "progress.>", "dest": "live.progress.>"},
        },
        common
        | {
            "name": LOGS,
            "subjects": ["logs.*.*"],
            "max_age": _nanoseconds(timedelta(days=3)),
            "max_bytes": settings.logs_max_bytes,
            "max_msgs_per_subject": settings.log_batches or -1,
            "max_msg_size": MAX_EVENT + 4096,
            "max_consumers": 1000,
            "duplicate_window": _nanoseconds(DEDUPLICATION),
            "republish": {"src": "logs.>", "dest": "live.logs.>"},
        },
        common
        | {
            "name": DEADLETTER,
            "subjects": ["deadletter.*"],
            "max_age": _nanoseconds(timedelta(days=7)),
            "max_bytes": 256 * MIB,
            "max_consumers": 100,
            "duplicate_window": _nanoseconds(DEDUPLICATION),
        },
        common
        | {
            "name": CHECKPOINTS,
            "subjects": ["$KV.RUNS.>"],
            "max_age": _nanoseconds(timedelta(days=30)),
            "max_msgs_per_subject": 1,
            "discard": "new",
            "max_consumers": 1000,
            "allow_rollup_hdrs": True,
            "deny_delete": True,
        },
        common
        | {
            "name": GRAPHS,
            "subjects": ["$KV.GRAPHS.>"],
            "max_msgs": MOST_GRAPHS,
            "max_bytes": 32 * MIB,
            "max_msgs_per_subject": 1,
            "max_msg_size": MAX_GRAPH + 4096,
            "max_consumers": 100,
            "allow_rollup_hdrs": True,
        },
        common
        | {
            "name": JOBS,
            "subjects": ["jobs.*.*"],
            "retention": "workqueue",
            "max_age": _nanoseconds(timedelta(days=7)),
            "max_msg_size": MAX_EVENT + 4096,
            "max_consumers": 1000,
            "duplicate_window": _nanoseconds(DEDUPLICATION),
        },
        common
        | {
            "name": DIALECTS,
            "subjects": ["dialect.*.*.*"],
            "retention": "workqueue",
            "max_age": _nanoseconds(timedelta(days=7)),
            "max_bytes": 256 * MIB,
            # A full stream refuses: what was acknowledged is not dropped for what comes after it.
            "discard": "new",
            "max_msg_size": MAX_EVENT + 4096,
            "max_consumers": 16,
            "duplicate_window": _nanoseconds(DEDUPLICATION),
        },
    ]


async def ensure(connection: Connection, settings: StreamSettings) -> datetime:
    """Create every stream, or bring it to its configuration; gives when PROGRESS was created.

    Raises TopologyMismatch where the server keeps a difference, StreamRefused where it never makes
    such a stream, StorageFull where it has no room for it, and StreamUnavailable where JetStream
    does not answer.
    """
    created = [await _ensure(connection, wanted) for wanted in streams(settings)]
    return created[0]


async def mend(
    connection: Connection, settings: StreamSettings, stream: str, failures: Failures
) -> datetime:
    """As `ensure`, for who serves already; gives when a stream was created.

    A difference that stays is told: to end would take from clients what they have, and give
    nobody anything. Raises StreamUnavailable.
    """
    for wanted in streams(settings):
        try:
            await _ensure(connection, wanted)
        except (TopologyMismatch, StreamRefused) as error:
            failures.tell("verifying the streams", error, logging.ERROR)
    return await created_at(connection, stream)


async def created_at(connection: Connection, stream: str) -> datetime:
    """When a stream was created. Raises StreamUnavailable."""
    answer = await api(connection, f"STREAM.INFO.{stream}")
    return datetime.fromisoformat(answer["created"])


async def _ensure(connection: Connection, wanted: dict[str, Any]) -> datetime:
    name = wanted["name"]
    answer = await _call(connection, f"STREAM.INFO.{name}")
    if _code(answer) == 404:
        answer = await _call(connection, f"STREAM.CREATE.{name}", wanted)
        if _code(answer):
            # Another gateway that starts at the same time may have been faster.
            refusal, answer = answer, await _call(connection, f"STREAM.INFO.{name}")
            if _code(answer):
                answer = refusal
    if _code(answer):
        raise _failure(name, answer)
    found: dict[str, Any] = answer["config"]
    different = [field for field in wanted if _differs(field, found, wanted)]
    for field in different:
        if field in _FIXED:
            raise TopologyMismatch(name, field, found.get(field), wanted[field])
    if different:
        answer = await _call(connection, f"STREAM.UPDATE.{name}", found | wanted)
        if _code(answer) == 503 or _err_code(answer) in NO_ROOM:
            raise _failure(name, answer)
        if _code(answer):
            field = different[0]
            raise TopologyMismatch(name, field, found.get(field), wanted[field])
    return datetime.fromisoformat(answer["created"])


def _failure(name: str, answer: dict[str, Any]) -> BrokerError:
    """Why a stream was not made."""
    if _err_code(answer) in NO_ROOM:
        return StorageFull(f"make stream {name}", _description(answer))
    if _err_code(answer) in _NEVER:
        return StreamRefused(name, _description(answer))
    return StreamUnavailable(f"make stream {name}", _description(answer))


def _differs(field: str, found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    value = found.get(field)
    if isinstance(wanted[field], dict):
        return any((value or {}).get(key) != item for key, item in wanted[field].items())
    return bool(value != wanted[field])


async def api(
    connection: Connection, subject: str, request: dict[str, Any] | None = None
) -> dict[str, Any]:
    """One call of the JetStream API. Raises StreamUnavailable with the server's words."""
    answer = await _call(connection, subject, request)
    if _code(answer):
        raise StreamUnavailable(subject, _description(answer))
    return answer


async def _call(
    connection: Connection, subject: str, request: dict[str, Any] | None = None
) -> dict[str, Any]:
    """As `api`, but the server's refusal is part of the answer; waits while a leader is elected."""
    payload = b"" if request is None else msgspec.json.encode(request)
    for pause in (0.1, 0.3, 1.0, 2.0, None):
        answer: dict[str, Any]
        try:
            answer = msgspec.json.decode(await connection.request(f"$JS.API.{subject}", payload))
        except NatsRefused:
            raise
        except StreamUnavailable:
            if pause is None:
                raise
        else:
            if _code(answer) != 503 or pause is None:
                return answer
        await asyncio.sleep(pause)
    raise AssertionError("the last pause is None")


def _code(answer: dict[str, Any]) -> int:
    return int(answer.get("error", {}).get("code", 0))


def _err_code(answer: dict[str, Any]) -> int:
    return int(answer.get("error", {}).get("err_code", 0))


def _description(answer: dict[str, Any]) -> str:
    return str(answer["error"].get("description", "unknown error"))


def _nanoseconds(span: timedelta) -> int:
    return int(span / timedelta(microseconds=1)) * 1000
