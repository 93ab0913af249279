"""`progress-broker demo`: serve, with real little pipelines that keep running beside it."""

import argparse
import asyncio
import shlex
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console
from rich.text import Text

from broker import logs
from broker.cli.flags import add_settings, settings_of
from broker.cli.serve import run_loop, told_to_stop
from broker.cli.session import DEFAULT_URL
from broker.errors import BrokerError
from broker.gateway.app import running
from broker.model.decode import decode, tag_of
from broker.model.events import RunCancelled, RunCompleted, RunFailed, RunStarted
from broker.model.subjects import RunKey, run_of
from broker.settings import Settings
from broker.stream.child import child
from broker.stream.connection import Connection

_STYLES = {"started": "cyan", "completed": "green", "failed": "red", "cancelled": "yellow"}

_PIPELINES = ("broker.demo.checksum", "broker.demo.report")


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "demo", help="run the gateway with pipelines to look at, until Ctrl-C"
    )
    parser.add_argument(
        "scripts",
        nargs="*",
        metavar="SCRIPT",
        help="more pipelines: Python files, with flags if need be, that take --nats and --forever",
    )
    add_settings(parser)
    parser.set_defaults(run=_run)


def _run(called: argparse.Namespace) -> int:
    settings = settings_of(called)
    logs.set_up(settings.log_level, settings.log_format)
    return run_loop(lambda: _demo(settings, called.scripts))


async def _demo(settings: Settings, scripts: list[str]) -> int:
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(running(settings))
        narrator = _Narrator(gateway.url, Console(highlight=False, markup=False))
        ear = await stack.enter_async_context(
            Connection.connect(gateway.nats_url, name="progress-broker demo")
        )
        await ear.subscribe("live.progress.*.*", narrator.hear)
        narrator.greet()
        common = ["--nats", gateway.nats_url, "--forever"]
        pipelines = [["-m", module] for module in _PIPELINES]
        for pipeline in [*pipelines, *map(shlex.split, scripts)]:
            await stack.enter_async_context(
                child([sys.executable, *pipeline, *common], output=asyncio.subprocess.DEVNULL)
            )
        await told_to_stop()
        narrator.part()
    return 0


def _program() -> str:
    """This program as it is called from here."""
    called, here = Path(sys.argv[0]), Path.cwd()
    if not called.is_absolute():
        return str(called)
    return str(called.relative_to(here)) if called.is_relative_to(here) else called.name


class _Narrator:
    """Tells a person at a terminal which runs begin and end, and how to watch them."""

    def __init__(self, url: str, console: Console) -> None:
        self._url = url
        self._console = console
        self._flags = "" if url == DEFAULT_URL else f" --url {url}"
        self._names: dict[RunKey, str] = {}

    def greet(self) -> None:
        self._console.print(f"Open {self._url}/ in a browser", style="bold")
        self._console.print(
            "Or, in another terminal, watch all runs, one as below, or one as a program gets it:\n"
            f"  {_program()} runs --watch{self._flags}\n"
            f"  curl -N {self._url}/v1/runs/RUN/events\n"
            "Ctrl-C here ends everything.\n",
            soft_wrap=True,
        )

    def part(self) -> None:
        self._console.print("\nending the pipelines and the broker …")

    def hear(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        """One stored event of any run."""
        try:
            key, event = run_of(subject.decode()), decode(data)
        except (BrokerError, UnicodeDecodeError):
            return
        if isinstance(event, RunStarted):
            name = self._names[key] = event.pipeline or "run"
            watch = f"{_program()} watch {shlex.quote(key.run)}{self._flags}"
            self._say(name, "started", watch)
        elif isinstance(event, RunCompleted | RunFailed | RunCancelled):
            error = event.error.message or "" if isinstance(event, RunFailed) else ""
            self._say(self._names.pop(key, "run"), tag_of(event).removeprefix("run."), error[:100])

    def _say(self, name: str, what: str, more: str) -> None:
        text = Text(f"{name:<10} ")
        text.append(f"{what:<10} ", style=_STYLES[what])
        text.append(more)
        self._console.print(text, soft_wrap=True)
