"""Child processes that end with this one, however it ends."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import IO, Any, Final

from broker.stream import guardian

GRACE: Final = 10.0
"""Seconds that a command has for an orderly end."""


@asynccontextmanager
async def child(
    command: Sequence[str],
    *,
    output: IO[Any] | int | None = None,
    environment: Mapping[str, str] | None = None,
    grace: float = GRACE,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command under a guardian as long as the block; gives the guardian's process.

    The guardian ends when the command does, with its exit code. Ctrl-C in a terminal reaches only
    this process, which ends the command in its own order: SIGTERM, then SIGKILL after `grace`.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        guardian.__file__,
        str(grace),
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=output,
        stderr=output,
        env=environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(grace + 2):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
