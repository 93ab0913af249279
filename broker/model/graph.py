"""A graph that was loaded, and how its runs and their steps speak of it and its nodes."""

from datetime import datetime
from typing import Any, Final, Self

import msgspec

from broker.model.ids import id_of

GRAPH_LABEL: Final = "graph_id"
"""The label of a run that names its graph."""

_RESULT: Final = "result"


class Graph(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which file defines a graph, and what it is called; a worker knows where the file lies."""

    id: str
    name: str
    file_path: str
    description: str | None = None
    loaded_at: datetime

    @classmethod
    def of(cls, file_path: str, name: str, description: str | None, loaded_at: datetime) -> Self:
        """The graph of a file under a name: its id follows from both."""
        return cls(
            id=id_of("graph", file_path, name),
            name=name,
            file_path=file_path,
            description=description,
            loaded_at=loaded_at,
        )


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Graph).decode


def encode_graph(graph: Graph) -> bytes:
    """The stored form of a graph."""
    return _encode(graph)


def decode_graph(payload: bytes) -> Graph | None:
    """The graph that is stored so; None where it is none, for instance deleted."""
    try:
        payload.decode()
        return _decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def outputs_of(result: object) -> dict[str, Any] | None:
    """What a step keeps of a node's result: an object as it is, anything else as a member."""
    if result is None:
        return None
    if isinstance(result, dict) and result.keys() != {_RESULT}:
        return result
    return {_RESULT: result}


def result_of(outputs: dict[str, Any] | None) -> Any:
    """The result that a step keeps like that."""
    if outputs is not None and outputs.keys() == {_RESULT}:
        return outputs[_RESULT]
    return outputs
