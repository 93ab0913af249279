"""A stream that breaks anywhere goes on where it broke, on any gateway."""

import asyncio
from pathlib import Path

import pytest

from tests.gateway.runs import completed, long_run, short_run, started, step_progress
from tests.gateway.serving import Broker, broker, gateway
from tests.sse import Viewer, ask, path, stream, watch


async def test_timing(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", *short_run())
        print(await watch(b.url, "r1"))
