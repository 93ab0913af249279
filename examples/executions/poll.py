"""Watch an execution by asking for it twice a second, and draw a bar.

    python examples/executions/poll.py RUN --url http://127.0.0.1:8080

Ends with 0 if it completed.
"""

import argparse
import sys
import time
from typing import Any

import requests
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

INTERVAL = 0.5
PATIENCE = 10.0
"""Seconds for one answer."""
GOING_ON = ("pending", "running")

Document = dict[str, Any]


class UnknownExecution(Exception):
    """There is no execution of this id."""


def ask(session: requests.Session, url: str) -> Document | None:
    """A document; None where there is nothing to tell yet, or the network does not let it through.

    Raises UnknownExecution.
    """
    try:
        answer = session.get(url, timeout=PATIENCE)
    except requests.RequestException as error:
        print(f"no answer: {error}", file=sys.stderr)
        return None
    if answer.status_code == 200:
        found: Document = answer.json()
        return found
    if answer.status_code == 404:
        raise UnknownExecution(url)
    if answer.status_code in (429, 503):
        time.sleep(float(answer.headers.get("Retry-After", INTERVAL)))
    elif answer.status_code != 204:
        print(f"unexpected answer: {answer.status_code}", file=sys.stderr)
    return None


def watch(url: str) -> Document:
    """Draw an execution until it has ended; gives how it stands then. Raises UnknownExecution."""
    columns = (
        SpinnerColumn(),
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
    )
    with requests.Session() as session, Progress(*columns) as bars:
        bar = bars.add_task("Waiting", total=100)
        while True:
            progress = ask(session, f"{url}/progress")
            if progress is not None:
                name = progress.get("current_step_name", "Processing")
                bars.update(bar, completed=progress["percentage"], description=name)
            execution = ask(session, url)
            if execution is not None and execution["status"] not in GOING_ON:
                if execution["status"] == "completed":
                    bars.update(bar, completed=100)
                bars.update(bar, description=execution["status"])
                return execution
            time.sleep(INTERVAL)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="default: %(default)s")
    called = parser.parse_args()
    try:
        execution = watch(f"{called.url}/api/v1/executions/{called.run}")
    except UnknownExecution:
        print(f"{called.run}: not found", file=sys.stderr)
        return 1
    if execution["status"] == "failed":
        print(f"{execution['error']['type']}: {execution['error']['message']}")
    return int(execution["status"] != "completed")


if __name__ == "__main__":
    sys.exit(main())
