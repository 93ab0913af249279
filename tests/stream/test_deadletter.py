"""What is stored and is no event of a run is copied to DEADLETTER, once among all gateways."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from broker.errors import StreamUnavailable
from broker.metrics import Metrics
from broker.stream.connection import Connection
from broker.stream.live import LiveRuns
from broker.stream.marks import CONSUMER, Marks
from broker.stream.publish import Message, publish_all
from broker.stream.topology import DEADLETTER, api
from tests.faults import link, until
from tests.stream.serving import PATIENCE, Nats, following, nats

VALID = b'{"type":"run.heartbeat"}'


class Letter:
    """A message on DEADLETTER."""

    def __init__(self, message: dict[str, str]) -> None:
        self.subject = message["subject"]
        self.payload = base64.b64decode(message.get("data", ""))
        lines = base64.b64decode(message["hdrs"]).decode().rstrip().split("\r\n")[1:]
        self.headers = dict(line.split(": ", 1) for line in lines)


async def letters(server: Nats) -> list[Letter]:
    """Everything on DEADLETTER, in order."""
    state = (await api(server.connection, f"STREAM.INFO.{DEADLETTER}"))["state"]
    get = f"STREAM.MSG.GET.{DEADLETTER}"
    return [
        Letter((await api(server.connection, get, {"seq": seq}))["message"])
        for seq in range(1, state["last_seq"] + 1)
    ]


async def inspect(connection: Connection, *, runs: LiveRuns, metrics: Metrics) -> None:
    """Take marks and acknowledge them, for ever: the projector without its checkpoints."""
    marks = Marks(connection, runs, metrics)
    opened = False
    try:
        while True:
            try:
                if not opened:
                    await marks.open()
                    opened = True
                await marks.acknowledge([mark.token for mark in await marks.take(512)])
            except StreamUnavailable:
                opened = False
                await asyncio.sleep(0.1)  # what refuses at once would be asked without a pause
    finally:
        await marks.close([])


@asynccontextmanager
async def inspecting(server: Nats, *all_metrics: Metrics) -> AsyncIterator[None]:
    """Look at every stored event, as each gateway does: one with each of the metrics."""
    async with following(server.url) as runs:
        for metrics in all_metrics:
            runs.spawn(inspect(server.connection, runs=runs, metrics=metrics))

        async def begun() -> bool:
            consumers = await api(server.connection, "CONSUMER.NAMES.PROGRESS")
            return CONSUMER in (consumers["consumers"] or [])

        await until(begun)
        yield


def counted(*all_metrics: Metrics) -> float:
    return sum(float(metrics.malformed._value.get()) for metrics in all_metrics)


async def everything_is_looked_at(server: Nats) -> None:
    """Wait until the shared consumer has nothing left."""

    async def finished() -> bool:
        info = await api(server.connection, f"CONSUMER.INFO.PROGRESS.{CONSUMER}")
        return (0, 0) == (info["num_pending"], info["num_ack_pending"])

    await until(finished)


async def test_a_malformed_payload_is_copied_with_what_is_wrong_with_it(tmp_path: Path) -> None:
    metrics = Metrics()
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, inspecting(server, metrics):
        await server.publish("größe", VALID, b"not JSON", VALID)
        await until(lambda: letters(server))
        [letter] = await letters(server)
        assert ("deadletter.default", b"not JSON") == (letter.subject, letter.payload)
        assert "progress.default.gr=C3=B6=C3=9Fe" == letter.headers["Broker-Subject"]
        assert letter.headers["Broker-Cursor"].endswith("-2")
        assert "malformed" in letter.headers["Broker-Reason"]
        await everything_is_looked_at(server)
        assert 1 == counted(metrics)


async def test_a_subject_that_is_no_run_is_copied(tmp_path: Path) -> None:
    """The server stores what is published to a literal `*`; a gateway never reads it as a run."""
    metrics = Metrics()
    hostile = ["progress.*.x", "progress.default.=zz", "progress.default.*", "progress.default.=C3"]
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, inspecting(server, metrics):
        await publish_all(server.connection, [Message(subject, VALID) for subject in hostile])
        await server.publish("r1", VALID)
        await everything_is_looked_at(server)
        found = await letters(server)
        assert hostile == [letter.headers["Broker-Subject"] for letter in found]
        assert ["deadletter.default"] * 4 == [letter.subject for letter in found]
        assert 4 == counted(metrics)


async def test_two_gateways_share_the_work(tmp_path: Path) -> None:
    """Each message is looked at by one of them, and copied once."""
    one, two = Metrics(), Metrics()
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, inspecting(server, one, two):
        bad = [b"bad %d" % number for number in range(1500)]
        for begin in range(0, 1500, 100):
            await server.publish("r1", VALID, *bad[begin : begin + 100], VALID)
        await everything_is_looked_at(server)
        found = await letters(server)
        assert sorted(bad) == sorted(letter.payload for letter in found)
        assert 1500 == counted(one, two)


async def test_what_was_stored_before_is_looked_at_too(tmp_path: Path) -> None:
    """And nothing twice, however often a gateway starts."""
    metrics = Metrics()
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await server.publish("r1", b"[]")
        for _ in range(3):
            async with inspecting(server, metrics):
                await until(lambda: letters(server))
                await everything_is_looked_at(server)
        assert [b"[]"] == [letter.payload for letter in await letters(server)]
        assert 1 == counted(metrics)


async def test_a_hostile_payload_and_reason_keep_their_place(tmp_path: Path) -> None:
    """Line ends in a payload do not become headers of the copy."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server, inspecting(server, Metrics()):
        evil = b'{"type":"run.progress\\r\\nBroker-Subject: x","current":"\xf0\x9f\x98\x80"'
        await server.publish("r1", evil)
        await until(lambda: letters(server))
        [letter] = await letters(server)
        assert evil == letter.payload
        assert "progress.default.r1" == letter.headers["Broker-Subject"]


async def test_inspection_goes_on_after_nats_was_away(tmp_path: Path) -> None:
    """The connection returns, and so does the consumer's reader."""
    metrics = Metrics()
    async with (
        asyncio.timeout(30),
        nats(tmp_path) as server,
        link(server.url) as way,
        following(server.url) as runs,
        Connection.connect(way.url, name="inspector") as connection,
    ):
        returned = asyncio.Event()
        connection.on_reconnect(returned.set)
        runs.spawn(inspect(connection, runs=runs, metrics=metrics))
        await server.publish("r1", b"1")
        await until(lambda: letters(server))
        await way.close()
        await way.open()
        await returned.wait()
        await server.publish("r1", b"2")

        async def both() -> bool:
            return len(await letters(server)) == 2

        await until(both, 20)
