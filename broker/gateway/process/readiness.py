"""Whether new clients are welcome at a gateway.

All gateways lose NATS at the same moment. Were they unready at once, nobody would answer anybody,
for what is over before a client notices; so NATS may be away for a while (`ready_grace`).
"""

from broker.gateway.compose import Parts
from broker.gateway.process.drain import Drain
from broker.gateway.process.outage import Outage


class Readiness:
    """What `/readyz` says of a gateway. `grace` in seconds."""

    def __init__(self, drain: Drain, outage: Outage, grace: float) -> None:
        self._drain = drain
        self._outage = outage
        self._grace = grace
        self._parts: Parts | None = None

    def stands_on(self, parts: Parts) -> None:
        """The gateway has begun."""
        self._parts = parts

    def why_not(self) -> str | None:
        """Why new clients had better go to another gateway; None where they need not."""
        if self._drain.began:
            return "the gateway is stopping"
        if self._parts is None:
            return f"the gateway waits for NATS: {self._outage.why}"
        if self._parts.away > self._grace:
            return "NATS is not connected"
        return self._parts.projector.why_not_ready() or self._parts.listed.why_not_ready()
