"""`progress-broker serve`: run the gateway until SIGINT, or SIGTERM, which drains it first."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from broker import logs
from broker.cli import exits, open_files
from broker.cli.flags import add_settings, settings_of
from broker.cli.garbage import search_rarely
from broker.cli.workers import WORKER_FLAG, supervise
from broker.gateway.app import running
from broker.settings import Settings


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "serve",
        help="run the gateway",
        epilog=exits.listed(exits.SERVING),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_settings(parser)
    parser.add_argument(WORKER_FLAG, action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=_run)


def _run(called: argparse.Namespace) -> int:
    settings = settings_of(called)
    logs.set_up(settings.log_level, settings.log_format)
    if settings.workers > 1:
        return run_loop(lambda: _supervise(settings))
    open_files.allow(settings.streams_max)
    return run_loop(lambda: _serve(settings, shares_port=called.shares_port))


async def _supervise(settings: Settings) -> int:
    async with asyncio.TaskGroup() as tasks:
        workers = tasks.create_task(supervise(settings))
        await told_to_stop()
        workers.cancel()
    return 0


async def _serve(settings: Settings, *, shares_port: bool) -> int:
    search_rarely()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(_until_told(settings, shares_port=shares_port))
        stopped = tasks.create_task(told_to_stop())  # matters until it serves, or waits for NATS
        await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
        if stopped.done():
            serving.cancel()
        stopped.cancel()
    return 0


async def _until_told(settings: Settings, *, shares_port: bool) -> None:
    """Serve until told to stop; the second time, what still drains is ended at once."""
    async with running(settings, shares_port=shares_port) as gateway:
        if await told_to_stop() == signal.SIGTERM:
            async with asyncio.TaskGroup() as tasks:
                draining = tasks.create_task(gateway.drain.run(settings.drain_seconds))
                again = tasks.create_task(told_to_stop())
                await asyncio.wait((draining, again), return_when=asyncio.FIRST_COMPLETED)
                draining.cancel()
                again.cancel()


async def told_to_stop() -> signal.Signals:
    """Wait for SIGINT (now) or SIGTERM (in good order); gives which. The last who waits is told."""
    told: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()

    def hear(number: signal.Signals) -> None:
        if not told.done():
            told.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, hear, number)
    return await told


def run_loop(work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run on uvloop where there is one."""
    if sys.platform == "win32":
        return asyncio.run(work())
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work())
