"""A worker for the runner's interface: it processes a job whenever a page asks for it.

    python examples/runner_worker.py --nats nats://127.0.0.1:4222 --pace 1
    curl -d '{"job_id": "lanternhill-backend-engineer", "level": 2}' \\
        http://127.0.0.1:8080/api/runner/jobs/run

It runs the seven layers of `job_match` as a LangGraph graph: they match a job posting with a
candidate's profile, by rules and arithmetic, without a network. Level 1 ends with the score; from
level 2 on it also finds people to write to, and writes to them.
"""

import argparse
import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final, cast
from zlib import crc32

# A script's own folder is on the path, its parent is not; `examples.` is the name in tests, too.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from langchain_core.runnables import RunnableConfig

from broker.producer import Run, Worker
from broker.producer.langgraph import ProgressCallback, plan_of
from examples.job_match.graph import LAYERS, State, build, people_mapping

HERE: Final = Path(__file__).resolve().parent
PIPELINE: Final = "runner"

OUTREACH: Final = LAYERS[LAYERS.index(people_mapping) :]
"""The layers that level 1 leaves out."""


async def process(
    run: Run, inputs: dict[str, Any], *, output: Path, pace: float = 0.0
) -> dict[str, Any]:
    """Run the layers on the job in `inputs`.

    Raises ValueError for inputs that a run cannot be made of, which fails it.
    """
    slug, level = posting_of(inputs), level_of(inputs)
    left_out = () if level >= 2 else OUTREACH
    graph = build(len(LAYERS) - len(left_out))
    run.log(f"job {inputs['job_id']} is the posting {slug}, at level {level}")
    state: State = {"data": HERE / "data", "output": output, "slug": slug}
    config: RunnableConfig = {"callbacks": [ProgressCallback(run)]}
    async for values in graph.astream(state, config, stream_mode="values"):
        state = cast(State, values)
        await run.checkpoint()
        await asyncio.sleep(pace)  # the graph goes on when it is asked for more
    for layer in left_out:
        run.step(layer.__name__).skip(f"level {level} ends with the score")
    return {"fit": state["fits"][slug].score, "documents": len(state.get("documents", ()))}


def posting_of(inputs: dict[str, Any]) -> str:
    """The posting that a job's id names; for an id that names none one of them, always the same.

    Raises ValueError where there is no id.
    """
    job = inputs.get("job_id")
    if not isinstance(job, str | int) or not str(job):
        raise ValueError(f"inputs.job_id is {job!r}: give the id of a job")
    postings = sorted(path.stem for path in (HERE / "data/postings").glob("*.md"))
    return str(job) if job in postings else postings[crc32(str(job).encode()) % len(postings)]


def level_of(inputs: dict[str, Any]) -> int:
    """How thoroughly the job is to be processed. Raises ValueError where it is no number."""
    level = inputs.get("level", 2)
    if not isinstance(level, int) or level < 1:
        raise ValueError(f"inputs.level is {level!r}: give 1, or 2 for people and documents, too")
    return level


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--nats", metavar="URL", help="default: BROKER_NATS_URL, or nats://127.0.0.1:4222"
    )
    parser.add_argument("--concurrency", type=int, default=2, help="runs at once (default 2)")
    parser.add_argument(
        "--pace",
        type=float,
        default=0.0,
        metavar="S",
        help="seconds to pause after each layer, so that a person can follow: a pause, not work",
    )
    parser.add_argument(
        "--output", type=Path, default=HERE / "output", help="where the documents are written"
    )
    options = parser.parse_args()
    worker = Worker(options.nats, concurrency=options.concurrency)
    work = partial(process, output=options.output, pace=options.pace)
    worker.pipeline(PIPELINE, plan=plan_of(build()))(work)
    return worker.main()


if __name__ == "__main__":
    sys.exit(main())
