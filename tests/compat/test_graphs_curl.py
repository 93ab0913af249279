"""The commands of the document, run as they stand there, with a worker that does the work."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

from tests.compat.commands import output_of
from tests.compat.executing import STATISTICS, worker
from tests.gateway.serving import broker

LOAD = """
curl -X POST http://localhost:8000/api/graphs/load \
  -H "Content-Type: application/json" \
  -d '{"file_path":"../backend/graph_2.py","graph_name":"Test","description":"Test"}'
"""
EXECUTE = """
curl -N -X POST "http://localhost:8000/api/graphs/GRAPH_ID/execute/stream" \
  -H "Content-Type: application/json" \
  -H "Accept: text/event-stream" \
  -d '{"initial_state":{}}'
"""


async def shell(command: str, url: str) -> bytes:
    """What a command prints that asks the server of the document; here it is at another address."""
    return await output_of(*shlex.split(command.replace("http://localhost:8000", url)))


def frames(printed: bytes) -> list[dict[str, Any]]:
    blocks = printed.decode().split("\n\n")
    return [json.loads(block[len("data: ") :]) for block in blocks if block.startswith("data: ")]


async def test_the_commands_of_the_document_execute_a_graph(tmp_path: Path) -> None:
    """The worker stands in `api/`, as the server of the document does, and may read beside it."""
    for folder in ("api", "backend"):
        (tmp_path / folder).mkdir()
    source = STATISTICS.read_text()
    data = STATISTICS.parents[1] / "data"
    (tmp_path / "backend/graph_2.py").write_text(source)
    shutil.copytree(data, tmp_path / "data", dirs_exist_ok=True)
    async with broker(tmp_path) as b, worker(b, tmp_path / "api", ".."):
        graph = json.loads(await shell(LOAD, b.url))["graph_id"]
        told = frames(await shell(EXECUTE.replace("GRAPH_ID", graph), b.url))
    assert (graph, 6) == (told[0]["graph_id"], told[0]["total_nodes"])
    nodes = ["read", "words", "sentences", "frequent", "readability", "report"]
    kinds = [(frame["type"], frame.get("node_id")) for frame in told]
    executed = [(kind, node) for node in nodes for kind in ("node_start", "node_complete")]
    assert [("start", None), *executed, ("complete", None)] == kinds
    assert all(frame["duration"] >= 0 for frame in told if frame["type"] == "node_complete")
    assert {"total": 6, "completed": 6, "failed": 0, "skipped": 0} == told[-1]["summary"]
    assert "words in" in told[-1]["result"]["results"]["report"]


async def test_a_path_that_leads_out_of_the_workers_folder_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    async with broker(tmp_path) as b, worker(b, tmp_path / "api", "."):
        graph = json.loads(await shell(LOAD, b.url))["graph_id"]
        told = frames(await shell(EXECUTE.replace("GRAPH_ID", graph), b.url))
    assert ["start", "error"] == [frame["type"] for frame in told]
    assert told[-1]["error"].startswith("../backend/graph_2.py is not below api/")
