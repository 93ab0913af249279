"""What every command that asks a gateway has in common: its flags, its client, its end."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import msgspec
from rich.console import Console

from broker.cli import exits
from broker.cli.client import Client
from broker.errors import BrokerError

DEFAULT_URL: Final = "http://127.0.0.1:8080"
VARIABLE: Final = "PROGRESS_BROKER_URL"

Work: TypeAlias = Callable[[Client], Coroutine[Any, Any, int]]


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    text: str,
    examples: str,
    *,
    codes: Mapping[int, str] | None = None,
) -> argparse.ArgumentParser:
    """Add a command that asks a gateway; its help ends with examples."""
    parser = commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=f"examples:\n{examples}\n{exits.table(codes or {exits.DONE: 'done'})}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--url",
        type=gateway_url,
        default=os.environ.get(VARIABLE, DEFAULT_URL),
        help=f"where the gateway is ({VARIABLE}; default {DEFAULT_URL})",
    )
    return parser


def add_json(parser: argparse.ArgumentParser, text: str) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help=text)


def gateway_url(text: str) -> str:
    """A URL as commands use it: with a scheme, without a slash at the end."""
    url = text if "://" in text else f"http://{text}"
    parts = urlsplit(url)
    try:
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the URL of a gateway: give one such as {DEFAULT_URL}"
        )
    return url.rstrip("/")


def pair(text: str) -> tuple[str, str]:
    """A label as a person writes it, `key=value` or `key:value`."""
    for mark in "=:":
        key, found, value = text.partition(mark)
        if found and key and ":" not in key:
            return key, value
    raise argparse.ArgumentTypeError(f"{text!r} has no value: write it as key=value")


def value_of(text: str) -> Any:
    """A value from a command line: JSON where it is JSON, else text."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def run(called: argparse.Namespace, work: Work, *, parting: Callable[[], str] = lambda: "") -> int:
    """Do the work with a client; on Ctrl-C say `parting` and give 130."""
    try:
        return asyncio.run(_session(called.url, work))
    except KeyboardInterrupt:
        say(f"\n{parting()}".rstrip())
        return exits.INTERRUPTED
    except asyncio.CancelledError:
        return exits.TERMINATED


async def _session(url: str, work: Work) -> int:
    task = asyncio.current_task()
    assert task is not None
    if sys.platform != "win32":  # a screen must be left in order then, too
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with Client.connect(url) as client:
        return await work(client)


def terminal() -> Console:
    """Where a person looks on."""
    return Console(highlight=False, markup=False, emoji=False)


def looked_at() -> bool:
    """Whether a person looks at what is printed, rather than a program."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def emit(line: str) -> None:
    """Print a line at once, for a program that waits for it."""
    print(line, flush=True)


def emit_json(value: object) -> None:
    """Print a value as one line of JSON."""
    emit(msgspec.json.encode(value).decode())


def say(line: str) -> None:
    """Tell the person, apart from what is printed for programs."""
    print(line, file=sys.stderr, flush=True)


def complain(error: BrokerError, about: str = "") -> int:
    """Say what went wrong with one of several; gives the exit code for it."""
    say(f"progress-broker: {f'{about}: ' if about else ''}{exits.explained(error)}")
    return exits.of_error(error)
