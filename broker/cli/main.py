"""`progress-broker COMMAND`: finds the command, runs it, and turns errors into one clear line."""

import argparse
import sys
from collections.abc import Sequence

from broker import __version__
from broker.cli import demo, schema, serve
from broker.errors import BrokerError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives its exit code: 0 done, 1 failed, 2 called wrongly."""
    parser = argparse.ArgumentParser(
        prog="progress-broker",
        description="Shows live progress of pipelines, truthfully.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (serve, demo, schema):
        command.add_to(commands)
    called = parser.parse_args(arguments)
    try:
        return int(called.run(called))
    except (BrokerError, BaseExceptionGroup) as error:
        reason = _reason(error)
        if reason is None:
            raise
        print(f"progress-broker: {reason}", file=sys.stderr)
        return 1


def _reason(error: BaseException) -> BrokerError | None:
    """The broker's own error, also where a task of ours failed with it."""
    if isinstance(error, BaseExceptionGroup):
        reasons = [_reason(inner) for inner in error.exceptions]
        return reasons[0] if all(reasons) else None
    return error if isinstance(error, BrokerError) else None
