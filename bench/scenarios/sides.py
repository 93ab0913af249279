"""The three that fan-outs compare, each started, measured and stopped in turn."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from bench.baselines import nchan as peer
from bench.fan import Seen, Side, begun, broker_side
from bench.processes import Server, gateway, nats, python

RUN = "fan"

Measure = Callable[[Side], Awaitable[Seen]]


@asynccontextmanager
async def ours(*flags: str) -> AsyncIterator[Side]:
    """The gateway, with one run."""
    async with nats() as url, gateway(*flags, nats_url=url) as server:
        await begun(url, [RUN])
        yield broker_side(server, [RUN])


@asynccontextmanager
async def nchan(name: str = "nchan", first: str = "/first") -> AsyncIterator[Side]:
    """nginx's nchan, fed over HTTP as its clients do."""
    async with peer.nchan() as server:
        yield Side(name, server, "http", server.port, ["/events"], ["/publish"], first)


@asynccontextmanager
async def baseline(module: str, name: str, *arguments: str) -> AsyncIterator[Side]:
    """A program of `bench.baselines`, fed over HTTP."""
    command = ["-m", f"bench.baselines.{module}", "0", *arguments]
    async with python(command, r"at http://(\S+):(\d+)") as (pid, told):
        server = Server(told[1], int(told[2]), pid)
        yield Side(name, server, "http", server.port, ["/events"], ["/events"])


def peers(smoke: bool) -> list[AbstractAsyncContextManager[Side]]:
    """Those that the gateway is compared with. Raises RuntimeError where nchan is not installed."""
    found: list[AbstractAsyncContextManager[Side]] = [baseline("aiohttp_queue", "usual aiohttp")]
    if not peer.missing():
        found.append(nchan())
    elif smoke:
        print(f"not compared: {peer.missing()}")
    else:
        raise RuntimeError(peer.missing())
    return found


async def measured(side: AbstractAsyncContextManager[Side], measure: Measure) -> tuple[str, Seen]:
    """Start one, measure it, stop it."""
    async with side as started:
        seen = await measure(started)
        seen.check()
        return started.name, seen
