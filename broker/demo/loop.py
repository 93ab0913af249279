"""The command line of a pipeline that runs once, or again and again until it is stopped."""

import argparse
import asyncio
import itertools
import logging
import signal
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from broker.producer import Producer

__all__ = ["Once", "flags", "repeat", "run"]

logger = logging.getLogger(__name__)

Once: TypeAlias = Callable[[Producer, int], Awaitable[None]]
"""One run of a pipeline; the number counts the runs of this process from 1."""


def flags(description: str | None) -> argparse.ArgumentParser:
    """The flags that every such pipeline has; add its own before parsing."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    how_often = parser.add_mutually_exclusive_group()
    how_often.add_argument("--once", action="store_true", help="run once (the default)")
    how_often.add_argument("--forever", action="store_true", help="run again and again")
    parser.add_argument(
        "--nats", metavar="URL", help="default: BROKER_NATS_URL, or nats://127.0.0.1:4222"
    )
    parser.add_argument(
        "--pause", type=float, default=5.0, metavar="S", help="seconds between runs (default 5)"
    )
    return parser


def run(once: Once, options: argparse.Namespace) -> int:
    """Run as the flags say, until the end, SIGINT or SIGTERM; the exit code.

    A run that is stopped is reported as cancelled. Stopping is how `--forever` ends, so its code
    is then 0; one run that is stopped gives 130, one that fails gives 1.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        asyncio.run(_run(once, options))
    except asyncio.CancelledError:
        return 0 if options.forever else 130
    except Exception as error:  # the outermost frame: a person reads a line, not a stack
        logger.error("%s: %s", type(error).__name__, error)
        return 1
    return 0


async def repeat(producer: Producer, once: Once, *, pause: float) -> None:
    """Run again and again; a run that fails, or is cancelled by a person, does not end the loop."""
    task = asyncio.current_task()
    assert task is not None
    for number in itertools.count(1):
        try:
            await once(producer, number)
        except asyncio.CancelledError:
            if task.cancelling():  # it is the loop that is to stop, not only the run
                raise
            logger.info("run %d was cancelled", number)
        except Exception as error:
            logger.warning("run %d failed: %s: %s", number, type(error).__name__, error)
        await asyncio.sleep(pause)


async def _run(once: Once, options: argparse.Namespace) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with Producer.connect(options.nats) as producer:
        if options.forever:
            await repeat(producer, once, pause=options.pause)
        else:
            await once(producer, 1)
