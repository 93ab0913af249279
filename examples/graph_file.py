"""A Python file that defines a graph, found, loaded and put in order.

The file has a list `NODES`. A node is any object with an `id` and a function `execute(state)`,
which may be asynchronous; it may have a `name`, and `after`: the ids of those that it comes after.
"""

import hashlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType
from typing import Any

State = dict[str, Any]

LONGEST_ID = 256
"""Characters that the id of a step may have."""


class GraphError(ValueError):
    """A graph cannot be loaded; the text says why, and what to do."""


@dataclass(frozen=True)
class Node:
    """A node of a graph."""

    id: str
    name: str
    after: list[str]
    execute: Callable[[State], Any]


def load(file_path: object, root: Path) -> list[Node]:
    """The nodes of the graph that a file defines, each after those it comes after.

    A relative path counts from the current folder. The file is executed: it must lie below `root`,
    also when it is reached by `..` or a link. Raises GraphError, and whatever the file raises.
    """
    path = _found(file_path, root)
    try:
        return _in_order(_nodes(path))
    except (SystemExit, KeyboardInterrupt) as error:  # either would end the worker
        raise GraphError(f"{path.name} ends the program where it should define a graph") from error


def _nodes(path: Path) -> dict[str, Node]:
    module = _executed(path)
    given = getattr(module, "NODES", None)
    if not isinstance(given, list) or not given:
        raise GraphError(f"{path.name} defines no graph: it needs a list NODES with its nodes")
    nodes = {node.id: node for node in map(_node, given)}
    if len(nodes) < len(given):
        raise GraphError(f"{path.name}: two nodes have the same id")
    return nodes


def _in_order(nodes: dict[str, Node]) -> list[Node]:
    for node in nodes.values():
        for other in node.after:
            if other not in nodes:
                raise GraphError(f"node {node.id!r} comes after {other!r}, which there is not")
    try:
        order = TopologicalSorter({node.id: node.after for node in nodes.values()}).static_order()
        return [nodes[id] for id in order]
    except CycleError as error:
        raise GraphError(
            f"the nodes wait for each other: {' after '.join(error.args[1])}"
        ) from None


def _found(file_path: object, root: Path) -> Path:
    if not isinstance(file_path, str) or not file_path or "\0" in file_path:
        raise GraphError(f"file_path is {file_path!r}: give the path of a Python file")
    path, root = Path(file_path).resolve(), root.resolve()
    if not path.is_relative_to(root):
        raise GraphError(
            f"{file_path} is not below {root.name}/, the folder that this worker loads graphs of: "
            "move the file there, or start the worker with another --root"
        )
    if path.suffix != ".py" or not path.is_file():
        raise GraphError(f"{file_path} is no Python file below {root.name}/")
    return path


def _executed(path: Path) -> ModuleType:
    """The module of a file, executed anew each time, since the file may have changed."""
    module = ModuleType("graph_" + hashlib.sha256(str(path).encode()).hexdigest()[:16])
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up there
    exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    return module


def _node(given: object) -> Node:
    id, execute = getattr(given, "id", None), getattr(given, "execute", None)
    if not isinstance(id, str) or not id or not callable(execute):
        raise GraphError(
            f"a node needs an id and a function execute(state), and has not: {given!r}"
        )
    if len(id) > LONGEST_ID:
        raise GraphError(f"the id of node {id[:32]!r}... is longer than {LONGEST_ID} characters")
    after = getattr(given, "after", None) or ()
    after = [after] if isinstance(after, str) else after
    if not isinstance(after, Iterable):
        raise GraphError(f"node {id!r} comes after {after!r}: give a list of ids of nodes")
    return Node(id, str(getattr(given, "name", None) or id), list(after), execute)
