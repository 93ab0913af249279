"""How far back a client may have missed something: the stream's own clock says."""

import asyncio
from datetime import timedelta
from pathlib import Path

from broker.stream.horizon import horizon
from broker.stream.topology import PROGRESS, api
from tests.stream.serving import PATIENCE, nats

EVENT = {"type": "run.heartbeat"}
PAUSE = 0.3


async def test_the_horizon_lies_before_what_was_stored_lately(tmp_path: Path) -> None:
    """The stored times are the server's: the pause is what the test is about."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        old = await server.publish("r1", EVENT, EVENT)
        await asyncio.sleep(PAUSE)
        new = await server.publish("r2", EVENT, EVENT)
        close = timedelta(seconds=PAUSE / 3)
        assert old[-1] == await horizon(server.connection, new[-1], close)
        assert old[-1] == await horizon(server.connection, new[0], close)
        assert old[0] - 1 == await horizon(server.connection, old[-1], close)
        assert 0 == await horizon(server.connection, new[-1], timedelta(days=30))


async def test_a_record_that_is_not_there_has_none(tmp_path: Path) -> None:
    """Beyond the head, purged, and in an empty stream."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        span = timedelta(seconds=30)
        assert None is await horizon(server.connection, 1, span)
        [first, second] = await server.publish("r1", EVENT, EVENT)
        assert 0 == await horizon(server.connection, second, span)
        assert None is await horizon(server.connection, second + 1, span)
        await api(server.connection, f"STREAM.PURGE.{PROGRESS}", {"seq": second})
        assert None is await horizon(server.connection, first, span)
        assert first == await horizon(server.connection, second, span)
