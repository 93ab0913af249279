"""`progress-broker start PIPELINE`: ask a worker for a run of a pipeline."""

import argparse
from typing import Any, Final
from urllib.parse import quote

from broker.cli import exits, session, watch
from broker.cli.client import Client
from broker.cli.wording import safe

_EXAMPLES: Final = """\
  progress-broker start etl
  progress-broker start etl --input day=2026-11-20 --input full=true --label team=data
  progress-broker start etl --wait --no-logs
  progress-broker watch "$(progress-broker start etl)"

a value is JSON where it reads as JSON, else text: full=true is a boolean, day=monday is text
"""

_CODES: Final = watch.CODES | {
    exits.DONE: "it is queued; with --wait: it completed",
    exits.FAILED: "a run with this id exists; with --wait: it failed",
}

_APPEAR: Final = 10.0
"""Seconds that a run may take to be known after it was announced."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = session.add_command(commands, "start", "start a pipeline", _EXAMPLES, codes=_CODES)
    parser.add_argument("pipeline", metavar="PIPELINE")
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        type=assignment,
        metavar="KEY=VALUE",
        help="an input (again for more)",
    )
    parser.add_argument(
        "--run", dest="run_id", metavar="ID", help="the run's id (default: a new one)"
    )
    parser.add_argument("--name", help="what the run is called")
    parser.add_argument(
        "--label", action="append", default=[], type=session.pair, metavar="KEY=VALUE"
    )
    watch.add_watching(parser)
    parser.set_defaults(run=_run)


def assignment(text: str) -> tuple[str, Any]:
    """`key=value`, the value as JSON where it is JSON."""
    key, found, value = text.partition("=")
    if not found or not key:
        raise argparse.ArgumentTypeError(f"{text!r} has no value: write it as key=value")
    return key, session.value_of(value)


def _run(called: argparse.Namespace) -> int:
    begun: list[str] = []
    return session.run(
        called,
        lambda client: _start(client, called, begun),
        parting=lambda: watch.parting(begun) if begun else "",
    )


async def _start(client: Client, called: argparse.Namespace, begun: list[str]) -> int:
    body = {
        "run": called.run_id,
        "name": called.name,
        "inputs": dict(called.input) or None,
        "labels": dict(called.label) or None,
    }
    answer = await client.post(
        f"/v1/pipelines/{quote(called.pipeline, safe='')}/runs",
        {name: value for name, value in body.items() if value is not None},
    )
    run = str(answer["run"])
    begun.append(run)
    if called.wait:
        return await watch.watch(client, called, [run], appear=_APPEAR)
    if called.json:
        session.emit_json(answer)
    else:
        session.emit(run)
        if session.looked_at():
            session.say(f"queued; to watch it: progress-broker watch {safe(run)}")
    return exits.DONE
