"""`progress-broker serve`: run the gateway until it is told to stop."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from broker import logs
from broker.cli.flags import add_settings, settings_of
from broker.gateway.app import running
from broker.settings import Settings


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("serve", help="run the gateway")
    add_settings(parser)
    parser.set_defaults(run=_run)


def _run(called: argparse.Namespace) -> int:
    settings = settings_of(called)
    logs.set_up(settings.log_level, settings.log_format)
    return run_loop(lambda: _serve(settings))


async def _serve(settings: Settings) -> int:
    async with running(settings):
        await told_to_stop()
    return 0


async def told_to_stop() -> None:
    """Wait for SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def run_loop(work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run on uvloop where there is one."""
    if sys.platform == "win32":
        return asyncio.run(work())
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work())
