"""`progress-broker logs RUN`: what a run has logged, and what it logs until it has ended."""

import argparse
import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, Final

from broker.cli import exits, session
from broker.cli.client import Client, run_path
from broker.cli.draw_parts import log_text
from broker.cli.plain import log_line
from broker.cli.stream import Stream, decoded
from broker.errors import RequestRefused
from broker.model.loglines import LEVELS
from broker.model.state import TERMINAL

_EXAMPLES: Final = """\
  progress-broker logs nightly-42
  progress-broker logs nightly-42 -f --tail 20
  progress-broker logs nightly-42 --level warning --step load
  progress-broker logs nightly-42 -q timeout --json | jq -r .text
"""

_CODES: Final = {exits.DONE: "done", exits.UNKNOWN_RUN: "there is no such run"}

_STRAGGLERS: Final = 1.0
"""Seconds without a line after the run's end that make an end of the log, too."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = session.add_command(
        commands, "logs", "show the log lines of a run", _EXAMPLES, codes=_CODES
    )
    parser.add_argument("run_id", metavar="RUN")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="show lines as they come, until the run ended"
    )
    parser.add_argument("--tail", type=int, metavar="N", help="begin with the last N lines")
    parser.add_argument("--level", choices=LEVELS, help="only lines of this level, and graver ones")
    parser.add_argument("--step", help="only lines of this step")
    parser.add_argument("--attempt", type=int, metavar="N", help="only lines of this attempt")
    parser.add_argument("-q", "--query", metavar="TEXT", help="only lines that hold this")
    session.add_json(parser, "each line as JSON")
    parser.set_defaults(run=_run)


def _run(called: argparse.Namespace) -> int:
    return session.run(called, lambda client: _logs(client, called))


async def _logs(client: Client, called: argparse.Namespace) -> int:
    chosen = {
        "level": called.level,
        "step": called.step,
        "attempt": called.attempt,
        "q": called.query,
        "tail": called.tail,
    }
    show = _shower(as_json=called.json)
    if called.follow and not await _has_ended(client, called.run_id):
        await _until_the_end(client, called.run_id, chosen, show)
        return exits.DONE
    async with aclosing(client.lines(run_path(called.run_id, "/logs"), chosen)) as lines:
        async for line in lines:
            show(line)
    return exits.DONE


def _shower(*, as_json: bool) -> Callable[[Mapping[str, Any]], None]:
    if as_json:
        return session.emit_json
    if not session.looked_at():
        return lambda line: session.emit(log_line(line))
    console = session.terminal()
    return lambda line: console.print(log_text(line, whole=True), soft_wrap=True)


async def _has_ended(client: Client, run: str) -> bool:
    try:
        return (await client.get(run_path(run)))["status"] in TERMINAL
    except RequestRefused as error:
        if error.status == 404:  # it may have logged before its first event
            return False
        raise


async def _until_the_end(
    client: Client,
    run: str,
    chosen: Mapping[str, object],
    show: Callable[[Mapping[str, Any]], None],
) -> None:
    """Show lines as they come; the log is through when the run has ended and no more come."""
    clock = asyncio.get_running_loop().time
    stream = Stream(client, run_path(run, "/logs"), chosen)
    last = 0.0

    async def read() -> None:
        nonlocal last
        async with aclosing(stream.events()) as events:
            async for event in events:
                if event.name == "log":
                    last = clock()
                    show(decoded(event))

    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read())
        await _ended(client, run)
        last = clock()
        while not reading.done() and (left := last + _STRAGGLERS - clock()) > 0:
            await asyncio.sleep(left)
            if stream.lost_for is not None:
                last = clock()
        reading.cancel()


async def _ended(client: Client, run: str) -> None:
    """Wait until the run has ended; one that is not there yet may come."""
    while True:
        stream = Stream(client, run_path(run, "/events"), {"view": "state"})
        with suppress(RequestRefused):
            async with aclosing(stream.events()) as events:
                async for _ in events:
                    pass
            return
        await asyncio.sleep(_STRAGGLERS)
