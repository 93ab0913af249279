"""The graphs that were loaded, as messages of the bucket GRAPHS: one for each, the last one counts.

There are so few, and they are so small, that a gateway keeps none of them.
"""

import msgspec

from broker.errors import GraphNotFound, StreamUnavailable
from broker.model.graph import Graph, decode_graph, encode_graph
from broker.model.subjects import graph_subject, graph_subjects
from broker.stream.connection import Connection
from broker.stream.publish import Message, publish
from broker.stream.replay import read
from broker.stream.topology import GRAPHS


class _Stored(msgspec.Struct, frozen=True):
    data: bytes = b""


class _Refusal(msgspec.Struct, frozen=True):
    code: int
    description: str = ""


class _Answer(msgspec.Struct, frozen=True):
    message: _Stored | None = None
    error: _Refusal | None = None


async def keep(connection: Connection, tenant: str, graph: Graph) -> None:
    """Store a graph in place of the one of its id. Raises StreamUnavailable."""
    await publish(connection, Message(graph_subject(tenant, graph.id), encode_graph(graph)))


async def find(connection: Connection, tenant: str, graph: str) -> Graph:
    """The graph of an id. Raises GraphNotFound, InvalidName, StreamUnavailable.

    The stream's leader is asked, so that who has just loaded a graph finds it.
    """
    answer = msgspec.json.decode(
        await connection.request(
            f"$JS.API.STREAM.MSG.GET.{GRAPHS}",
            msgspec.json.encode({"last_by_subj": graph_subject(tenant, graph)}),
        ),
        type=_Answer,
    )
    if answer.error is not None and answer.error.code != 404:
        raise StreamUnavailable("find a graph", answer.error.description)
    found = None if answer.message is None else decode_graph(answer.message.data)
    if found is None:
        raise GraphNotFound(graph)
    return found


async def every(connection: Connection, tenant: str) -> list[Graph]:
    """All graphs, the one loaded last at the end. Raises StreamUnavailable."""
    found = [
        decode_graph(record.payload)
        async for page in read(connection, graph_subjects(tenant), 0, stream=GRAPHS)
        for record in page
    ]
    return [graph for graph in found if graph is not None]
