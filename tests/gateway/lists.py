"""Runs as lists show them: stored as checkpoints, or by what their producers published."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import msgspec

from broker.model.cursor import epoch_of
from broker.model.subjects import RunKey
from broker.model.summary import Summary, encode_summary
from broker.stream.publish import Message, publish_all
from broker.stream.topology import PROGRESS, created_at
from tests.faults import until
from tests.gateway.serving import Broker
from tests.sse import PATIENCE, Stream, Wire
from tests.unit.index.rows import summary

Query = Mapping[str, Any]


async def put(b: Broker, *rows: Summary) -> None:
    """Store checkpoints, and wait until the gateway has them in its index."""
    epoch = epoch_of(await created_at(b.nats.connection, PROGRESS))
    messages = []
    for row in rows:
        encoded = encode_summary(row).replace(b'"cursor":"e1-', f'"cursor":"{epoch}-'.encode())
        subject = RunKey(row.tenant, row.run).checkpoint_subject
        messages.append(Message(subject, b"", None, {"Broker-Summary": encoded.decode()}))
    await publish_all(b.nats.connection, messages)
    last = next(row for row in reversed(rows) if row.tenant == "default")

    async def listed() -> bool:
        page = await listing(b, limit=500, q=last.run)
        return any(
            item["run"] == last.run and item.get("updated_at") == shown(last)["updated_at"]
            for item in page["items"]
        )

    await until(listed)


def shown(row: Summary) -> dict[str, Any]:
    """A row as JSON, but for its cursor."""
    built: dict[str, Any] = msgspec.to_builtins(row)
    return built


def target(query: Query) -> str:
    """The path of a list."""
    return f"/v1/runs?{urlencode(query, doseq=True)}"


async def listing(b: Broker, **query: Any) -> Any:
    """A page."""
    answer = await b.get(target(query))
    assert 200 == answer.status, answer.body
    return answer.json()


def runs(page: Any) -> list[str]:
    """The runs of a page, in order."""
    return [item["run"] for item in page["items"]]


@asynccontextmanager
async def live(
    b: Broker,
    query: Query | None = None,
    *,
    version: str = "1.1",
    patience: float = PATIENCE,
    **wire: Any,
) -> AsyncIterator[Stream]:
    """Open a live list."""
    async with Wire.connect(b.url, **wire) as connection:
        accept = {"Accept": "text/event-stream"}
        await connection.send("GET", target(query or {}), accept, version=version)
        status, headers = await connection.head()
        yield Stream(connection, status, headers, patience)


__all__ = ["listing", "live", "put", "runs", "summary", "target"]
