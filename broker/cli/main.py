"""`progress-broker COMMAND`: finds the command, runs it, and turns errors into one clear line."""

import argparse
import difflib
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final, NamedTuple

from broker import __version__
from broker.cli import exits
from broker.errors import BrokerError, reason_of


class _Command(NamedTuple):
    """Where a command is. Modules are loaded when they are called: `emit` needs no gateway."""

    module: str
    text: str
    shared: bool = False
    """Whether the module has several commands, and is told which one."""


_COMMANDS: Final = {
    "runs": _Command("runs", "list runs, once or as they go"),
    "watch": _Command("watch", "show runs as they go; --wait exits with the outcome"),
    "logs": _Command("logs", "show what a run has logged; -f follows"),
    "start": _Command("start", "start a pipeline"),
    "cancel": _Command("commands", "ask runs to end", shared=True),
    "retry": _Command("commands", "ask for another attempt of runs", shared=True),
    "pause": _Command("commands", "ask runs to wait", shared=True),
    "resume": _Command("commands", "ask runs that wait to go on", shared=True),
    "emit": _Command("emit", "report events of a run from a shell"),
    "serve": _Command("serve", "run the gateway"),
    "demo": _Command("demo", "run the gateway with pipelines to look at"),
    "schema": _Command("schema", "write or check what is generated from the code"),
}

_EXAMPLES: Final = """\
to begin with:
  progress-broker demo                      a gateway with pipelines, on this machine
  progress-broker runs --watch              what runs there
  progress-broker watch RUN                 one of them, as it goes

`progress-broker COMMAND --help` has the flags of a command, and examples.
Commands find the gateway by --url or PROGRESS_BROKER_URL (default http://127.0.0.1:8080).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives its exit code: those of `exits`, 1 where a command has no own table."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal of few letters is no reason to fail
    if not given or given[0] in ("-h", "--help", "help"):
        return _piped(_overview)
    return _piped(lambda: _called(given))


def _overview() -> int:
    width = max(map(len, _COMMANDS))
    print("Shows live progress of pipelines, truthfully.\n")
    print("usage: progress-broker COMMAND …\n")
    for name, command in _COMMANDS.items():
        print(f"  {name:<{width}}  {command.text}")
    print(f"\n{_EXAMPLES}", end="")
    return exits.DONE


def _called(given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="progress-broker", usage="progress-broker COMMAND …", add_help=False
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(prog="progress-broker", metavar="COMMAND", required=True)
    command = _COMMANDS.get(given[0])
    if command is not None:
        module = import_module(f"broker.cli.{command.module}")
        add: Callable[..., None] = module.add_to
        add(commands, *([given[0]] if command.shared else []))
    elif not given[0].startswith("-"):
        near = difflib.get_close_matches(given[0], _COMMANDS, 1, cutoff=0.7)
        meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(_COMMANDS)}"
        parser.error(f"no command {given[0]!r}: {meant}")
    called, left_over = parser.parse_known_args(given)
    if left_over:
        commands.choices[given[0]].error(f"unrecognized arguments: {' '.join(left_over)}")
    try:
        return int(called.run(called))
    except (BrokerError, BaseExceptionGroup) as error:
        reason = reason_of(error)
        if reason is None:
            raise
        print(f"progress-broker: {exits.explained(reason)}", file=sys.stderr)
        return exits.of_error(reason)


def _piped(work: Callable[[], int]) -> int:
    """Do the work; where who reads its output has left, end quietly, as `head` expects."""
    try:
        code = work()
        sys.stdout.flush()
    except (BrokenPipeError, BaseExceptionGroup) as error:
        if isinstance(error, BaseExceptionGroup) and error.split(BrokenPipeError)[1] is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.BROKEN_PIPE
    return code
