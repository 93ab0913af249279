"""Commands as a person runs them, and what they print."""

import asyncio

from tests.sse import PATIENCE


async def output_of(*command: str) -> bytes:
    """What a command prints; it ends when the server ends the answer, and well."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(PATIENCE):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert 0 == process.returncode
    return output
