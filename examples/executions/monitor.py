"""Watch several executions at once, each over a WebSocket of its own.

    python examples/executions/monitor.py RUN RUN RUN --url ws://127.0.0.1:8080

Ends with 0 if all completed.
"""

import argparse
import asyncio
import json
import sys

from websockets.asyncio.client import connect

ENDS = ("completed", "failed", "cancelled", "error")


async def monitor(url: str, run: str) -> str:
    """Print a line for each message of an execution; gives how it ended."""
    async with connect(f"{url}/api/v1/executions/{run}/progress/ws") as ws:
        async for text in ws:
            message = json.loads(text)
            percentage = message.get("progress", {}).get("percentage", 0)
            print(f"[{run}] {message['type']}: {percentage:g}%", flush=True)
            if message["type"] in ENDS:
                return str(message["type"])
    return "interrupted"


async def monitor_all(url: str, runs: list[str]) -> int:
    ended = await asyncio.gather(*(monitor(url, run) for run in runs))
    for run, how in zip(runs, ended, strict=True):
        print(f"{run} {how}")
    return int(any(how != "completed" for how in ended))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="+")
    parser.add_argument("--url", default="ws://127.0.0.1:8080", help="default: %(default)s")
    called = parser.parse_args()
    return asyncio.run(monitor_all(called.url, called.run))


if __name__ == "__main__":
    sys.exit(main())
