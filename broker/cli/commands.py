"""`progress-broker cancel`, `retry`, `pause` and `resume`: what a person asks of runs."""

import argparse
import asyncio
import getpass
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from broker.cli import exits, session
from broker.cli.client import Client, run_path
from broker.cli.wording import safe
from broker.errors import BrokerError
from broker.model.state import TERMINAL

_CODES: Final = {
    exits.DONE: "all were asked; with --wait: and did so",
    exits.FAILED: "the state of one forbids it; with --wait: or one did not do so",
    exits.UNKNOWN_RUN: "there is no such run",
    exits.INTERRUPTED: "interrupted by Ctrl-C; what was asked stands",
}

_WAIT: Final = 20
"""Seconds that one look at a run is held until there is news."""

_AT_ONCE: Final = 8


class _Command(NamedTuple):
    """One command: what it does, and when it has had its effect."""

    text: str
    took_effect: str
    effective: Callable[[Mapping[str, Any], int], bool]
    """Whether a state shows the effect; the number is the attempt it was asked of."""


def _is_over(state: Mapping[str, Any], attempt: int) -> bool:
    return state["status"] in TERMINAL or state["attempt"] > attempt


_COMMANDS: Final = {
    "cancel": _Command(
        "ask runs to end", "cancelled", lambda state, attempt: state["status"] == "cancelled"
    ),
    "retry": _Command(
        "ask for another attempt of runs",
        "begun again",
        lambda state, attempt: state["attempt"] > attempt,
    ),
    "pause": _Command(
        "ask runs to wait", "paused", lambda state, attempt: state["status"] == "paused"
    ),
    "resume": _Command(
        "ask runs that wait to go on",
        "resumed",
        lambda state, attempt: state["status"] != "paused",
    ),
}


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str) -> None:
    command = _COMMANDS[name]
    examples = f"""\
  progress-broker {name} nightly-42
  progress-broker {name} nightly-42 nightly-43 --reason "wrong input"
  progress-broker {name} nightly-42 --wait

the producer of a run decides whether it does as asked; --wait tells what it did
"""
    parser = session.add_command(commands, name, command.text, examples, codes=_CODES)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--reason", help="why, for those who look at the run")
    parser.add_argument("--by", default=_user(), help="who asks (default: %(default)s)")
    parser.add_argument(
        "--wait", action="store_true", help=f"wait until the run is {command.took_effect}"
    )
    session.add_json(parser, "what came of each run as a line of JSON")
    parser.set_defaults(run=lambda called: _run(called, name))


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return None


def _run(called: argparse.Namespace, name: str) -> int:
    return session.run(
        called,
        lambda client: _all(client, called, name),
        parting=lambda: f"what was asked stands: {name} is not taken back",
    )


async def _all(client: Client, called: argparse.Namespace, name: str) -> int:
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(run: str) -> int:
        async with places:
            return await _one(client, called, name, run)

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(one(run)) for run in dict.fromkeys(called.runs)]
    return exits.gravest(task.result() for task in asked)


async def _one(client: Client, called: argparse.Namespace, name: str, run: str) -> int:
    given = {"reason": called.reason, "by": called.by}
    body = {key: value for key, value in given.items() if value is not None}
    try:
        attempt = (await client.get(run_path(run)))["attempt"] if called.wait else 0
        id = (await client.post(run_path(run, f"/{name}"), body))["command"]
        if not called.wait:
            _tell(called, run, f"{name} asked", command=id)
            return exits.DONE
        state = await _effect(client, run, name, id, attempt)
    except BrokerError as error:
        if called.json:
            session.emit_json({"run": run, "error": str(error)})
        return session.complain(error, safe(run))
    return _outcome(called, run, name, id, state, attempt)


async def _effect(client: Client, run: str, name: str, id: str, attempt: int) -> Mapping[str, Any]:
    """The first state that shows what became of the command."""
    path, after = run_path(run), None
    while True:
        state: dict[str, Any] = await client.get(
            path, {"after": after, "wait": _WAIT if after else None}
        )
        command = state.get("commands", {}).get(id, {})
        if (
            _COMMANDS[name].effective(state, attempt)
            or (name != "retry" and _is_over(state, attempt))
            or command.get("result") in ("rejected", "ignored")
        ):
            return state
        after = state["cursor"]


def _outcome(
    called: argparse.Namespace,
    run: str,
    name: str,
    id: str,
    state: Mapping[str, Any],
    attempt: int,
) -> int:
    command = _COMMANDS[name]
    if command.effective(state, attempt):
        _tell(called, run, command.took_effect, command=id, status=state["status"])
        return exits.DONE
    given = state.get("commands", {}).get(id, {})
    if given.get("result") in ("rejected", "ignored"):
        why = f": {safe(given['answer'])}" if given.get("answer") else ""
        told = f"{name} {given['result']} by the producer{why}"
    else:
        told = f"{state['status']} before it could be {command.took_effect}"
    _tell(called, run, told, command=id, status=state["status"])
    return exits.FAILED


def _tell(called: argparse.Namespace, run: str, text: str, **more: object) -> None:
    if called.json:
        session.emit_json({"run": run, "outcome": text, **more})
    else:
        session.emit(f"{safe(run)}: {text}")
