"""A LangGraph pipeline of seven layers whose progress can be watched live.

It matches a job posting with a candidate's profile by rules and arithmetic: no model, no network,
the same result every time. Every document is invented; see data/README.md.

    python examples/langgraph_pipeline.py --nats nats://127.0.0.1:4222 --forever

The layers know nothing of the broker. All it takes are the lines marked (1), (2) and (3).
"""

import argparse
import asyncio
import functools
import sys
from pathlib import Path
from typing import cast

# A script's own folder is on the path, its parent is not; `examples.` is the name in tests, too.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from langchain_core.runnables import RunnableConfig

from broker.demo import loop
from broker.producer import Producer
from broker.producer.langgraph import ProgressCallback, plan_of
from examples.job_match.graph import State, build

HERE = Path(__file__).resolve().parent


async def run_once(producer: Producer, number: int = 1, *, output: Path, pace: float = 0.0) -> None:
    """Match the profile with one posting; each run takes the next one."""
    postings = sorted(path.stem for path in (HERE / "data/postings").glob("*.md"))
    slug = postings[(number - 1) % len(postings)]
    graph = build()
    plan = plan_of(graph)  # (1)
    async with producer.run("job-match", name=slug, plan=plan, labels={"job": slug}) as run:  # (2)
        state: State = {"data": HERE / "data", "output": output, "slug": slug}
        config: RunnableConfig = {"callbacks": [ProgressCallback(run)]}  # (3)
        async for values in graph.astream(state, config, stream_mode="values"):
            state = cast(State, values)
            await asyncio.sleep(pace)  # the graph goes on when it is asked for more
        ranking = sorted(state["fits"], key=lambda slug: -state["fits"][slug].score)
        run.outputs = {
            "fit": state["fits"][slug].score,
            "rank": f"{ranking.index(slug) + 1} of {len(ranking)}",
            "documents": len(state["documents"]),
        }


def main() -> int:
    parser = loop.flags(__doc__)
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
    options: argparse.Namespace = parser.parse_args()
    once = functools.partial(run_once, output=options.output, pace=options.pace)
    return loop.run(once, options)


if __name__ == "__main__":
    sys.exit(main())
