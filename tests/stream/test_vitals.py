"""What JetStream tells of the streams becomes metrics, and nothing but metrics."""

import asyncio
from pathlib import Path

from broker.metrics import Metrics
from broker.metrics.stream import STREAMS
from broker.stream.connection import Connection
from broker.stream.topology import DEADLETTER, PROGRESS, StreamSettings, api, ensure
from broker.stream.vitals import ask, told
from tests.cluster.servers import cluster
from tests.faults import link, until
from tests.gateway.runs import completed, started
from tests.stream.serving import PATIENCE, nats


class Vitals:
    """The metrics of one stream."""

    def __init__(self, stream: str = PROGRESS) -> None:
        self.metrics = Metrics()
        self._stream = stream

    def value(self, name: str) -> float | None:
        labels = {"stream": self._stream}
        return self.metrics.registry.get_sample_value(f"progress_broker_stream_{name}", labels)

    @property
    def failures(self) -> float | None:
        return self.metrics.registry.get_sample_value("progress_broker_stream_info_failures_total")


async def test_a_stream_is_told_as_it_is(tmp_path: Path) -> None:
    vitals, limited = Vitals(), Vitals(DEADLETTER)
    async with nats(tmp_path) as server:
        await server.publish("r1", started(), completed())
        await server.publish("r2", started())
        info = await api(server.connection, f"STREAM.INFO.{PROGRESS}")
        await ask(server.connection, PROGRESS, vitals.metrics)
        await ask(server.connection, DEADLETTER, limited.metrics)
    names = "messages subjects last_sequence consumers bytes_limit replicas replicas_current"
    assert [3, 2, 3, 0, 0, 1, 1] == [vitals.value(name) for name in names.split()]
    assert (info["state"]["bytes"], 1) == (vitals.value("bytes"), vitals.value("has_leader"))
    assert 256 * 1024 * 1024 == limited.value("bytes_limit")
    assert 0 == vitals.failures


async def test_a_stream_that_is_not_there_has_no_leader(tmp_path: Path) -> None:
    """What was told before stays: a graph that falls to 0 would say that all was lost."""
    vitals = Vitals()
    async with nats(tmp_path) as server:
        await server.publish("r1", started())
        await ask(server.connection, PROGRESS, vitals.metrics)
        await api(server.connection, f"STREAM.DELETE.{PROGRESS}")
        await ask(server.connection, PROGRESS, vitals.metrics)
    assert (0, 1) == (vitals.value("has_leader"), vitals.value("messages"))
    assert 1 == vitals.failures


async def test_an_outage_is_counted_and_ends(tmp_path: Path) -> None:
    """Nothing is asked over a connection that is lost, and everything once it is back."""
    vitals = Vitals()
    async with (
        asyncio.timeout(PATIENCE),
        nats(tmp_path) as server,
        link(server.url) as way,
        Connection.connect(way.url, name="test") as reads,
    ):
        await way.close()
        await until(lambda: _is(reads, connected=False))
        async with told(reads, STREAMS, vitals.metrics, lambda: 0.5):
            await until(lambda: _failed(vitals))
        assert 0 == vitals.value("has_leader")
        await way.open()
        await until(lambda: _is(reads, connected=True))
        await ask(reads, PROGRESS, vitals.metrics)
        assert 1 == vitals.value("has_leader")


async def _failed(vitals: Vitals) -> bool:
    return vitals.failures == len(STREAMS)


async def _is(connection: Connection, *, connected: bool) -> bool:
    return connection.connected is connected


async def test_replicas_and_quorum_of_a_cluster(tmp_path: Path) -> None:
    """Without two of three servers the stream takes nothing."""
    async with (
        asyncio.timeout(60),
        cluster(tmp_path, grace=1) as servers,
        Connection.connect(servers.url("gateway"), name="test") as reads,
    ):
        await ensure(reads, StreamSettings(replicas=3))
        await _told(reads, replicas=3, replicas_current=3, has_leader=1)
        leader = await servers.leader()
        for server in (servers.servers[leader], servers.servers[leader - 1]):
            await server.kill()
        await until(lambda: _is(reads, connected=True))
        await _told(reads, has_leader=0)


async def _told(connection: Connection, **wanted: int) -> None:
    """Wait until JetStream tells this of PROGRESS."""
    vitals = Vitals()

    async def as_wanted() -> bool:
        await ask(connection, PROGRESS, vitals.metrics)
        return wanted == {name: vitals.value(name) for name in wanted}

    await until(as_wanted, 40)
