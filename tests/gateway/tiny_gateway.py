"""A gateway that knows the tiny dialect: `python -m tests.gateway.tiny_gateway NATS_URL`."""

import asyncio
import sys

from broker.gateway.app import running
from broker.settings import Settings
from tests.gateway.tiny import TINY


async def main(nats_url: str) -> None:
    settings = Settings(listen="127.0.0.1:0", nats_url=nats_url)
    async with running(settings, dialects=TINY) as gateway:
        print(gateway.url, flush=True)  # noqa: T201 - it tells its parent
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
