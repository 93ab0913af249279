"""`progress-broker emit RUN TYPE key=value …`: report events from a shell, or from any program."""

import argparse
import asyncio
import difflib
import os
import sys
from functools import partial
from typing import Any, Final

import msgspec

from broker.cli import exits, session
from broker.cli.client import Client, run_path
from broker.cli.start import assignment
from broker.cli.wording import safe
from broker.errors import RequestRefused
from broker.model.decode import TAGS

_EXAMPLES: Final = """\
  progress-broker emit nightly-42 run.started pipeline=etl total_steps=2
  progress-broker emit nightly-42 step.progress step=load current=3 total=10 unit=files
  progress-broker emit nightly-42 run.failed error='{"message": "disk full"}'
  progress-broker emit nightly-42 log.appended lines='[{"text": "hello"}]'
  progress-broker emit nightly-42 --json-event '{"type": "run.completed"}'
  tail -f events.ndjson | progress-broker emit nightly-42 -
  cat events-of-many-runs.ndjson | progress-broker emit -

a value is JSON where it reads as JSON, else text: total=10 is a number, name=load is text,
and name='"10"' is text as well
with - events come from the standard input, one on each line; bad ones are named by line and
left out, and the exit code is then 1
"""

_CODES: Final = {exits.DONE: "all are stored", exits.FAILED: "some lines of the input were refused"}

_PIECE: Final = 64 * 1024
"""Bytes of the input that are sent at once, if they are there."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = session.add_command(
        commands, "emit", "report events of a run", _EXAMPLES, codes=_CODES
    )
    parser.add_argument("run_id", metavar="RUN", help="or - for events that name their runs")
    parser.add_argument("type", nargs="?", metavar="TYPE", help="the event's type, or -")
    parser.add_argument("fields", nargs="*", type=assignment, metavar="KEY=VALUE")
    parser.add_argument("--json-event", metavar="JSON", help="the whole event")
    session.add_json(parser, "the gateway's answer as JSON")
    parser.set_defaults(run=lambda called: _run(parser, called))


def _run(parser: argparse.ArgumentParser, called: argparse.Namespace) -> int:
    if called.json_event is not None:
        if called.type is not None or called.run_id == "-":
            parser.error("--json-event is the whole event: give a run and no TYPE")
        event = _event_of(parser, called.json_event)
        return session.run(called, lambda client: _one(client, called, event))
    if "-" in (called.run_id, called.type):
        if called.fields or (called.run_id == "-" and called.type is not None):
            parser.error("with - all of an event stands in its line: give no more")
        run = None if called.run_id == "-" else called.run_id
        return session.run(called, lambda client: _input(client, called, run))
    if called.type is None:
        parser.error("give a TYPE such as run.started, or --json-event, or - for the input")
    event = {"type": called.type, **dict(called.fields)}
    return session.run(called, lambda client: _one(client, called, event))


def _event_of(parser: argparse.ArgumentParser, text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        parser.error(f"--json-event is not a JSON object: {error}")


async def _one(client: Client, called: argparse.Namespace, event: dict[str, Any]) -> int:
    try:
        answer = await client.post(run_path(called.run_id, "/events"), event)
    except RequestRefused as error:
        if not error.problems:
            raise
        session.say(f"progress-broker: the event is refused: {error.problems[0][1]}")
        return exits.NO_ANSWER
    if called.json:
        session.emit_json(answer)
    _warn(answer.get("unknown_types", ()))
    return exits.DONE


def _warn(unknown: "list[str] | tuple[str, ...]") -> None:
    for name in unknown:
        near = difflib.get_close_matches(name, TAGS, 1)
        meant = f"; did you mean {near[0]}?" if near else ""
        session.say(f"progress-broker: {safe(name)} is stored, but means nothing here{meant}")


class _Sent:
    """What came of the input so far."""

    def __init__(self) -> None:
        self.line = 0
        self.accepted = 0
        self.refused = 0
        self.unknown: set[str] = set()


async def _input(client: Client, called: argparse.Namespace, run: str | None) -> int:
    """Send the lines of the input as they come, many at once where they are there."""
    path = "/v1/events" if run is None else run_path(run, "/events")
    sent, rest = _Sent(), b""
    read = partial(os.read, sys.stdin.fileno(), _PIECE)  # gives what is there, however little
    while piece := await asyncio.to_thread(read):
        *lines, rest = (rest + piece).split(b"\n")
        await _send(client, path, lines, sent)
    await _send(client, path, [rest], sent)
    if called.json:
        session.emit_json({"accepted": sent.accepted, "refused": sent.refused})
    elif sent.refused or session.looked_at():
        session.say(f"{sent.accepted} events stored, {sent.refused} refused")
    return exits.FAILED if sent.refused else exits.DONE


async def _send(client: Client, path: str, lines: list[bytes], sent: _Sent) -> None:
    first, sent.line = sent.line + 1, sent.line + len(lines)
    numbered = [(first + at, line) for at, line in enumerate(lines) if line.strip()]
    while numbered:
        try:
            answer = await client.post(path, b"\n".join(line for _, line in numbered))
        except RequestRefused as error:
            bad = dict(error.problems)
            if not bad:
                raise
            for index, text in sorted(bad.items()):
                session.say(f"progress-broker: line {numbered[index][0]}: {safe(text)}")
            sent.refused += len(bad)
            numbered = [one for index, one in enumerate(numbered) if index not in bad]
            continue
        sent.accepted += len(numbered)
        unknown = set(answer.get("unknown_types", ()))
        _warn(sorted(unknown - sent.unknown))
        sent.unknown |= unknown
        return
