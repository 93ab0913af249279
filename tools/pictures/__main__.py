"""Draws the dashboards into docs/pictures/, over a real run of the broker.

    python -m tools.pictures [--minutes 4]

Two gateways serve the demo's pipelines and some hundred clients; the second is restarted on the
way. A real Prometheus watches them and is asked every query of every dashboard.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from broker.stream.child import child
from broker.stream.embedded import embedded_server
from tools.observability.files import BOARDS, ROOT
from tools.pictures.asked import answers
from tools.pictures.gateways import free_ports, gateway
from tools.pictures.load import loaded
from tools.pictures.sheet import sheet
from tools.prometheus import Prometheus, prometheus

PICTURES: Final = ROOT / "docs" / "pictures"
_RESTART_AT: Final = 0.6
"""When the second gateway is restarted, as a share of the time."""
_PIPELINES: Final = ("broker.demo.checksum", "broker.demo.report")
_SETTINGS: Final = {
    "open-rate": "0",  # all clients come from one address
    "poll-rate": "0",
    "streams-per-client": "0",
    "drain-seconds": "5",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=4.0, help="time to look at (default 4)")
    seconds = parser.parse_args().minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_pictures(Path(folder), seconds))


async def _pictures(folder: Path, seconds: float) -> None:
    one, two = (f"127.0.0.1:{port}" for port in free_ports(2))
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(embedded_server(folder / "nats", 0))
        settings = {**_SETTINGS, "nats-url": nats}
        await stack.enter_async_context(gateway(one, folder / "one.log", settings))
        for module in _PIPELINES:
            command = [sys.executable, "-m", module, "--nats", nats, "--forever"]
            await stack.enter_async_context(child(command))
        targets = {"gateway-1": one, "gateway-2": two}
        p = await stack.enter_async_context(prometheus(folder, targets, every="1s"))
        async with gateway(two, folder / "two.log", settings):
            await stack.enter_async_context(loaded([f"http://{one}", f"http://{two}"], nats))
            start = time.time()
            await asyncio.sleep(seconds * _RESTART_AT)
        async with gateway(two, folder / "two.log", settings):
            await asyncio.sleep(start + seconds - time.time())
            await _draw(p, start, seconds)
            await stack.aclose()


async def _draw(p: Prometheus, start: float, seconds: float) -> None:
    PICTURES.mkdir(exist_ok=True)
    for board in BOARDS:
        found = await answers(p, board, start, start + seconds)
        name = board.uid.removeprefix("progress-broker-")
        (PICTURES / f"{name}.svg").write_text(sheet(board, found, seconds))


if __name__ == "__main__":
    main()
