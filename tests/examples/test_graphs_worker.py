"""The worker of graphs loads what lies below its folder, and goes on when a node fails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from broker.model import events
from broker.producer import Worker
from examples.graph_file import GraphError, load
from examples.graphs_worker import Graphs
from tests.producer.conftest import Nats, serving
from tests.producer.test_commands import ends, give
from tests.producer.test_worker import ask, ended, settled, working

STATISTICS = Path(__file__).parents[2] / "examples/graphs/text_statistics.py"

BEGINNING = """
class Node:
    def __init__(self, id, execute, name=None, after=None):
        self.id, self.execute, self.name, self.after = id, execute, name, after
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of graphs, in which the worker stands."""
    root = tmp_path / "graphs"
    root.mkdir()
    monkeypatch.chdir(root)
    return root


def graph(folder: Path, nodes: str, name: str = "graph.py") -> str:
    """A file that defines nodes; gives its path."""
    (folder / name).write_text(BEGINNING + nodes)
    return name


@asynccontextmanager
async def executing(tmp_path: Path, root: Path, **inputs: Any) -> AsyncIterator[Nats]:
    """The worker, asked to execute a graph as run r1."""
    graphs = Graphs(root)
    async with serving(tmp_path / "nats") as nats:
        worker = Worker(nats.url)
        worker.pipeline("graphs", plan=graphs.plan)(graphs.execute)
        await ask(nats, "r1", "graphs", inputs=inputs)
        async with working(worker):
            yield nats


async def executed(tmp_path: Path, root: Path, **inputs: Any) -> list[Any]:
    """What is stored of a run, once it has ended."""
    async with executing(tmp_path, root, **inputs) as nats:
        await settled(nats)
        return await nats.events("r1")


def test_the_nodes_come_after_those_they_wait_for() -> None:
    found = load(str(STATISTICS), STATISTICS.parent)
    assert ["read", "words", "sentences", "frequent", "readability", "report"] == [
        node.id for node in found
    ]
    assert ("Find the words", ["read"]) == (found[1].name, found[1].after)


async def test_it_computes_the_statistics_of_a_text(tmp_path: Path) -> None:
    path, state = str(STATISTICS), {"text": "One fish. Two fish, three fish!"}
    happened = await executed(
        tmp_path, STATISTICS.parent, file_path=path, graph_name="S", initial_state=state
    )
    started = next(event for event in happened if isinstance(event, events.RunStarted))
    assert started.plan is not None
    assert ["read", "words", "sentences", "frequent", "readability", "report"] == [
        step.step for step in started.plan
    ]
    results = {e.step: e.outputs for e in happened if isinstance(e, events.StepCompleted)}
    assert {
        "read": {"characters": 31},
        "words": {"word_count": 6},
        "sentences": {"sentence_count": 2},
        "frequent": {"frequent": {"three": 1}},
        "readability": {"words_per_sentence": 3.0, "letters_per_word": 3.8},
        "report": {"report": "6 words in 2 sentences, 3.0 words in each"},
    } == results
    outputs = happened[-1].outputs
    assert [] == outputs["failed"]
    assert "6 words in 2 sentences, 3.0 words in each" == outputs["results"]["report"]


async def test_when_one_node_fails_the_others_are_executed(tmp_path: Path) -> None:
    happened = await executed(
        tmp_path, STATISTICS.parent, file_path=str(STATISTICS), initial_state={"text": "12"}
    )
    failed = [event for event in happened if isinstance(event, events.StepFailed)]
    assert ["readability"] == [event.step for event in failed]
    assert "the text has no words" == failed[0].error.message
    end = happened[-1]
    assert isinstance(end, events.RunCompleted)
    assert end.outputs is not None
    assert ["readability"] == end.outputs["failed"]
    assert "0 words in 1 sentences" == end.outputs["results"]["report"]


async def test_a_node_may_be_asynchronous_return_anything_and_fail_in_any_way(
    tmp_path: Path, folder: Path
) -> None:
    path = graph(
        folder,
        """
import asyncio, sys
async def slowly(state):
    await asyncio.sleep(0)
    return [state["n"], 2]
class Mute(Exception):
    def __str__(self):
        raise OSError
def mute(state):
    raise Mute
def interrupt(state):
    raise KeyboardInterrupt
