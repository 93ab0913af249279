"""How late the event loop is shows while something holds it up."""

import asyncio
import time

import pytest

from broker.gateway.process import loop_lag
from broker.gateway.process.loop_lag import sampled


async def test_who_holds_the_loop_up_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_lag, "PAUSE", 0.01)
    lags: asyncio.Queue[float] = asyncio.Queue()
    async with asyncio.timeout(10), sampled(lags.put_nowait):
        await lags.get()
        time.sleep(0.2)  # noqa: ASYNC251 - what no task may do is the subject
        assert await lags.get() > 0.15
        while (lag := await lags.get()) > 0.1:  # on a busy machine the next may be late too
            pass
        assert lag >= 0
