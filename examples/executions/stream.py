"""Watch an execution over its WebSocket, and come back when the connection breaks.

    python examples/executions/stream.py RUN --url ws://127.0.0.1:8080

Ends with 0 if it completed.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from websocket import WebSocketException, create_connection

ENDS = ("completed", "failed", "cancelled")
TRIES = 5
PATIENCE = 60.0
"""Seconds without a message after which to look whether the connection is still there."""

Message = dict[str, Any]


def messages(address: str) -> Iterator[Message]:
    """What comes over one connection. Raises OSError or WebSocketException where that breaks."""
    with closing(create_connection(address, timeout=PATIENCE)) as ws:
        while True:
            text = ws.recv()
            if not text:
                raise WebSocketException("the gateway has closed")
            yield json.loads(text)


def watch(address: str, pause: float) -> str:
    """Print what comes; gives the type of the last message.

    Connects again after pauses that grow. Raises what broke the connection when that has not
    helped so often in a row.
    """
    broken = 0
    while True:
        try:
            for message in messages(address):
                broken = 0
                kind = str(message["type"])
                shown = message.get("progress") or message.get("error") or message.get("message")
                print(kind, json.dumps(shown or {}), flush=True)
                if kind in (*ENDS, "error"):
                    return kind
        except (OSError, WebSocketException) as error:
            broken += 1
            if broken == TRIES:
                raise
            wait = pause * 2 ** (broken - 1)
            print(f"{error}: again in {wait:g} s", file=sys.stderr, flush=True)
            time.sleep(wait)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run")
    parser.add_argument("--url", default="ws://127.0.0.1:8080", help="default: %(default)s")
    parser.add_argument(
        "--pause", type=float, default=1.0, help="seconds, twice as long each time (default 1)"
    )
    called = parser.parse_args()
    try:
        ended = watch(f"{called.url}/api/v1/executions/{called.run}/progress/ws", called.pause)
    except (OSError, WebSocketException) as error:
        print(f"given up: {error}", file=sys.stderr)
        return 1
    return int(ended != "completed")


if __name__ == "__main__":
    sys.exit(main())
