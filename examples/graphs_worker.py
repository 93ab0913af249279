"""A worker: executes graphs that Python files define.

    python examples/graphs_worker.py --root examples/graphs
    curl -H 'Content-Type: application/json' http://127.0.0.1:8080/api/graphs/load \\
        -d '{"file_path": "examples/graphs/text_statistics.py", "graph_name": "Statistics"}'
    curl -N -H 'Content-Type: application/json' \\
        http://127.0.0.1:8080/api/graphs/GRAPH_ID/execute/stream \\
        -d '{"initial_state": {"text": "One. Two, three."}}'

What such a file looks like stands in `graph_file.py`. The nodes share one state: each gets it as a
dictionary and may change it, and an object that it returns, its result, is merged into it. Where
one fails, the others are executed all the same.
"""

import argparse
import asyncio
import sys
from inspect import isawaitable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # so that it runs as a script, from anywhere

from broker.producer import PlanStep, Run, Worker
from examples.graph_file import Node, State, load

PIPELINE = "graphs"


class Graphs:
    """The pipeline: one run executes one graph."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def plan(self, inputs: dict[str, Any]) -> list[PlanStep]:
        """The nodes of the graph, as steps."""
        return [
            PlanStep(step=node.id, name=node.name, after=node.after)
            for node in load(inputs.get("file_path"), self._root)
        ]

    async def execute(self, run: Run, inputs: dict[str, Any]) -> dict[str, Any]:
        """Execute every node after those it comes after; gives their results, and which failed.

        Raises GraphError where there is no such graph.
        """
        nodes = await asyncio.to_thread(load, inputs.get("file_path"), self._root)
        state: State = dict(inputs.get("initial_state") or {})
        results: State = {}
        failed = []
        for node in nodes:
            await run.checkpoint()
            try:
                results |= await _executed(run, node, state)
            except (Exception, SystemExit) as error:
                run.log(f"{node.id} failed: {type(error).__name__}", level="error", step=node.id)
                failed.append(node.id)
        return {"results": results, "failed": failed}


async def _executed(run: Run, node: Node, state: State) -> State:
    """Execute a node as a step, and put its result into the state; what is no object has a name."""
    async with run.step(node.id) as step:
        result = await asyncio.to_thread(_called, node, state)
        if isawaitable(result):
            result = await result
        if isinstance(result, dict):
            step.outputs = result
            state.update(result)
            return result
        step.outputs = None if result is None else {"result": result}
        return {} if result is None else {node.id: result}


def _called(node: Node, state: State) -> Any:
    try:
        return node.execute(state)
    except (StopIteration, KeyboardInterrupt) as error:  # no future can hold the one, and its run
        raise RuntimeError(type(error).__name__) from error  # would wait; the other ends the worker


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--nats", metavar="URL", help="default: BROKER_NATS_URL, or nats://127.0.0.1:4222"
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=Path(),
        help="the folder that graph files must lie in (default: the current one)",
    )
    parser.add_argument("--concurrency", type=int, default=2, help="graphs at once (default 2)")
    options = parser.parse_args()
    if not options.root.is_dir():
        parser.error(f"--root {options.root} is no folder")
    graphs = Graphs(options.root)
    worker = Worker(options.nats, concurrency=options.concurrency)
    worker.pipeline(PIPELINE, plan=graphs.plan)(graphs.execute)
    return worker.main()


if __name__ == "__main__":
    sys.exit(main())