NODES = [
    Node("slowly", slowly),
    Node("nothing", lambda state: None, after="slowly"),
    Node("empty", lambda state: next(iter([]))),
    Node("exits", lambda state: sys.exit(3)),
    Node("odd", lambda state: object()),
    Node("mute", mute),
    Node("interrupts", interrupt),
]
""",
    )
    happened = await executed(
        tmp_path, folder, file_path=path, graph_name="G", initial_state={"n": 1}
    )
    results = {e.step: e.outputs for e in happened if isinstance(e, events.StepCompleted)}
    assert {"slowly": {"result": [1, 2]}, "nothing": None, "odd": None} == results
    types = {e.step: e.error.type or "" for e in happened if isinstance(e, events.StepFailed)}
    failed = {step: name.rpartition(".")[2] for step, name in types.items()}
    assert {
        "empty": "RuntimeError",
        "exits": "SystemExit",
        "mute": "Mute",
        "interrupts": "RuntimeError",
    } == failed
    assert isinstance(happened[-1], events.RunCompleted)


async def test_a_graph_that_cannot_be_loaded_fails_its_run_and_says_why(
    tmp_path: Path, folder: Path
) -> None:
    (tmp_path / "outside.py").write_text("NODES = []")
    happened = await executed(tmp_path, folder, file_path="../outside.py")
    end = happened[-1]
    assert isinstance(end, events.RunFailed)
    assert (end.error.message or "").startswith("../outside.py is not below graphs/")


async def test_between_two_nodes_it_can_be_cancelled(tmp_path: Path, folder: Path) -> None:
    path = graph(
        folder,
        """
import asyncio
async def wait(state):
    await asyncio.Event().wait()
NODES = [Node("wait", wait), Node("never", lambda state: 1, after="wait")]
""",
    )
    async with executing(tmp_path, folder, file_path=path) as nats:
        await give(nats, "r1", "cancel", by="ann")
        await ended(nats, "r1")
        assert [{"is": events.RunCancelled, "by": "ann", "reason": None}] == await ends(nats, "r1")
        assert not any("never" in tag for tag in await nats.tags("r1"))


@pytest.mark.parametrize(
    ("file_path", "why"),
    [
        (None, "give the path of a Python file"),
        ("", "give the path of a Python file"),
        ("graph.py\0", "give the path of a Python file"),
        ("../outside.py", "is not below graphs/"),
        ("link.py", "is not below graphs/"),
        ("/etc/passwd", "is not below graphs/"),
        ("../graphs-not/graph.py", "is not below graphs/"),
        ("missing.py", "is no Python file"),
        ("notes.txt", "is no Python file"),
        ("folder.py", "is no Python file"),
    ],
)
def test_no_path_leads_out_of_the_folder(folder: Path, file_path: Any, why: str) -> None:
    outside = folder.parent / "outside.py"
    outside.write_text("raise AssertionError('this file was executed')")
    (folder.parent / "graphs-not").mkdir()
    (folder.parent / "graphs-not/graph.py").write_text(outside.read_text())
    (folder / "link.py").symlink_to(outside)
    (folder / "notes.txt").touch()
    (folder / "folder.py").mkdir()
    with pytest.raises(GraphError, match=why):
        load(file_path, folder)


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        ("", "needs a list NODES"),
        ("NODES = []", "needs a list NODES"),
        ("NODES = {}", "needs a list NODES"),
        ("NODES = [3]", "a node needs an id"),
        ("NODES = [Node('a', None)]", "a node needs an id"),
        ("NODES = [Node('', print)]", "a node needs an id"),
        ("NODES = [Node('a', print), Node('a', print)]", "the same id"),
        ("NODES = [Node('a', print, after=['b'])]", "'a' comes after 'b', which there is not"),
        (
            "NODES = [Node('a', print, after=['b']), Node('b', print, after='a')]",
            "wait for each other: . after . after .",
        ),
        ("NODES = [Node('a', print, after=7)]", "'a' comes after 7: give a list"),
        ("NODES = [Node('a' * 257, print)]", "is longer than 256 characters"),
        ("import sys; sys.exit()", "ends the program"),
        ("raise KeyboardInterrupt", "ends the program"),
        (
            "NODES = [type('', (), {'__getattr__': lambda self, name: exit()})()]",
            "ends the program",
        ),
    ],
)
def test_what_is_wrong_with_a_graph_is_said(folder: Path, nodes: str, why: str) -> None:
    with pytest.raises(GraphError, match=why):
        load(graph(folder, nodes), folder)


def test_a_file_is_read_anew_each_time(folder: Path) -> None:
    path = graph(folder, "NODES = [Node('a', print)]")
    assert ["a"] == [node.id for node in load(path, folder)]
    (folder / path).write_text(BEGINNING + "NODES = [Node('longer', print)]")
    assert ["longer"] == [node.id for node in load(path, folder)]
