"""How much one client may ask for: token buckets, and how many streams may be open.

A bucket's arithmetic is pure and its clock injected. What is refused says which limit it hit, by
the name of its setting, and when to come back.
"""

import asyncio
import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, NamedTuple

import msgspec
from aiohttp import web

from broker.errors import Overloaded, RateLimited
from broker.metrics import Metrics

BUCKETS: Final = 100_000
"""Buckets kept per limit; the one not used for longest goes first, and is then full again."""


class Rate(msgspec.Struct, frozen=True):
    """`rate` a second on average, `burst` at once; a rate of 0 is no limit."""

    name: str
    rate: float
    burst: float


class Bucket(NamedTuple):
    """The tokens there were at a time."""

    tokens: float
    at: float


def take(bucket: Bucket, now: float, cost: float, rate: Rate) -> tuple[Bucket, float]:
    """Spend tokens; gives the new bucket and the seconds to wait (0: go).

    More than a whole burst can be had of a full bucket, which is then in debt.
    """
    tokens = min(rate.burst, bucket.tokens + (now - bucket.at) * rate.rate)
    needed = min(cost, rate.burst)
    if tokens < needed:
        return Bucket(tokens, now), (needed - tokens) / rate.rate
    return Bucket(tokens - cost, now), 0.0


class Buckets:
    """One limit, for each client on its own."""

    def __init__(self, rate: Rate, now: Callable[[], float], metrics: Metrics) -> None:
        self._rate = rate
        self._now = now
        self._metrics = metrics
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def spend(self, key: Hashable, cost: float = 1.0) -> None:
        """Let a client go on, or raise RateLimited."""
        rate = self._rate
        if not rate.rate:
            return
        now = self._now()
        bucket = self._buckets.get(key) or Bucket(rate.burst, now)
        self._buckets[key], wait = take(bucket, now, cost, rate)
        self._buckets.move_to_end(key)
        if len(self._buckets) > BUCKETS:
            self._buckets.popitem(last=False)
        if wait:
            self._metrics.limited.labels(rate.name).inc()
            raise RateLimited(rate.name, rate.rate, rate.burst, wait)


class Streams:
    """How many streams are open, of each client and of all."""

    def __init__(self, per_client: int, most: int, metrics: Metrics) -> None:
        self._per_client = per_client
        self._most = most
        self._metrics = metrics
        self._open: Counter[str] = Counter()
        self._count = 0
        self._none_open = asyncio.Event()
        self._none_open.set()

    async def all_closed(self) -> None:
        """Wait until no stream is open."""
        await self._none_open.wait()

    def require_room(self, client: str) -> None:
        """Raise RateLimited or Overloaded where a client may not open one more stream."""
        if self._most and self._count >= self._most:
            self._metrics.limited.labels("streams_max").inc()
            raise Overloaded("streams_max", self._most)
        if self._per_client and self._open[client] >= self._per_client:
            self._metrics.limited.labels("streams_per_client").inc()
            raise RateLimited("streams_per_client", 0, self._per_client, 5.0)

    def open(self, client: str, transport: str) -> Callable[[str], None]:
        """Count one more stream; gives what counts it out, to be told why it ended.

        Raises RateLimited or Overloaded.
        """
        self.require_room(client)
        self._metrics.connections.labels(transport).inc()
        self._count += 1
        self._open[client] += 1
        self._none_open.clear()

        def close(why: str) -> None:
            self._metrics.connections.labels(transport).dec()
            self._metrics.closes.labels(why).inc()
            self._count -= 1
            if not self._count:
                self._none_open.set()
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]

        return close


class Limits:
    """Every limit of the gateway."""

    def __init__(
        self,
        *,
        polls: Rate,
        opens: Rate,
        ingest: Rate,
        streams_per_client: int,
        streams_max: int,
        trusted_proxies: tuple[str, ...],
        now: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self.polls = Buckets(polls, now, metrics)
        self.opens = Buckets(opens, now, metrics)
        self.ingest = Buckets(ingest, now, metrics)
        self.streams = Streams(streams_per_client, streams_max, metrics)
        self._trusted = [ipaddress.ip_network(network) for network in trusted_proxies]

    def client(self, request: web.Request) -> str:
        """Who is asking: the source address, or behind trusted proxies the forwarded one.

        Of `X-Forwarded-For` the rightmost address that is no trusted proxy counts: what stands to
        the left of it is what a client may have written itself.
        """
        address = request.remote or ""
        if not self._trusted or not self._trusts(address):
            return address
        hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
        for hop in reversed([hop.strip() for hop in hops if hop.strip()]):
            address = hop
            if not self._trusts(hop):
                break
        return address

    def _trusts(self, address: str) -> bool:
        try:
            source = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(source in network for network in self._trusted)
