"""Errors of NATS are counted by kind, as the server and its client tell them."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from nats.errors import (
    AuthorizationError,
    Error,
    NoServersError,
    ProtocolError,
    SlowConsumerError,
    StaleConnectionError,
    UnexpectedEOF,
)

from broker.stream.connection import Connection
from broker.stream.error_kinds import kind_of
from tests.deploy.servers import server_with_users
from tests.stream.serving import PATIENCE


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (SlowConsumerError("live.x", "", 1, cast(Any, None)), "slow_consumer"),
        (Error("nats: slow consumer detected"), "slow_consumer"),
        (Error('nats: permissions violation for publish to "x"'), "permission"),
        (AuthorizationError(), "authorization"),
        (StaleConnectionError(), "stale"),
        (UnexpectedEOF(), "stale"),
        (ConnectionRefusedError(), "unreachable"),
        (NoServersError(), "unreachable"),
        (TimeoutError(), "unreachable"),
        (ProtocolError(), "other"),
    ],
)
def test_each_error_is_of_a_kind(error: Exception, kind: str) -> None:
    assert kind == kind_of(error)


async def test_a_subject_that_a_user_may_not_publish_to_is_told(tmp_path: Path) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with (
        asyncio.timeout(PATIENCE),
        server_with_users(tmp_path) as server,
        Connection.connect(
            server.url("producer"), name="test", on_error=heard.put_nowait
        ) as connection,
    ):
        await connection.publish("nothing.of.ours", b"")
        assert "permission" == await heard.get()
