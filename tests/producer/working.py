"""A worker in a process of its own: `python -m tests.producer.working URL ACK_WAIT GRACE`.

Its pipeline `hold` waits for ever, and reports that it has begun.
"""

import asyncio
import sys
from typing import Any

from broker.producer import Run, Worker

worker = Worker(sys.argv[1], ack_wait=float(sys.argv[2]), grace=float(sys.argv[3]), name="first")


@worker.pipeline("hold")
async def hold(run: Run, inputs: dict[str, Any]) -> None:
    async with run.step("wait"):
        await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(worker.main())
