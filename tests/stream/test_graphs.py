"""Graphs are kept by id, for each tenant on its own, and a bounded number of them."""

import asyncio
from pathlib import Path

import pytest

from broker.errors import GraphNotFound, InvalidName
from broker.model.graph import Graph, encode_graph
from broker.model.subjects import graph_subject
from broker.stream.graphs import every, find, keep
from broker.stream.publish import Message, publish, publish_all
from broker.stream.topology import GRAPHS, MOST_GRAPHS
from tests.stream.serving import PATIENCE, nats
from tests.unit.runs import T0


def graph(name: str, description: str | None = None) -> Graph:
    return Graph.of("graphs/größe.py", name, description, T0)


async def test_a_graph_is_found_by_its_id(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        kept = graph("Größe", "one")
        await keep(server.connection, "default", kept)
        assert kept == await find(server.connection, "default", kept.id)
        newer = graph("Größe", "two")
        await keep(server.connection, "default", newer)
        assert newer == await find(server.connection, "default", kept.id)
        assert [newer] == await every(server.connection, "default")


async def test_each_tenant_has_its_own(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        kept = graph("Test")
        await keep(server.connection, "a b", kept)
        assert [] == await every(server.connection, "default")
        assert [kept] == await every(server.connection, "a b")
        with pytest.raises(GraphNotFound):
            await find(server.connection, "default", kept.id)


@pytest.mark.parametrize("graph_id", ["nobody", "*", ">", "a.b", "größe"])
async def test_what_is_not_there_is_not_found(tmp_path: Path, graph_id: str) -> None:
    """Nor is another one by a wildcard."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await keep(server.connection, "default", graph("Test"))
        with pytest.raises(GraphNotFound):
            await find(server.connection, "default", graph_id)
        with pytest.raises(InvalidName):
            await find(server.connection, "default", "")


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"id": "x"}', b"\xff"])
async def test_what_is_none_or_was_deleted_is_passed_over(tmp_path: Path, payload: bytes) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        kept, gone = graph("Test"), graph("Gone")
        await keep(server.connection, "default", gone)
        await keep(server.connection, "default", kept)
        deletion = {"KV-Operation": "DEL"}
        message = Message(graph_subject("default", gone.id), payload, None, deletion)
        await publish(server.connection, message)
        assert [kept] == await every(server.connection, "default")
        with pytest.raises(GraphNotFound):
            await find(server.connection, "default", gone.id)


async def test_the_oldest_makes_room(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        graphs = [graph(f"graph {number}") for number in range(MOST_GRAPHS + 1)]
        await publish_all(
            server.connection,
            [Message(graph_subject("default", each.id), encode_graph(each)) for each in graphs],
        )
        assert graphs[1:] == await every(server.connection, "default")
        assert MOST_GRAPHS == len(await server.subjects(GRAPHS))
