"""How the streams are, as JetStream tells: asked rarely, one request for each."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from broker.errors import StreamUnavailable
from broker.logs import about
from broker.metrics import Metrics
from broker.stream.connection import Connection

log = logging.getLogger(__name__)

PAUSE: Final = 15.0
"""Seconds between two looks, more or less a tenth, so that gateways do not ask together."""


class _Replica(msgspec.Struct):
    current: bool = False
    offline: bool = False


class _Cluster(msgspec.Struct):
    leader: str = ""
    replicas: list[_Replica] = []


class _Config(msgspec.Struct):
    max_bytes: int
    num_replicas: int


class _State(msgspec.Struct):
    messages: int
    bytes: int
    last_seq: int
    consumer_count: int
    num_subjects: int = 0


class _Info(msgspec.Struct):
    config: _Config
    state: _State
    cluster: _Cluster | None = None
    """None where the server is alone."""


class _Answer(msgspec.Struct):
    error: dict[str, Any] | None = None


_answer: Final = msgspec.json.Decoder(_Answer).decode
_info: Final = msgspec.json.Decoder(_Info).decode


@asynccontextmanager
async def told(
    connection: Connection,
    streams: Sequence[str],
    metrics: Metrics,
    random: Callable[[], float],
) -> AsyncIterator[None]:
    """Keep the metrics of the streams as long as the block. What fails is counted, no more."""
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(
            _ask_forever(connection, streams, metrics, random), name="how the streams are"
        )
        try:
            yield
        finally:
            asking.cancel()


async def _ask_forever(
    connection: Connection,
    streams: Sequence[str],
    metrics: Metrics,
    random: Callable[[], float],
) -> None:
    while True:
        for stream in streams:
            await ask(connection, stream, metrics)
        await asyncio.sleep(PAUSE * (0.9 + 0.2 * random()))


async def ask(connection: Connection, stream: str, metrics: Metrics) -> None:
    """Set the metrics of one stream to what JetStream tells of it."""
    try:
        info = await _info_of(connection, stream)
    except StreamUnavailable as error:
        more = about("stream_info_failures", stream=stream)
        log.debug("asking how stream %s is: %s", stream, error, extra=more)
        metrics.stream_info_failures.inc()
        metrics.stream_has_leader.labels(stream).set(0)
        return
    state, config, cluster = info.state, info.config, info.cluster
    metrics.stream_messages.labels(stream).set(state.messages)
    metrics.stream_bytes.labels(stream).set(state.bytes)
    metrics.stream_bytes_limit.labels(stream).set(max(0, config.max_bytes))
    metrics.stream_subjects.labels(stream).set(state.num_subjects)
    metrics.stream_consumers.labels(stream).set(state.consumer_count)
    metrics.stream_last_sequence.labels(stream).set(state.last_seq)
    metrics.stream_replicas.labels(stream).set(config.num_replicas)
    metrics.stream_replicas_current.labels(stream).set(_current(cluster))
    metrics.stream_has_leader.labels(stream).set(cluster is None or bool(cluster.leader))


async def _info_of(connection: Connection, stream: str) -> _Info:
    """Raises StreamUnavailable."""
    if not connection.connected:
        # What is asked now would be answered after the outage, to nobody.
        raise StreamUnavailable("ask", "NATS is not connected")
    answer = await connection.request(f"$JS.API.STREAM.INFO.{stream}", b"")
    try:
        refusal = _answer(answer).error
        if refusal is not None:
            raise StreamUnavailable("ask", str(refusal.get("description")))
        return _info(answer)
    except msgspec.DecodeError as error:
        raise StreamUnavailable("ask", f"the answer is not understood: {error}") from None


def _current(cluster: _Cluster | None) -> int:
    """How many replicas have everything."""
    if cluster is None:
        return 1
    followers = sum(each.current and not each.offline for each in cluster.replicas)
    return followers + bool(cluster.leader)
