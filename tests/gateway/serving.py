"""A real gateway in front of a real NATS server, for one test."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from broker.dialects.said import Dialect
from broker.dialects.table import DIALECTS
from broker.errors import StreamUnavailable
from broker.gateway.app import Gateway, running
from broker.model.cursor import Cursor
from broker.settings import Settings
from broker.stream.replay import last_sequences
from tests.faults import until
from tests.sse import Answer, ask, path
from tests.stream.serving import Nats, Payload, key_of, nats, payload_of

UNLIMITED: dict[str, Any] = dict.fromkeys(
    ("poll_rate", "open_rate", "ingest_rate", "streams_per_client"), 0
)
"""All clients of a test come from one address, and ask faster than people."""


@asynccontextmanager
async def gateway(
    nats_url: str, *, dialects: Mapping[str, Dialect] = DIALECTS, **settings: Any
) -> AsyncIterator[Gateway]:
    """Run a gateway on a free port."""
    chosen = {"listen": "127.0.0.1:0", "nats_url": nats_url, **UNLIMITED, **settings}
    async with running(Settings(**chosen), dialects=dialects) as started:
        yield started


class Broker:
    """A gateway and its NATS server."""

    def __init__(self, gateway: Gateway, nats: Nats) -> None:
        self.gateway = gateway
        self.url = gateway.url
        self.nats = nats
        self.publish = nats.publish

    async def get(self, target: str, **how: Any) -> Answer:
        """One request."""
        return await ask(self.url, target, **how)

    async def snapshot(self, run: str) -> Any:
        """The state of a run, with all that is stored of it by now."""
        subject = key_of(run).subject
        last, state = 0, None
        with suppress(StreamUnavailable):
            last = (await last_sequences(self.nats.connection, [subject])).get(subject, 0)

        async def arrived() -> bool:
            nonlocal state
            state = (await ask(self.url, path(run))).json()
            cursor = Cursor.parse(state.get("cursor", ""))
            return cursor is None or cursor.seq >= last

        await until(arrived)
        return state

    async def post(self, target: str, body: Payload | Sequence[Payload], **how: Any) -> Answer:
        """Send one event, or an array of them."""
        if not isinstance(body, bytes | dict):
            body = b"[" + b",".join(map(payload_of, body)) + b"]"
        return await ask(self.url, target, method="POST", body=payload_of(body), **how)

    async def metric(self, name: str, **labels: str) -> float:
        """The value of one metric; 0 where it was never counted."""
        chosen = ",".join(f'{label}="{value}"' for label, value in labels.items())
        line = f"progress_broker_{name}{{{chosen}}} " if chosen else f"progress_broker_{name} "
        text = (await self.get("/metrics")).body.decode()
        return next((float(row.split()[-1]) for row in text.split("\n") if row.startswith(line)), 0)


@asynccontextmanager
async def broker(folder: Path, **settings: Any) -> AsyncIterator[Broker]:
    """Run a gateway and a server for it."""
    async with nats(folder / "nats") as server, gateway(server.url, **settings) as started:
        yield Broker(started, server)
